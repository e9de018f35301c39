"""Data of the readout page, read from the lake without a JVM. It has numbers of arms, and no user."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from infra.errors import ExperimentUnknown
from infra.lake import Lake
from infra.lake.sql import connect, named_rows

Row = dict[str, Any]

ALL = "all"
BY_DAY = "first_exposure_ds"


@dataclass(frozen=True)
class Readout:
    """One experiment as read out on one day. Lists hold one dict a row of the table of that name.

    Attributes:
        definition: the row of `experiments.definitions` in force.
        day: last day counted; None when nothing was read out yet.
        lifts: rows of `experiments.readouts` of every day up to `day`, each day by its last readout.
        populations: rows of `experiments.populations`, likewise.
    """

    definition: Row
    day: date | None
    lifts: Sequence[Row]
    populations: Sequence[Row]

    @property
    def days(self) -> int:
        """Days of the window."""
        return int((self.definition["end_ds"] - self.definition["start_ds"]).days) + 1

    @property
    def day_number(self) -> int:
        """Which day of the window `day` is, from 1; 0 when nothing was read out yet."""
        return int((self.day - self.definition["start_ds"]).days) + 1 if self.day else 0

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return str(self.definition["control_arm"])

    @property
    def primary(self) -> tuple[str, ...]:
        """Metrics of the declared family."""
        return tuple(self.definition["metrics"])

    @property
    def several_arms(self) -> str:
        """What becomes of users of several arms: drop or first_arm."""
        return str(self.definition.get("several_arms") or "drop")

    def lifts_on_day(
        self, segment: str = ALL, method: str | None = None, metric: str | None = None
    ) -> list[Row]:
        """Lifts on `day`: of a segment, and where given by one method and of one metric."""
        return [
            row
            for row in self.lifts
            if row["as_of_ds"] == self.day
            and row["segment"] == segment
            and method in (None, row["method"])
            and metric in (None, row["metric"])
        ]

    def populations_on_day(self, segment: str = ALL, basis: str | None = None) -> list[Row]:
        """Populations on `day`."""
        return [
            row
            for row in self.populations
            if row["as_of_ds"] == self.day and row["segment"] == segment and basis in (None, row["basis"])
        ]

    @property
    def versions(self) -> dict[str, int]:
        """Table to the Delta version that the readout of `day` read."""
        versions = next((row["input_versions"] for row in self.lifts_on_day()), None)
        return dict(sorted(json.loads(versions).items())) if versions else {}


def read_readout(lake: Lake, experiment: str, day: date | None = None) -> Readout:
    """The last readout of an experiment, or that of `day`.

    Raises:
        ExperimentUnknown: it was never declared, or not read out on that day.
    """
    with connect(lake, _LIFTS + _POPULATIONS + _DEFINITION) as database:

        def rows(query: str, **values: Any) -> list[Row]:
            return named_rows(database, query, {"experiment": experiment, **values})

        return _readout(rows, experiment, day)


def _readout(rows: Callable[..., list[Row]], experiment: str, day: date | None) -> Readout:
    declared = rows(_DEFINITION)
    if not declared:
        from jobs.experiments.definition import undeclared

        raise undeclared(experiment, [row["experiment_id"] for row in rows(_OTHERS)])
    lifts = rows(_LIFTS, day=day)
    read_out = sorted({row["as_of_ds"] for row in lifts})
    if day is not None and day not in read_out:
        known = ", ".join(str(row["as_of_ds"]) for row in rows(_DAYS)) or "no day yet"
        raise ExperimentUnknown(
            f"{experiment} has no readout",
            table="experiments.readouts", day=day,
            hint=f"Days with a readout: {known}. To create one: flywheel run experiments.readouts --days {day}",
        )  # fmt: skip
    populations = rows(_POPULATIONS, day=day)
    return Readout(declared[0], read_out[-1] if read_out else None, lifts, populations)


_DEFINITION = """
SELECT * FROM experiments.definitions WHERE experiment_id = $experiment
ORDER BY declared_ts DESC LIMIT 1
"""
_OTHERS = """
SELECT DISTINCT experiment_id FROM experiments.definitions WHERE experiment_id <> $experiment ORDER BY 1
"""
# A run's id begins with its time. A day that was read out again from other versions keeps both; the last is shown.
_LIFTS = """
SELECT * FROM experiments.readouts
WHERE experiment_id = $experiment AND as_of_ds <= coalesce($day::DATE, DATE '9999-12-31')
QUALIFY run_id = max(run_id) OVER (PARTITION BY as_of_ds)
ORDER BY as_of_ds, arm, metric, segment, method
"""
_DAYS = """
SELECT DISTINCT as_of_ds FROM experiments.readouts WHERE experiment_id = $experiment ORDER BY as_of_ds
"""
_POPULATIONS = """
SELECT * FROM experiments.populations
WHERE experiment_id = $experiment AND as_of_ds <= coalesce($day::DATE, DATE '9999-12-31')
QUALIFY run_id = max(run_id) OVER (PARTITION BY as_of_ds)
ORDER BY as_of_ds, segment, basis
"""
