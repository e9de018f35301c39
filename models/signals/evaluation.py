"""Evaluate a signal model on users that it was not trained on: rank, calibration, gain over baselines, bias."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from models.calibration import Reliability, calibration_error, error_by_chance, reliability
from models.signals.bias import UNJUDGED, BiasLine, bias_report
from models.signals.model import Bools, Floats
from models.signals.ranking import Figure, Ranked, Resamples, by_cell, gain, ranked, within

_NAME = re.compile(r"[^A-Za-z0-9_. /-]+")


@dataclass(frozen=True)
class Calibrated:
    """Calibration of probabilities on evaluation users.

    Attributes:
        error: expected calibration error, ten bins of equally many rows.
        by_chance, by_chance_most: mean and 95 % quantile of `error` if the probabilities are true.
        error_by_width: the same error in ten bins of equal width.
        gap: mean probability minus the share that happened, with an interval over users.
    """

    bins: tuple[Reliability, ...]
    error: float
    by_chance: float
    by_chance_most: float
    error_by_width: float
    gap: Figure


@dataclass(frozen=True)
class Evaluation:
    """All figures of one signal model; none of them is text from users.

    Attributes:
        cells: `all`, then each job to be done.
        baselines: each baseline on all rows; `gains`: AUC of the model minus that of the baseline.
        within_job: AUC over pairs of responses of the same job, so without the shortcut of section 3.5.5.
        bias: statistics of predictions beside those of labels.
    """

    signal: str
    cells: tuple[Ranked, ...]
    calibrated: Calibrated
    within_job: Figure
    baselines: Mapping[str, Ranked] = field(default_factory=dict)
    gains: Mapping[str, Figure] = field(default_factory=dict)
    bias: tuple[BiasLine, ...] = ()

    @property
    def overall(self) -> Ranked:
        """The cell of all rows."""
        return self.cells[0]

    def metrics(self) -> dict[str, float]:
        """Name to value for the registry, without figures that have too few data."""
        return {_NAME.sub("-", name): float(value) for name, value in self._figures() if value is not None}

    def _figures(self) -> Iterator[tuple[str, float | None]]:
        for cell in self.cells:
            prefix = "" if cell.cell == "all" else f"{cell.cell.replace('=', '.')}."
            yield from (
                (f"{prefix}rows", cell.rows), (f"{prefix}happened", cell.happened), (f"{prefix}users", cell.users)
            )  # fmt: skip
            yield from _figure(f"{prefix}auc", cell.auc)
            yield from _figure(f"{prefix}pr_auc", cell.precision)
        yield from _figure("auc_within_jobs", self.within_job)
        for name, baseline in self.baselines.items():
            yield from _figure(f"{name}.auc", baseline.auc)
            yield from _figure(f"{name}.pr_auc", baseline.precision)
            yield from _figure(f"auc_gain_over.{name}", self.gains[name])
        yield from self._calibration()
        for line in self.bias:
            level = f".{line.predicted.level}" if line.predicted.level else ""
            for side, statistic in (("predicted", line.predicted), ("labelled", line.labelled)):
                prefix = f"bias.{line.predicted.contrast}{level}.{side}"
                yield from _figure(prefix, Figure(statistic.estimate, statistic.low, statistic.high))
                yield f"{prefix}.p_adjusted", statistic.p_adjusted

    def _calibration(self) -> Iterator[tuple[str, float | None]]:
        calibrated = self.calibrated
        yield from (
            ("calibration.error", calibrated.error), ("calibration.error_by_chance", calibrated.by_chance),
            ("calibration.error_by_chance_95", calibrated.by_chance_most),
            ("calibration.error_equal_width", calibrated.error_by_width),
        )  # fmt: skip
        yield from _figure("calibration.gap", calibrated.gap)
        for number, reliability_bin in enumerate(calibrated.bins):
            prefix = f"calibration.bin{number}"
            yield from (
                (f"{prefix}.rows", reliability_bin.rows), (f"{prefix}.predicted", reliability_bin.predicted),
                (f"{prefix}.observed", reliability_bin.observed),
            )  # fmt: skip


def evaluate(
    signal: str,
    rows: pa.Table,
    happened: Bools,
    probabilities: Floats,
    baselines: Mapping[str, Floats],
    seed: int,
) -> Evaluation:
    """Evaluate calibrated probabilities on evaluation rows.

    Args:
        rows: of `SignalRows.table`, all with a known signal.
        baselines: name to the log-odds of each baseline on the same rows.
        seed: of the resamples.
    """
    users = [str(value) for value in rows["user_id"].to_pylist()]
    jobs = [str(value) for value in rows["jtbd"].to_pylist()]
    judged = [job != UNJUDGED for job in jobs]
    judged_mask = np.array(judged, dtype=bool)
    return Evaluation(
        signal,
        by_cell(probabilities, happened, users, {"jtbd": jobs}, seed),
        calibrated(probabilities, happened, users, seed),
        within(
            probabilities[judged_mask],
            happened[judged_mask],
            [job for job, is_judged in zip(jobs, judged, strict=True) if is_judged],
            [user for user, is_judged in zip(users, judged, strict=True) if is_judged],
            seed,
        ),
        {name: ranked("all", scores, happened, users, seed) for name, scores in baselines.items()},
        {name: gain(probabilities, scores, happened, users, seed) for name, scores in baselines.items()},
        bias_report(signal, rows.drop_columns(["context", "response"]).to_pandas(), probabilities, happened),
    )


def calibrated(probabilities: Floats, happened: Bools, users: list[str], seed: int) -> Calibrated:
    """Reliability in ten bins of equally many rows, its error, and that error by chance."""
    bins = reliability(probabilities, happened, "mass")
    by_chance, by_chance_most = error_by_chance(probabilities, seed)

    def gap(weights: Floats) -> Floats:
        return np.asarray((weights * (probabilities - happened)).sum(axis=1) / weights.sum(axis=1))

    value = float(probabilities.mean() - happened.mean())
    return Calibrated(
        bins,
        calibration_error(bins),
        by_chance,
        by_chance_most,
        calibration_error(reliability(probabilities, happened)),
        Resamples.of(users, seed).interval(value, gap),
    )


def _figure(name: str, figure: Figure) -> Iterator[tuple[str, float | None]]:
    yield name, figure.value
    yield f"{name}_low", figure.low
    yield f"{name}_high", figure.high
