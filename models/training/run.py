"""One training run, from prepared rows to a model folder: in this process, or on every rank of a launched one.

A run has a folder named by all that decides its result. A run that was killed goes on from its last whole checkpoint
and ends with the weights of an undisturbed one; a run that is done is not done again. Prepared rows are token ids of
what users wrote: the folder is readable by its owner only, and they go once the model is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.errors import TrainingRefused
from infra.storage import new_folder, publish, write_file
from models.training.callbacks import CHECKPOINT, HEARTBEAT, Progress, callbacks, whole_checkpoint
from models.training.configuration import SHIPPED, Configuration

MODEL = "model"
_ROWS, _SPEC, _DRAFT, _LOSSES = "rows", "spec.json", ".model", "losses.json"


@dataclass(frozen=True)
class Spec:
    """What every rank of a run reads besides its rows."""

    configuration: Configuration
    base: str
    pos_weight: float | None

    def write(self, file: Path) -> None:
        """As JSON, whole or not at all."""
        fields = {"base": self.base, "pos_weight": self.pos_weight}
        text = json.dumps({**fields, "configuration": self.configuration.model_dump(mode="json")}, indent=1)
        write_file(file, text)

    @classmethod
    def read(cls, file: Path) -> Spec:
        """The inverse of `write`."""
        fields = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            Configuration.model_validate(fields["configuration"]), fields["base"], fields["pos_weight"]
        )


def prepare(
    root: Path,
    configuration: Configuration,
    base: str,
    columns: Mapping[str, Sequence[Any]],
    pos_weight: float | None = None,
) -> Path:
    """The folder of the run that these columns and settings make, ready to be executed or done already.

    Args:
        root: where runs have their folders.
        base: hub id or folder of the base model.
        columns: those of `pointwise.columns` for `reward-pointwise`; else `input_ids` and
            `labels`.

    Raises:
        TrainingRefused: there are no rows.
    """
    from datasets import Dataset

    rows = Dataset.from_dict(dict(columns))
    if not len(rows):
        raise TrainingRefused(
            "there are no rows to train on", hint="Look at the counts of what was left out."
        )
    name = configuration.fingerprint(base, str(pos_weight), _content(rows))
    folder = root / f"{configuration.job}-{name}"
    if not done(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        Spec(configuration, base, pos_weight).write(folder / _SPEC)
        _keep_rows(rows, folder / _ROWS)
    return folder


def done(folder: Path) -> bool:
    """Whether the run's model is there, whole."""
    return (folder / MODEL / "config.json").is_file()


def start(folder: Path, progress: Progress | None = None) -> Path:
    """Execute a prepared run where its configuration says, and return the folder of its model.

    Raises:
        TrainingRefused: the loss is not a number, a rank of the launched run failed, or another process trains it now.
    """
    with _alone(folder):
        if not done(folder):
            configuration = Spec.read(folder / _SPEC).configuration
            if configuration.cluster.accelerate:
                _launch(configuration, folder)
            else:
                execute(folder, progress)
        _clear(folder)
    return folder / MODEL


def clear_unfinished(root: Path) -> None:
    """Remove the prepared rows of every run that never ended: they are what users wrote.

    Raises:
        TrainingRefused: one is being trained; those before it are cleared.
    """
    # A process that was killed while it prepared rows left them under the name of a draft.
    names = (_ROWS, f".{_ROWS}.*")
    for folder in sorted({rows.parent for name in names for rows in root.glob(f"*/{name}")}):
        with _alone(folder):
            _clear(folder)
            for draft in folder.glob(names[1]):
                shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes would write each other's checkpoints; the lock goes with the process that holds it."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingRefused(
                "this very run is being trained by another process",
                hint=f"Wait for it; {folder / HEARTBEAT} says how far it is.",
            ) from None
        yield


def _launch(configuration: Configuration, folder: Path) -> None:
    command = launch_command(configuration)
    if configuration.cluster.nodes > 1:
        raise TrainingRefused(
            f"the run is prepared, and starts on {configuration.cluster.nodes} nodes, which share {folder}",
            hint="On node N of them, with the first one's address: "
            f"{' '.join(command)} --machine_rank N --main_process_ip ADDRESS -m models.training {folder} "
            "Then ask again here: the model is found.",
        )
    ended = subprocess.run([*command, "-m", "models.training", str(folder)], check=False)
    if ended.returncode or not done(folder):
        raise TrainingRefused(
            f"the launched run ended with code {ended.returncode} and no model",
            hint=f"Its ranks say why above; run again to go on from the last checkpoint in {folder}.",
        )


def launch_command(configuration: Configuration) -> list[str]:
    """`accelerate launch` with the configuration's file, without the module and its argument.

    Several processes on CPUs are torchrun's: accelerate starts such by mpirun only, and one process without it.
    """
    name = configuration.cluster.accelerate
    file = SHIPPED / name if (SHIPPED / name).is_file() else Path(name)
    accelerate = yaml.safe_load(file.read_text(encoding="utf-8"))
    if accelerate.get("distributed_type") == "MULTI_CPU":
        ranks = str(accelerate["num_processes"])
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", ranks]
    return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file)]


def execute(folder: Path, progress: Progress | None = None) -> None:
    """What every rank does: train, from the last whole checkpoint if there is one, and leave the model."""
    from datasets import Dataset
    from transformers import PrinterCallback

    from models.training.build import build
    from models.training.sequences import quiet

    with quiet():
        spec = Spec.read(folder / _SPEC)
        rows = Dataset.load_from_disk(str(folder / _ROWS), keep_in_memory=True)
        trainer, tokenizer = build(spec.configuration, spec.base, spec.pos_weight, folder, rows)
        # Not transformers' own lines on stdout, which belongs to whoever asked for the run.
        trainer.remove_callback(PrinterCallback)
        for callback in callbacks(folder, progress):
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=whole_checkpoint(folder))
        if trainer.is_world_process_zero():
            _keep_losses(trainer.state.log_history, folder)
        _leave(trainer, tokenizer, spec, folder)


def losses(model: Path) -> list[tuple[int, float]]:
    """Step and training loss, in order, of the run that left a model; empty for one of an older version."""
    try:
        points = json.loads((model.parent / _LOSSES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [(int(step), float(loss)) for step, loss in points]


def _keep_losses(history: Sequence[Mapping[str, Any]], folder: Path) -> None:
    points = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    write_file(folder / _LOSSES, json.dumps(points))


def _leave(trainer: Any, tokenizer: Any, spec: Spec, folder: Path) -> None:
    """The whole model, adapters merged, with its tokenizer."""
    draft = folder / _DRAFT
    if trainer.accelerator.is_main_process:
        shutil.rmtree(draft, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    if trainer.is_fsdp_enabled:
        # Shards are for checkpoints: the model that others read is gathered, once.
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(draft))
    if trainer.accelerator.is_main_process:
        if spec.configuration.lora is not None:
            _merge(draft, spec)
        tokenizer.save_pretrained(draft)
        for stray in ("training_args.bin", "README.md"):
            (draft / stray).unlink(missing_ok=True)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        publish(draft, folder / MODEL)
    trainer.accelerator.wait_for_everyone()


def _clear(folder: Path) -> None:
    """What only the training needed goes, also where an earlier process ended before it came to that."""
    for stray in (folder / _ROWS, folder / _DRAFT, *folder.glob(f"{CHECKPOINT}-*")):
        shutil.rmtree(stray, ignore_errors=True)


def _merge(draft: Path, spec: Spec) -> None:
    from peft import PeftModel

    from models.training.sequences import classifier

    # The head and the rows of new tokens are in the adapters' file, whatever the base was drawn with.
    base, _ = classifier(spec.base, spec.configuration.seed)
    merged = PeftModel.from_pretrained(base, str(draft)).merge_and_unload()
    shutil.rmtree(draft)
    merged.save_pretrained(draft)


def _content(rows: Any) -> str:
    """A hash of the rows' values, in order."""
    digest = hashlib.sha256()
    for name in sorted(rows.column_names):
        digest.update(name.encode())
        for value in rows[name]:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _keep_rows(rows: Any, folder: Path) -> None:
    from models.training.sequences import quiet

    if folder.exists():
        return
    with quiet(), new_folder(folder) as draft:
        rows.save_to_disk(str(draft))
