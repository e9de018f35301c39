"""Train a model for each signal on pinned rows, and register it with its lineage and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow as pa

from infra.errors import TrainingRefused
from infra.settings import Settings
from models.registry import tracking
from models.registry.entry import Registered
from models.registry.register import Lineage, Presentation, register
from models.registry.served import Served
from models.reward.registration import folder_of_runs
from models.signals.gate import lacking
from models.signals.guard import mark, model_name
from models.signals.rows import SIGNALS, SignalRows
from models.signals.train import TrainedSignal, split_parts, train_signal
from models.signals.transformer import calibrated_folder
from models.training.base import base_hashes, base_model
from models.training.callbacks import Progress
from models.training.configuration import Configuration
from models.training.run import losses

_PROBE_ROWS = 8


@dataclass(frozen=True)
class Job:
    """Settings for the training of all signals.

    Attributes:
        days: sorted UTC dates of the responses; () = all.
        most: most training rows of a signal; 0: all.
        alias: is moved to each new version.
    """

    configuration: Configuration
    days: tuple[date, ...] = ()
    most: int = 0
    kind: Literal["platt", "isotonic"] = "platt"
    alias: str = tracking.CANDIDATE


@dataclass(frozen=True)
class Outcome:
    """The result for a signal: a registered model with its figures, or the reason why there is none.

    Attributes:
        lacking: what kept the version from getting the alias; empty if it may have it.
    """

    signal: str
    trained: TrainedSignal | None = None
    registered: Registered | None = None
    refused: str = ""
    lacking: tuple[str, ...] = ()


def train_and_register(
    settings: Settings,
    rows: SignalRows,
    signals: Sequence[str],
    job: Job,
    progress: Callable[[str], Progress] | None = None,
) -> Iterator[Outcome]:
    """Train each signal and register it as `signal-<name>`; a rerun on the same rows registers nothing new.

    A signal with too few labels gives an Outcome with `refused`, and the other signals go on.

    Args:
        progress: makes the progress reporter of a signal's run.

    Raises:
        TrainingRefused: a signal is not one of `SIGNALS`, or the configuration is for another job.
    """
    if unknown := sorted(set(signals) - set(SIGNALS)):
        raise TrainingRefused(
            f"there is no signal {', '.join(unknown)}", hint=f"Available: {', '.join(SIGNALS)}."
        )
    if job.configuration.job != "signals":
        raise TrainingRefused(
            f"the configuration trains {job.configuration.job}, not signals",
            hint="Use a configuration whose job is signals.",
        )
    base = base_model(settings, job.configuration.base_model)
    root = folder_of_runs(settings)
    for signal in signals:
        try:
            trained = train_signal(
                root, job.configuration, base, rows.table, signal, most=job.most, kind=job.kind,
                progress=progress(signal) if progress else None,
            )  # fmt: skip
        except TrainingRefused as error:
            yield Outcome(signal, refused=str(error))
            continue
        reasons = lacking(trained.evaluation, settings.candidate)
        registered = _register(settings, rows, trained, base, job, "" if reasons else job.alias)
        tracking.tag_gate(settings, registered.name, registered.version, reasons)
        yield Outcome(signal, trained, registered, lacking=reasons)


def _register(
    settings: Settings, rows: SignalRows, trained: TrainedSignal, base: str, job: Job, alias: str
) -> Registered:
    folder = calibrated_folder(trained.model.folder, trained.run, trained.calibration)
    name = model_name(trained.signal)
    registered = register(
        settings,
        name,
        folder,
        _lineage(rows, trained, base, job),
        {
            **{key: float(number) for key, number in trained.counts.items()},
            **{f"leakage_{key}": number for key, number in trained.leakage.figures().items()},
            **trained.evaluation.metrics(),
        },
        _probe(trained, rows.table, job),
        alias=alias,
        presentation=Presentation(
            {"loss": losses(trained.model.folder)},
            Served("signal", job.configuration.max_length),
            _description(rows, trained, base),
            f"Probability that a user does this after a response: {trained.signal} (section 2.3.2). It may rank "
            "candidates at most; it is refused as a reward.",
        ),
    )
    mark(settings, registered.name, registered.version, trained.signal)
    return registered


def _description(rows: SignalRows, trained: TrainedSignal, base: str) -> str:
    overall = trained.evaluation.overall
    auc = "unknown" if overall.auc.value is None else f"{overall.auc.value:.3f}"
    tables = ", ".join(str(snapshot) for snapshot in rows.snapshots)
    return (
        f"p({trained.signal}), trained on {tables}, from {_base_name(base)}. On {overall.rows:,} responses to "
        f"{overall.users:,} held-out users: AUC {auc}, calibration error {trained.evaluation.calibrated.error:.3f}."
    )


def _base_name(base: str) -> str:
    return Path(base).name if Path(base).is_dir() else base


def _lineage(rows: SignalRows, trained: TrainedSignal, base: str, job: Job) -> Lineage:
    weights, tokenizer = base_hashes(base)
    configuration = job.configuration.model_dump(mode="json")
    return Lineage(
        snapshots=rows.snapshots,
        base_model=_base_name(base),
        base_model_hash=weights,
        tokenizer_hash=tokenizer,
        seed=job.configuration.seed,
        configuration={
            **configuration,
            "signal": trained.signal,
            "most_rows": job.most,
            "calibration": {"kind": trained.calibration.kind, **_numbers(trained.calibration.as_dict())},
            "labels": {f"rows_{outcome}": number for outcome, number in rows.counts.items()},
        },
    )


def _probe(trained: TrainedSignal, table: pa.Table, job: Job) -> list[list[int]]:
    """Sequences of a few calibration rows, on which the stored model must agree with the trained one."""
    from models.signals.model import SEEN, labelled

    rows = split_parts(labelled(table, trained.signal), job.configuration.seed).calibration.slice(
        0, 4 * _PROBE_ROWS
    )
    sequences = [sequence for sequence in trained.model.sequences(rows.select(SEEN)) if sequence is not None]
    return sequences[:_PROBE_ROWS]


def _numbers(calibration: Mapping[str, object]) -> dict[str, object]:
    """The calibration's parameters; a list is replaced by its length, because the model's folder has the values."""
    return {
        key: len(value) if isinstance(value, list) else value
        for key, value in calibration.items()
        if key != "kind"
    }
