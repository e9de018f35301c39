"""A lake of exposures and messages, and the real jobs over it: what benchmarks of readouts through Spark share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.growth import tell

Column = npt.NDArray[Any]
_JOBS = (
    "experiments.assignments",
    "experiments.covariates",
    "experiments.unit_totals",
    "experiments.readouts",
)


@dataclass(frozen=True)
class ExperimentLake:
    """Where the jobs run."""

    settings: Any
    lake: Any

    @classmethod
    def fresh(cls, home: Path, memory: str = "2g") -> ExperimentLake:
        """An empty, migrated lake in `home`."""
        from infra.lake import Lake
        from infra.migrate import migrate
        from infra.settings import load_settings

        settings = load_settings(home=home, spark={"driver_memory": memory})
        migrate(settings)
        return cls(settings, Lake.of(settings))

    def declare(self, definitions: Iterable[Any]) -> None:
        """Put definitions in force, the day before they start."""
        from jobs.experiments.definition import declare

        for one in definitions:
            declare(self.settings, one, today=one.start_ds - timedelta(days=1))

    def land(self, events: Sequence[pa.Table], days: Sequence[date]) -> None:
        """Write `traffic.events` in place of landing."""
        from deltalake import write_deltalake

        for table in events:
            write_deltalake(self.lake.path("traffic.events"), table, mode="append")
        for written in ("traffic.quarantine", "traffic.events"):
            tell(self.lake, "traffic.land", written, days)

    def run(self, days: Sequence[date], read_out: Sequence[date]) -> None:
        """Every job of experiments over `days`; readouts of `read_out` only."""
        from jobs.runner import run_job

        for job in _JOBS:
            run_job(self.settings, job, read_out if job == _JOBS[-1] else days)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the tables hold."""
        from infra.sql import connect

        with connect(self.lake, query) as database:
            found: list[tuple[Any, ...]] = database.execute(query).fetchall()
            return found


def exposures(
    experiment_id: str,
    users: Sequence[str],
    arms: Sequence[str],
    days: Sequence[date],
    seconds: Sequence[float],
) -> pa.Table:
    """One exposure event of each user, some seconds after midnight of a day."""
    payloads = {arm: json.dumps({"experiment_id": experiment_id, "arm": arm}) for arm in set(arms)}
    ids = [f"x-{experiment_id}-{user}" for user in users]
    return _events("exposure", ids, users, days, seconds, [payloads[arm] for arm in arms])


def messages(users: Column, days: Sequence[date], counts: Column, seconds: float, name: str) -> pa.Table:
    """`counts` messages of each user, all at the same moment of the user's day.

    Args:
        users: ids; days: one a user; counts: messages of each.
        name: makes the ids of several calls differ.
    """
    which = np.repeat(np.arange(len(users)), counts)
    ids = [f"m-{name}-{n}" for n in range(len(which))]
    moments = np.array(days, dtype="datetime64[D]")[which]
    return _events("message", ids, users[which], moments, np.full(len(which), seconds), None)


def _events(
    kind: str, ids: Sequence[str], users: Any, days: Any, seconds: Any, payloads: Sequence[str] | None
) -> pa.Table:
    day = np.asarray(days, dtype="datetime64[D]")
    moment = day.astype("datetime64[us]") + (np.asarray(seconds) * 1e6).astype("timedelta64[us]")
    count = len(ids)
    ts = pa.array(moment).cast(pa.timestamp("us", tz="UTC"))

    def same(value: str) -> pa.Array:
        return pa.repeat(pa.scalar(value), count)

    return pa.table(
        {
            "event_id": pa.array(ids, pa.string()), "event_ts": ts, "received_ts": ts,
            "received_ds": pa.array(day).cast(pa.date32()), "event_type": same(kind), "source": same("user"),
            "surface": same("web"), "user_id": pa.array(users, pa.string()),
            "locale": same("en-US"), "payload": same("{}") if payloads is None else pa.array(payloads, pa.string()),
            "source_file": same("benchmark"), "line": pa.array(np.arange(count)),
            "ds": pa.array(day).cast(pa.date32()), "run_id": same("benchmark"),
        }
    )  # fmt: skip
