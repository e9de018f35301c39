"""From a table to a registered reward model: pinned pairs, its lineage, its figures beside the null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from models.chat.preferences import Pair
from models.registry import tracking
from models.registry.entry import Registered
from models.registry.register import Lineage, Presentation, register
from models.registry.served import Served
from models.reward.data import Data
from models.reward.evaluate import Judged, Kind, judge, sequences
from models.reward.gate import lacking
from models.reward.matrix import ALL, Cell, cells, check_apart
from models.reward.train import NAMES, Trained, train
from models.training.base import base_hashes, base_model
from models.training.callbacks import Progress
from models.training.configuration import Configuration
from models.training.fitting import Fitting
from models.training.memory import Plan, planned_here
from models.training.run import losses

_PROBE = 8
_WHAT: Mapping[Kind, str] = {
    "pointwise": "Reward model (equation 1): a number for a response, to compare responses to one context.",
    "pairwise": "Reward model (equations 2 to 4): above 0 where the first of two responses to a context is preferred.",
}


@dataclass(frozen=True)
class Model:
    """A trained reward model, what it does on held-apart pairs, and its entry in the registry.

    Attributes:
        source: `stage.table@version` of the pairs.
        lacking: what kept the version from getting the alias; empty if it may have it.
    """

    trained: Trained
    judged: Judged
    cells: tuple[Cell, ...]
    registered: Registered
    source: str
    lacking: tuple[str, ...] = ()


def folder_of_runs(settings: Settings) -> Path:
    """Where runs have their folders."""
    return settings.home / ".flywheel" / "training"


def memory_plan(settings: Settings, configuration: Configuration) -> Plan:
    """What the run needs of each GPU, checked against this machine.

    Raises:
        TrainingRefused: it cannot fit, or the GPUs are not here.
    """
    return planned_here(configuration, base_model(settings, configuration.base_model))


def train_and_register(
    settings: Settings,
    data: Data,
    kind: Kind,
    configuration: Configuration,
    progress: Progress | None = None,
    alias: str = tracking.CANDIDATE,
) -> Model:
    """Train `RM_YYMMDD` on all pairs, judge it, and register it as `reward-<kind>`.

    The alias moves only to a version that the settings' section `candidate` lets pass.

    The same rows and configuration again train nothing and register nothing new.

    Raises:
        TrainingRefused: see `models.reward.train.train`.
        RegistrationRefused: the stored model does not give the trained one's logits.
    """
    check_apart(data.training, data.evaluation)
    base = base_model(settings, configuration.base_model)
    trained = train(kind, data.training, configuration, base, folder_of_runs(settings), progress)
    judged = judge(kind, trained.folder, trained.tokenizer, data.evaluation, configuration.max_length)
    until = max(pair.batch for pair in data.training)
    all_cells = tuple(cells(f"RM_{until}", until, judged))
    reasons = lacking(judged, settings.candidate)
    registered = register(
        settings,
        NAMES[kind],
        trained.folder,
        lineage(data, trained, until),
        metrics(data, trained, judged, all_cells),
        _probe(trained, data.evaluation),
        alias="" if reasons else alias,
        presentation=Presentation(
            {"loss": losses(trained.folder)},
            Served(kind, configuration.max_length),
            _description(data, trained, judged, until),
            _WHAT[kind],
        ),
    )
    tracking.tag_gate(settings, registered.name, registered.version, reasons)
    return Model(trained, judged, all_cells, registered, data.source, reasons)


def _description(data: Data, trained: Trained, judged: Judged, until: str) -> str:
    consistency = judged.consistency()
    return (
        f"RM_{until}, trained on {sum(trained.fates.values()):,} labels of {data.source} up to batch {until}, from "
        f"{trained.base_name}. On {len(judged.pairs):,} pairs of held-out users: accuracy {judged.accuracy()}; always "
        f"choosing the longer response {judged.longer()}"
        + (f"; one verdict in both orders {consistency}." if consistency else ".")
    )


def lineage(data: Data, trained: Trained, until: str) -> Lineage:
    """What the model was made from."""
    weights, tokenizer = base_hashes(trained.base)
    return Lineage(
        snapshots=data.snapshots,
        base_model=trained.base_name,
        base_model_hash=weights,
        tokenizer_hash=tokenizer,
        seed=trained.configuration.seed,
        configuration={
            **trained.configuration.model_dump(mode="json"),
            "model": f"RM_{until}",
            "trained_until": until,
            "labels": dict(data.training_counts),
        },
    )


def metrics(data: Data, trained: Trained, judged: Judged, all_cells: Sequence[Cell]) -> dict[str, float]:
    """Counts and accuracies by name, for the registry."""
    figures: dict[str, float] = {f"labels_{fate}": float(n) for fate, n in data.training_counts.items()}
    figures |= {f"training_{fate}": float(n) for fate, n in trained.fates.items()}
    figures |= {f"evaluation_{fate}": float(n) for fate, n in judged.fates.items()}
    figures |= {f"leakage_{name}": value for name, value in data.leakage.figures().items()}
    for cell in all_cells:
        if cell.batch == ALL:
            figures[f"accuracy_{cell.mode}"] = cell.accuracy.value
            figures[f"accuracy_{cell.mode}_low"] = cell.accuracy.low
            figures[f"accuracy_{cell.mode}_high"] = cell.accuracy.high
            figures[f"longer_{cell.mode}"] = cell.longer.value
            figures[f"pairs_{cell.mode}"] = float(cell.accuracy.n)
            if cell.consistency is not None:
                figures[f"position_consistency_{cell.mode}"] = cell.consistency.value
    return figures


def _probe(trained: Trained, pairs: Sequence[Pair]) -> list[list[int]]:
    fitting = Fitting(trained.tokenizer, trained.configuration.max_length)
    fitted = (sequences(trained.kind, fitting, pair) for pair in pairs[: 2 * _PROBE])
    return [
        sequence for pair_sequences in fitted if pair_sequences is not None for sequence in pair_sequences
    ][:_PROBE]
