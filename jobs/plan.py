"""What must run, and why: the same answer for `flywheel plan`, for the skip of a rerun and for the nightly repair.

A unit of work (a job's day, or a dataset) is due when it never succeeded, when the settings it declares changed, when
the content of something it read changed, or when it was marked stale. Content is compared by the ledger's hashes, so a
rerun that makes the same rows makes nothing downstream due.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from infra import ledger
from infra.contracts import contract
from infra.errors import UpstreamMissing
from infra.lake import Lake
from infra.settings import Settings, parse_days, span_of
from jobs.declaration import LANDING, Job, all_jobs, is_landed, landing_zones, writer_of


@dataclass(frozen=True)
class Due:
    """One unit of work that must run, and why."""

    job: str
    days: tuple[date, ...]
    reason: str
    dataset_id: str | None = None

    @property
    def span(self) -> str:
        """The days as `flywheel run --days` takes them."""
        return span_of(self.days)


class Plan:
    """A reading of the ledger at one moment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lake = Lake.of(settings)
        self._successes: dict[str, dict[str, ledger.Success]] = {}

    @cached_property
    def marks(self) -> dict[tuple[str, date], str]:
        """Open marks: (job, day) to cause."""
        return {(mark.job, mark.ds): mark.cause for mark in ledger.open_marks(self.lake)}

    def successes(self, job: Job, table: str | None = None) -> dict[str, ledger.Success]:
        """Last success by unit, of the job's closing table unless another is named."""
        name = table or job.closing_table
        if name not in self._successes:
            self._successes[name] = ledger.successes(self.lake, name, job.name)
        return self._successes[name]

    def forget(self) -> None:
        """Read the ledger anew next time."""
        self._successes.clear()
        self.__dict__.pop("marks", None)

    def settings_hash(self, job: Job) -> str:
        """Hash of the settings that change the job's result."""
        return self.settings.hash_of(job.settings)

    def dataset_id(self, job: Job, days: Sequence[date]) -> str:
        """Name, window and settings hash of the dataset that the job would build of these days."""
        first, last = days[0], days[-1]
        name = self.settings.value(f"{job.settings[0]}.name")
        return f"{name}-{first:%Y%m%d}-{last:%Y%m%d}-{self.settings_hash(job)[:8]}"

    def content(self, table: str, day: date) -> str | None:
        """What the ledger knows of a day of a table: its content hash, or None when it never succeeded."""
        if is_landed(table):
            from jobs.landing.zone import landing_fingerprint

            return landing_fingerprint(self.lake.landing_of(table), day)
        writer = writer_of(table)
        if writer is None:
            return None  # written by commands (reviews): a change marks the days that it touches
        known = self.successes(writer, table).get(day.isoformat())
        return known.content_hash if known else None

    def inputs(
        self, job: Job, days: Sequence[date], own: Mapping[date, str] | None = None
    ) -> dict[str, str | None]:
        """What the unit would be computed from: table to combined content hash.

        Args:
            own: content of the job's closing table from the run that is under way, for jobs that read their own past.
        """
        found: dict[str, str | None] = {}
        for table in job.reads:
            found[table] = _combined(self.content(table, day) for day in days)
        for table, setting in job.lookback.items():
            horizon = int(self.settings.value(setting))
            before = [days[0] - timedelta(days=n) for n in range(1, horizon + 1)]
            mine = own if own is not None and table == job.closing_table else {}
            found[f"{table}@-{horizon}"] = _combined(
                mine.get(day) or self.content(table, day) for day in before
            )
        for table, setting in job.lookahead.items():
            horizon = int(self.settings.value(setting))
            after = (days[-1] + timedelta(days=n) for n in range(1, horizon + 1))
            found[f"{table}@+{horizon}"] = _combined(self.content(table, day) for day in after)
        return found

    def due(self, job: Job, days: Sequence[date], force: bool = False) -> list[Due]:
        """The units among `days` that must run, in order of days."""
        if job.grain == "dataset":
            unit = self.dataset_id(job, days)
            reason = "forced" if force else self._reason(job, unit, tuple(days))
            return [Due(job.name, tuple(days), reason, unit)] if reason else []
        found: list[Due] = []
        reads_itself = job.closing_table in job.lookback
        for day in sorted(days):
            reason = "forced" if force else self._reason(job, day.isoformat(), (day,))
            if reason is None and reads_itself and found:
                horizon = int(self.settings.value(job.lookback[job.closing_table]))
                if (day - found[-1].days[0]).days <= horizon:
                    reason = f"follows {found[-1].days[0]}, which runs again"
            if reason:
                found.append(Due(job.name, (day,), reason))
        return found

    def _reason(self, job: Job, unit: str, days: tuple[date, ...]) -> str | None:
        last = self.successes(job).get(unit)
        if last is None:
            return "never run"
        for day in days:
            if (job.name, day) in self.marks:
                return f"marked: {self.marks[job.name, day]}"
        if last.settings_hash != self.settings_hash(job):
            return "settings changed"
        if last.input_fingerprint != fingerprint(self.inputs(job, days)):
            return "input changed"
        return None

    def check_upstream(self, job: Job, days: Iterable[date]) -> None:
        """Refuse days that are not there yet.

        Raises:
            UpstreamMissing: names table, day and the command that makes it.
        """
        for day in days:
            for table in job.reads:
                writer = writer_of(table) if not is_landed(table) else None
                if writer is None or writer.name == job.name or contract(table).write == "append":
                    continue
                if day.isoformat() not in self.successes(writer):
                    raise UpstreamMissing(
                        f"{job.name} reads a day that {writer.name} has not made",
                        table=table, day=day, hint=f"Run first: flywheel run {writer.name} --days {day}",
                    )  # fmt: skip

    def known_days(self, zone: str = LANDING) -> list[date]:
        """Days that landed in a zone, or for which a job that stands on the zone was ever run, sorted."""
        from jobs.landing.zone import landing_days

        landed = set(landing_days(self.lake.landing_of(zone)))
        return sorted(
            landed
            | {
                date.fromisoformat(unit)
                for one in all_jobs()
                if one.grain == "day" and zone in landing_zones(one.name)
                for unit in self.successes(one)
            }
        )

    def everything(self) -> list[Due]:
        """All that is due over all known days, in the order in which it should run."""
        found: list[Due] = []
        days: dict[str, list[date]] = {}
        for job in all_jobs():
            if job.grain == "day":
                for zone in landing_zones(job.name) - set(days):
                    days[zone] = self.known_days(zone)
                found += self.due(
                    job, sorted({day for zone in landing_zones(job.name) for day in days[zone]})
                )
            else:
                found += self._due_datasets(job)
        return found

    def _due_datasets(self, job: Job) -> list[Due]:
        """Datasets that were built with today's settings and whose window changed since."""
        rows = ledger.query(
            self.lake,
            """SELECT DISTINCT scope, last(input_versions ORDER BY ended_ts) FROM ops_runs
               WHERE job = ? AND state = 'succeeded' AND settings_hash = ? GROUP BY scope ORDER BY scope""",
            [job.name, self.settings_hash(job)],
            ["ops.runs"],
        )
        found: list[Due] = []
        for _, versions in rows:
            found += self.due(job, parse_days(json.loads(versions)["days"]))
        return found


def fingerprint(inputs: Mapping[str, str | None]) -> str:
    """Hash of what a unit was computed from."""
    return hashlib.sha256(ledger.as_json(inputs).encode()).hexdigest()[:16]


def _combined(hashes: Iterable[str | None]) -> str:
    text = "|".join(one or "-" for one in hashes)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
