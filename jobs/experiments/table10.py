"""Table 10 of the paper as facts: its numbers, what they say of each release, and where they cannot be right.

The numbers (`table10.csv`, one cell a row; an empty cell of the table is no row) stand as printed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from scipy.optimize import brentq

from jobs.experiments.comparison import Verdict
from jobs.experiments.statistics import lift_interval

PRE_LAUNCH, POST_LAUNCH = "V2-V4", "V8-V15"
LIFTS = {
    (PRE_LAUNCH, "breadth"): "Engagement Breadth Lift (1P) (%)",
    (PRE_LAUNCH, "depth"): "Engagement Depth Lift (1P) (%)",
    (POST_LAUNCH, "breadth"): "Engagement Breadth Lift (AI Studio) (%)",
    (POST_LAUNCH, "depth"): "Engagement Depth Lift (AI Studio) (%)",
}
"""Phase and metric -> its row in the table."""
WIN_RATES = {
    "internal traffic": "Pointwise RM Win Rate (Internal) (%)",
    "user traffic": "Pointwise RM Win Rate (User) (%)",
    "user traffic, pairwise": "Pairwise RM Win Rate (User) (%)",
}
PRINTED_ELSEWHERE = {
    "Avg Response Length (tokens)": "Contains List",
    "Contains List (%)": "Contains Emoji",
    "Contains Emoji (%)": "Instruction Violation",
    "Instruction Violation (%)": "Cooperative Ratio",
    "Wall-of-Text Failure (%)": "Non-Preachy Rate",
    "False Refusal (User) (%)": "Wall-of-Text Failure",
}
"""Metric -> the metric under whose name section 3.3 prints this one's relative change."""


@dataclass(frozen=True)
class Cell:
    """One number of the table; a lift has the arms of its 95 % interval."""

    group: str
    metric: str
    version: str
    release: str
    value: float
    plus: float | None
    minus: float | None
    decimals: int
    """Printed, of the value and of the arms of its interval."""

    @property
    def interval(self) -> str:
        """Its arms as printed, upper first; empty where there is none."""
        if self.plus is None or self.minus is None:
            return ""
        return f"+{self.plus:.{self.decimals}f} / -{self.minus:.{self.decimals}f}"

    @property
    def verdict(self) -> Verdict:
        """Of a lift: on which side of zero its interval lies."""
        if self.plus is None or self.minus is None:
            return Verdict.undetermined
        if self.value - self.minus > 0:
            return Verdict.positive
        return Verdict.negative if self.value + self.plus < 0 else Verdict.inconclusive


@dataclass(frozen=True)
class Count:
    """What the releases of a phase did, by one metric or by both together."""

    phase: str
    scope: str
    releases: int
    above_zero: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """Relative change of a metric from its first to its last reported value, percent."""

    metric: str
    first_version: str
    first: float
    last_version: str
    last: float
    reported: int

    @property
    def label(self) -> str:
        """Which values the change is of."""
        return f"{self.first_version} to {self.last_version}, {self.reported} of 15 reported"

    @property
    def pct(self) -> float:
        return 100 * (self.last / self.first - 1)


@dataclass(frozen=True)
class Impossible:
    """A printed interval that equation 17 cannot give, and the one of equal width that it would."""

    cell: Cell
    plus: float
    minus: float


def read() -> tuple[Cell, ...]:
    """All cells, in the table's order."""
    with (resources.files(__package__) / "table10.csv").open(encoding="utf-8") as file:
        return tuple(
            Cell(
                row["group"], row["metric"], row["version"], row["release"], float(row["value"]),
                float(row["ci_plus"]) if row["ci_plus"] else None,
                float(row["ci_minus"]) if row["ci_minus"] else None,
                len((row["ci_plus"] or row["value"]).partition(".")[2]),
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def row_of(cells: Iterable[Cell], metric: str) -> dict[str, Cell]:
    """Version -> cell of one metric; versions without a value are not in it."""
    return {cell.version: cell for cell in cells if cell.metric == metric}


def counts(cells: Sequence[Cell]) -> list[Count]:
    """Releases with a positive and with a significant lift, per metric and jointly."""
    all_counts = []
    for phase in (PRE_LAUNCH, POST_LAUNCH):
        metrics = {name: row_of(cells, LIFTS[phase, name]) for name in ("breadth", "depth")}
        for scope, rows in (
            ("breadth", [metrics["breadth"]]),
            ("depth", [metrics["depth"]]),
            ("both", list(metrics.values())),
        ):
            releases = [version for version in rows[0] if all(version in row for row in rows)]
            all_counts.append(
                Count(
                    phase, scope, len(releases),
                    tuple(v for v in releases if all(row[v].value > 0 for row in rows)),
                    tuple(v for v in releases if all(row[v].verdict is Verdict.positive for row in rows)),
                    tuple(v for v in releases if all(row[v].verdict is Verdict.negative for row in rows)),
                )
            )  # fmt: skip
    return all_counts


def changes(cells: Sequence[Cell]) -> list[Change]:
    """Relative change of every metric that is not a lift (a lift is a change already)."""
    all_changes = []
    for metric in dict.fromkeys(cell.metric for cell in cells if cell.plus is None):
        row = list(row_of(cells, metric).values())
        all_changes.append(
            Change(metric, row[0].version, row[0].value, row[-1].version, row[-1].value, len(row))
        )
    return all_changes


def cumulative(cells: Sequence[Cell], metric: str) -> list[tuple[str, float]]:
    """Product of the lifts of the releases so far, from 1 before the first post-launch one."""
    growth, by_version = 1.0, [("V7", 1.0)]
    for version, cell in row_of(cells, LIFTS[POST_LAUNCH, metric]).items():
        growth *= 1 + cell.value / 100
        by_version.append((version, growth))
    return by_version


def impossible(cells: Sequence[Cell]) -> list[Impossible]:
    """Intervals whose lower arm is the longer: of positive means equation 17 never gives one.

    Beside each stands what the equation gives for the same lift and width when both arms' means have the same
    coefficient of variation.
    """
    return [
        Impossible(cell, *fieller_arms(cell.value, cell.plus + cell.minus))
        for cell in cells
        if cell.plus is not None and cell.minus is not None and cell.plus < cell.minus
    ]


def fieller_arms(lift: float, width: float) -> tuple[float, float]:
    """Upper and lower arm, in points, of equation 17's interval of that lift and width under equal variation."""

    def arms(variation: float) -> tuple[float, float]:
        ratio = 1 + lift / 100
        interval = lift_interval(ratio, (ratio * variation) ** 2, 1.0, variation**2)
        if interval.low is None or interval.high is None:
            return math.inf, math.inf
        return interval.high - lift, lift - interval.low

    return arms(float(brentq(lambda variation: sum(arms(variation)) - width, 1e-6, 0.2)))
