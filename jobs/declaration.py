"""Declarations of jobs. DAG edges, plans, lineage, data dictionary, row accounting and erasure are derived from them.

Imports no Spark: DAG files and the command line read declarations.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Literal, Protocol

from infra.contracts import contract
from infra.errors import JobUnknown
from infra.nearest import did_you_mean

# Stages in the order of the flow. The jobs of a stage are listed in the order in which they run.
STAGES = ("traffic", "experiments", "curation", "signals", "annotation", "preherding")
LANDING = "landing"

Engine = Literal["spark", "arrow", "gpu"]
Unit = Literal["day", "window", "batch", "version"]


class Values(Protocol):
    """Settings, as far as a declaration needs them: the value of `section.name`."""

    def value(self, dotted: str) -> Any:
        """The value of one setting."""


@dataclass(frozen=True)
class Reach:
    """How far a job's read of one table goes. The default is the days of the run.

    A unit of work is due again when anything that it read changes: the days of the run, the days `before` and `after`,
    all days `up_to` the last one, or the `whole` table. Two kinds of reads work otherwise, because the affected days
    are known exactly: a command that changes a table that no job writes (reviews, definitions) marks the days stale,
    and so does a job that changes rows that are read by a `shared` column.

    Attributes:
        before: settings whose sum says how many earlier days are read too.
        after: the same for later days. A day runs without them first, and again when they exist.
        up_to: all days up to the last day of the run.
        whole: the whole table.
        shared: a column. The job reads all rows, of any day, that share its value with rows of the run's days.
        pinned: a setting that names the one version (`table_version`) that is read. Such a table is not waited for,
            and only the setting makes the job due. While the setting is unset, the table is not read.
        optional: the job also runs when the table has not been made for its days.
        event_types: for `traffic.events`: the types that the job reads. Empty: all.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    up_to: bool = False
    whole: bool = False
    shared: str | None = None
    pinned: str | None = None
    optional: bool = False
    event_types: tuple[str, ...] = ()

    @property
    def is_bounded(self) -> bool:
        """Whether the read covers certain days, and not all that there are."""
        return not (self.up_to or self.whole or self.shared or self.pinned)

    def days_before(self, settings: Values) -> int:
        """Earlier days read beside each day of the run."""
        return sum(int(settings.value(setting)) for setting in self.before)

    def days_after(self, settings: Values) -> int:
        """Later days read beside each day of the run."""
        return sum(int(settings.value(setting)) for setting in self.after)

    def days(self, settings: Values, days: Iterable[date], own: bool = True) -> list[date]:
        """The days of a bounded read, sorted.

        Args:
            days: of the run.
            own: whether the days of the run are among them.
        """
        run = set(days)
        offsets = range(-self.days_before(settings), self.days_after(settings) + 1)
        reached = {day + timedelta(days=n) for day in run for n in offsets}
        return sorted(reached if own else reached - run)


DAY = Reach()
"""The days of the run."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: `stage.job`; the module with `run` is `jobs/<stage>/<job>.py`.
        reads: table to how far the read goes. "landing" is the landing zone of events, "landing/KIND" that of files of
            another kind, in received days of their own. A job that reads what it writes declares that too; what it
            wrote itself for the days of the run is never an input.
        writes: tables written, in this order; the last is the one that downstream waits for.
        settings: sections of the settings, or single ones (`section.name`), that change the result.
        models: settings that name registered models (`name/3`, `name@alias`). Models are inputs: a moved alias makes
            the job due.
        files: settings that name a file (a run configuration, labels). Its content is an input.
        engine: `spark` (DataFrames), `arrow` (small tables, no JVM) or `gpu` (training, submitted to the queue).
        unit: what one run builds, and rebuilds whole. `day`: one day. `window`: one dataset from a window of days.
            `batch`: a result from all annotation batches up to a day. `version`: a separate model or generation.
        check: module whose `check(settings)` raises what is wrong with the settings, before an engine starts.
        on_demand: runs only when called by name: a study, or a model that people decide to train. It is in no
            DAG and in no backfill.
    """

    name: str
    reads: Mapping[str, Reach]
    writes: Sequence[str]
    settings: Sequence[str] = ()
    models: Sequence[str] = ()
    files: Sequence[str] = ()
    engine: Engine = "spark"
    unit: Unit = "day"
    on_demand: bool = False
    check: str = ""

    @property
    def stage(self) -> str:
        """Folder of the job under `jobs/`."""
        return self.name.split(".")[0]

    @property
    def module(self) -> str:
        """Import path of the module with `run`."""
        return f"jobs.{self.name}"

    @property
    def closing_table(self) -> str:
        """The table whose success row says that the job is done."""
        return self.writes[-1]

    @property
    def is_daily(self) -> bool:
        """Whether each day is a unit of its own."""
        return self.unit == "day"

    @property
    def tables_read(self) -> list[str]:
        """Tables among the reads, without landing zones."""
        return [name for name in self.reads if not is_landed(name)]

    @property
    def tables_awaited(self) -> list[str]:
        """Tables of other jobs that must be there before this job runs: what Airflow draws as edges."""
        return [name for name in self.tables_read if not self.reads[name].pinned and name not in self.writes]

    @property
    def pinned(self) -> dict[str, str]:
        """Tables read at one version, with the setting that names it."""
        return {name: reach.pinned for name, reach in self.reads.items() if reach.pinned}


@cache
def all_jobs() -> tuple[Job, ...]:
    """Every declared job, stage by stage, in the order in which they run."""
    import jobs

    declared = {info.name for info in pkgutil.iter_modules(jobs.__path__) if info.ispkg}
    every: list[Job] = []
    for stage in (s for s in STAGES if s in declared):
        every += importlib.import_module(f"jobs.{stage}").JOBS
    for each in every:
        for table in (*each.writes, *each.tables_read):
            contract(table)
    return tuple(every)


def stage_jobs(stage: str) -> list[Job]:
    """The jobs that a backfill of a stage runs, in order."""
    return [each for each in all_jobs() if each.stage == stage and not each.on_demand]


def job(name: str) -> Job:
    """The declaration of job `stage.job`.

    Raises:
        JobUnknown: names the jobs that there are.
    """
    for each in all_jobs():
        if each.name == name:
            return each
    names = [each.name for each in all_jobs()]
    raise JobUnknown(f"no job {name}", hint=did_you_mean(name, names, f"Stages: {', '.join(STAGES)}."))


def writer_of(table: str) -> Job | None:
    """The job that writes a table, if any."""
    return next((each for each in all_jobs() if table in each.writes), None)


def readers_of(table: str) -> list[Job]:
    """The jobs that read a table."""
    return [each for each in all_jobs() if table in each.reads]


def is_landed(name: str) -> bool:
    """Whether what a job reads is a landing zone, not a table."""
    return name.split("/")[0] == LANDING


@cache
def landing_zones(job_name: str) -> frozenset[str]:
    """The landing zones that the job's rows come from, through whatever tables; the zone of events if there is none."""
    zones: set[str] = set()
    waiting, seen = [job(job_name)], {job_name}
    while waiting:
        for read, reach in waiting.pop().reads.items():
            if is_landed(read):
                zones.add(read)
            elif reach.pinned:
                continue  # a pinned version says nothing about which days there are
            elif (writer := writer_of(read)) is not None and writer.name not in seen:
                seen.add(writer.name)
                waiting.append(writer)
    return frozenset(zones or {LANDING})
