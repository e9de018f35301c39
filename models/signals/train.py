"""Train one signal model: fit on train users, calibrate on other train users, evaluate on evaluation users."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from infra.errors import TrainingRefused
from models.calibration import Calibration, calibrate
from models.signals.baselines import FEATURES, baselines
from models.signals.evaluation import Evaluation, evaluate
from models.signals.model import SEEN, Bools, Floats, happened, labelled
from models.signals.transformer import Transformer, fit
from models.training.callbacks import Progress
from models.training.configuration import Configuration
from models.training.leakage import LeakageReport, measure_leakage

CALIBRATION_SHARE = 0.2
LEAST_ROWS = 100
LEAST_OUTCOMES = 10


@dataclass(frozen=True)
class Parts:
    """Rows of one signal, divided by user: each user is in one part only."""

    train: pa.Table
    calibration: pa.Table
    evaluation: pa.Table


@dataclass(frozen=True)
class TrainedSignal:
    """A signal model with its calibration and evaluation.

    Attributes:
        run: folder of its training run.
        leakage: between the fitting or calibration rows and the evaluation rows, before repeats were left out.
        counts: rows with unknown signal, of each part, left out as repeats of evaluation rows, not drawn, and by how
            they fitted the model's length.
    """

    signal: str
    model: Transformer
    run: Path
    calibration: Calibration
    evaluation: Evaluation
    leakage: LeakageReport
    counts: Mapping[str, int] = field(default_factory=dict)

    def probabilities(self, rows: pa.Table) -> Floats:
        """Calibrated probabilities, one a row; NaN where a row is too long."""
        return calibrated(self.calibration, self.model.logits(rows))


def split_parts(table: pa.Table, seed: int, most: int = 0) -> Parts:
    """Divide rows whose signal is known into parts.

    A share of the train users, by hash of the user, is for calibration. Of more than `most` training rows those with
    the smallest hash of their turn are drawn.

    Raises:
        TrainingRefused: a user is on both sides of the split.
    """
    users = np.array(table["user_id"].to_pylist(), dtype=object)
    is_evaluation = np.array([side == "evaluation" for side in table["split"].to_pylist()], dtype=bool)
    if shared := len(set(users[is_evaluation]) & set(users[~is_evaluation])):
        raise TrainingRefused(f"{shared} users are on both sides of the split", hint="Run flywheel plan.")
    calibrates = np.array(
        [_unit_hash("calibration", seed, user) < CALIBRATION_SHARE for user in users], dtype=bool
    )
    train = np.flatnonzero(~is_evaluation & ~calibrates)
    if most and len(train) > most:
        turns = table["turn_id"].to_pylist()
        drawn = sorted(train.tolist(), key=lambda row: _unit_hash("drawn", seed, turns[row]))
        train = np.sort(np.array(drawn[:most], dtype=np.intp))
    return Parts(
        table.take(pa.array(train)),
        table.filter(pa.array(~is_evaluation & calibrates)),
        table.filter(pa.array(is_evaluation)),
    )


def without_repeats(parts: Parts) -> tuple[Parts, LeakageReport]:
    """The parts without training and calibration rows whose text (context and response) repeats an evaluation row.

    Raises:
        TrainingRefused: a user or a conversation is on both sides.
    """
    report = measure_leakage(
        pa.concat_tables([parts.train, parts.calibration]), parts.evaluation, text="whole"
    )
    report.refuse(allowed=1.0)
    is_kept = np.ones(parts.train.num_rows + parts.calibration.num_rows, dtype=bool)
    is_kept[list(report.leaking)] = False
    train_count = parts.train.num_rows
    return Parts(
        parts.train.filter(pa.array(is_kept[:train_count])),
        parts.calibration.filter(pa.array(is_kept[train_count:])),
        parts.evaluation,
    ), report


def train_signal(
    root: Path,
    configuration: Configuration,
    base: str,
    table: pa.Table,
    signal: str,
    *,
    most: int = 0,
    kind: Literal["platt", "isotonic"] = "platt",
    progress: Progress | None = None,
) -> TrainedSignal:
    """Fit and calibrate one signal model, and evaluate it beside its baselines.

    Args:
        root: folder of the training runs.
        base: hub id or folder of the base model.
        table: `SignalRows.table`.
        signal: its column of `SIGNALS`, or another boolean column of the table.
        most: most training rows; 0: all.
        kind: of calibration; isotonic needs thousands of rows.

    Raises:
        TrainingRefused: too few rows of an outcome for training or calibration; the message has the numbers.
    """
    all_parts = split_parts(labelled(table, signal), configuration.seed, most)
    _check_parts(signal, all_parts)
    parts, leakage = without_repeats(all_parts)
    _check_parts(signal, parts)
    train_rows, labels = parts.train.select(SEEN), happened(parts.train, signal)
    model, run, length_counts = fit(root, configuration, base, train_rows, labels, progress)
    logits = model.logits(parts.calibration)
    is_readable = np.isfinite(logits)
    calibration = calibrate(logits[is_readable], happened(parts.calibration, signal)[is_readable], kind)
    evaluation, unreadable = _evaluate_model(signal, model, calibration, parts, configuration.seed)
    counts = {
        "rows.unknown": table.num_rows - labelled(table, signal).num_rows,
        "rows.train": parts.train.num_rows,
        "rows.calibration": parts.calibration.num_rows,
        "rows.evaluation": parts.evaluation.num_rows,
        "rows.repeats_evaluation": len(leakage.leaking),
        "rows.not_drawn": labelled(table, signal).num_rows - len(leakage.leaking) - sum(
            part.num_rows for part in (parts.train, parts.calibration, parts.evaluation)
        ),
        **{f"rows.train.{name}": number for name, number in length_counts.items()},
        "rows.calibration.too_long": int((~is_readable).sum()),
        "rows.evaluation.too_long": unreadable,
    }  # fmt: skip
    return TrainedSignal(signal, model, run, calibration, evaluation, leakage, counts)


def calibrated(calibration: Calibration, logits: Floats) -> Floats:
    """Probabilities of log-odds; NaN stays."""
    probabilities = np.full(len(logits), np.nan)
    is_readable = np.isfinite(logits)
    probabilities[is_readable] = calibration(logits[is_readable])
    return probabilities


def _evaluate_model(
    signal: str, model: Transformer, calibration: Calibration, parts: Parts, seed: int
) -> tuple[Evaluation, int]:
    """The evaluation, and how many rows the model could not read; its baselines are evaluated without them too."""
    probabilities = calibrated(calibration, model.logits(parts.evaluation))
    is_readable = np.isfinite(probabilities)
    rows = parts.evaluation.filter(pa.array(is_readable))
    baseline_logits = {
        baseline.name: baseline.logits(rows)
        for baseline in baselines(parts.train, happened(parts.train, signal), tuple(FEATURES))
    }
    evaluation = evaluate(
        signal, rows, happened(rows, signal), probabilities[is_readable], baseline_logits, seed
    )
    return evaluation, int((~is_readable).sum())


def _check_parts(signal: str, parts: Parts) -> None:
    _check_enough(signal, "training", happened(parts.train, signal), LEAST_ROWS)
    _check_enough(signal, "calibration", happened(parts.calibration, signal), 2 * LEAST_OUTCOMES)
    if not parts.evaluation.num_rows:
        raise TrainingRefused(
            f"no evaluation user has a known {signal}", hint="Give more days, or see split.evaluation_share."
        )


def _check_enough(signal: str, part: str, labels: Bools, least: int) -> None:
    positive = int(labels.sum())
    if len(labels) < least or not LEAST_OUTCOMES <= positive <= len(labels) - LEAST_OUTCOMES:
        raise TrainingRefused(
            f"{signal} is known of {len(labels)} {part} responses and happened after {positive}: too few",
            table="signals.labels",
            hint=f"Give more --days: at least {least} responses and {LEAST_OUTCOMES} of each outcome are needed.",
        )


def _unit_hash(purpose: str, seed: int, key: str) -> float:
    """In [0, 1)."""
    digest = hashlib.blake2b(f"{purpose}|{seed}|{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
