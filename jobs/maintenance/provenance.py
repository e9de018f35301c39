"""Traces a version of a table back to the landed files, by the ledger (`ops.runs`), without a JVM.

The trace follows days: for a version, the last run of each day up to it; for each run, the versions that it read.
A table is walked for the days that the job reads before and after its own too; one that it reads whole, or by a shared
column, for its own days only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from infra.contracts import contract, table_names
from infra.errors import FlywheelError
from infra.lake import Lake, ledger
from infra.settings import Settings, parse_days
from jobs.declaration import all_jobs, is_landed
from jobs.landing.zone import landing_files
from models.tables.opened import open_snapshot

Versions = dict[int, frozenset[date] | None]
"""Version of a table to the days of it that are meant; None: all."""


@dataclass(frozen=True)
class Source:
    """A table or a landing zone that data came from.

    Attributes:
        name: `stage.table`, or `landing` and `landing/KIND`.
        versions: those that were read; empty for a landing zone.
        days: of which there was something, sorted.
        job: what wrote it; empty where the ledger does not know.
        runs: how many runs of it.
        files: landing files, of a landing zone.
        note: a remark for the reader.
        made_from: what the runs read.
    """

    name: str
    versions: tuple[int, ...]
    days: tuple[date, ...]
    job: str = ""
    runs: int = 0
    files: tuple[str, ...] = ()
    note: str = ""
    made_from: tuple[Source, ...] = ()


@dataclass(frozen=True)
class _Run:
    job: str
    run_id: str
    unit: str
    days: frozenset[date]
    output_version: int
    reads: Mapping[str, int]


class Provenance:
    """Traces tables to their sources by one snapshot of the ledger."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.lake = settings, Lake.of(settings)

    @cached_property
    def _runs(self) -> dict[str, list[_Run]]:
        """Table to its successful runs, the last first."""
        rows = ledger.query(
            self.lake,
            """SELECT table_name, job, run_id, coalesce(scope, CAST(ds AS VARCHAR)), output_version, input_versions
               FROM ops_runs WHERE state = 'succeeded' AND output_version IS NOT NULL
               ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, run_id DESC""",
            [],
            ["ops.runs"],
        )
        runs: dict[str, list[_Run]] = {}
        for table, job, run_id, unit, version, inputs in rows:
            recorded = json.loads(inputs or "{}")
            days = frozenset(parse_days(recorded["days"])) if "days" in recorded else frozenset()
            reads = {str(name): int(number) for name, number in recorded.get("versions", {}).items()}
            runs.setdefault(table, []).append(_Run(job, run_id, unit, days, int(version), reads))
        return runs

    def source(self, table: str, versions: Versions) -> Source:
        """The table at the versions, with all its sources."""
        return self._source(table, versions, {})

    def _source(self, table: str, versions: Versions, seen: dict[str, Versions]) -> Source:
        """Each (version, days) is traced once. Where it is met again, its sources are shown at the first place only."""
        before = seen.setdefault(table, {})
        if all(version in before and _within(days, before[version]) for version, days in versions.items()):
            return Source(table, tuple(sorted(versions)), (), note="see above")
        before.update(versions)
        runs = self._last_runs(table, versions)
        if not runs:
            return Source(table, tuple(sorted(versions)), (), note=self._unknown(table))
        days = tuple(sorted({day for run in runs for day in run.days}))
        if _is_received(table) and None not in versions.values():
            days = tuple(sorted({day for day_set in versions.values() for day in day_set or ()}))
        sources = tuple(
            self._landed(zone, days, table, versions)
            for zone in sorted({zone for run in runs for zone in _landing_of(run.job)})
        )
        above = self._read_by(table, runs)
        sources += tuple(self._source(name, above[name], seen) for name in sorted(above))
        return Source(
            table,
            tuple(sorted(versions)),
            days,
            runs[0].job,
            len({run.run_id for run in runs}),
            made_from=sources,
        )

    def _last_runs(self, table: str, versions: Versions) -> list[_Run]:
        """The last run of each unit of work in each version, if it concerns the days."""
        last_runs: dict[tuple[str, str], _Run] = {}
        for version, days in versions.items():
            units: set[str] = set()
            for run in self._runs.get(table, []):
                if run.output_version > version or run.unit in units:
                    continue
                units.add(run.unit)
                # A received day holds events of days before it.
                if days is None or days & run.days or _is_received(table):
                    last_runs[run.run_id, run.unit] = run
        return list(last_runs.values())

    def _read_by(self, table: str, runs: Sequence[_Run]) -> dict[str, Versions]:
        """What the runs read: table to version to days."""
        read: dict[str, dict[int, set[date]]] = {}
        declared = {job.name: job for job in all_jobs()}
        for run in runs:
            job = declared.get(run.job)
            for name, version in run.reads.items():
                if name == table or name not in table_names():
                    continue  # its own earlier days stand in the same version
                days = set(run.days)
                if job is not None and (reach := job.reads.get(name)) and not reach.pinned:
                    days |= set(reach.days(self.settings, run.days))
                read.setdefault(name, {}).setdefault(version, set()).update(days)
        return {
            name: {v: frozenset(days) for v, days in days_by_version.items()}
            for name, days_by_version in read.items()
        }

    def _landed(self, zone: str, days: Sequence[date], table: str, versions: Versions) -> Source:
        """The files of a landing zone: those named by the rows, or else those in the days' folders."""
        named = self._named_files(table, versions)
        note = "as recorded in the rows"
        if named is None:
            note = "as currently in the folder"
            root = self.lake.landing_of(zone)
            try:
                named = [file.name for day in days for file in landing_files(root, day)]
            except (FlywheelError, OSError) as error:
                named, note = [], f"cannot be listed: {type(error).__name__}"
        return Source(zone, (), tuple(days), files=tuple(sorted(named)), note=note)

    def _named_files(self, table: str, versions: Versions) -> list[str] | None:
        """Files by the column `source_file` of the version, or None where it has none or cannot be read."""
        names: set[str] = set()
        for version, days in versions.items():
            where = (
                ""
                if days is None
                else f"ds IN ({', '.join(f'{chr(39)}{day}{chr(39)}' for day in sorted(days))})"
            )
            try:
                opened = open_snapshot(
                    self.settings, f"{table}@{version}", where=where, columns=["source_file"], raw=True
                )
                for batch in opened.batches():
                    names |= set(batch.column(0).unique().to_pylist())
            except (FlywheelError, OSError):
                return None
        return sorted(names)

    def _unknown(self, table: str) -> str:
        """Why the ledger has no run of a table."""
        if table != "curation.reviews":
            return "no run in ops.runs"
        raw = ledger.query(
            self.lake, "SELECT count(*), count(DISTINCT reader) FROM ops_raw_reads", [], ["ops.raw_reads"]
        )
        reads, readers = raw[0]
        return f"decisions of reviewers, who were shown raw text {reads} time(s), {readers} of them (ops.raw_reads)"


def _within(days: frozenset[date] | None, others: frozenset[date] | None) -> bool:
    return others is None or (days is not None and days <= others)


def _is_received(table: str) -> bool:
    return "received_ds" in contract(table).column_names


def _landing_of(job_name: str) -> list[str]:
    declared = {job.name: job for job in all_jobs()}
    return [name for name in declared[job_name].reads if is_landed(name)] if job_name in declared else []
