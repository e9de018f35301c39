"""What a job declares, once: DAG wiring, lineage, the data dictionary and row accounting are derived from it.

Imports no Spark: DAG files and the command line read declarations.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from infra.contracts import contract
from infra.errors import JobUnknown

# Stages in the order of the flow; a stage's jobs stand in the order in which they run.
STAGES = ("traffic", "experiments", "curation", "signals", "annotation", "preherding")
LANDING = "landing"


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: `stage.job`; the module is `jobs/<stage>/<job>.py`.
        reads: tables read for the days of the run; "landing" is the landing zone of events, "landing/KIND"
            that of files of another kind, in received days of their own.
        writes: tables written, in this order; the last is the one that downstream waits for.
        settings: sections of the settings, or single ones (`section.name`), that change the result.
        lookback: table to the dotted setting that says how many earlier days of it are read too.
        lookahead: the same for later days: a day runs without them, and again when they are there.
        pinned: table to the dotted setting that, when set, names in `table_version` the one version of it that is read:
            such a table is not waited for, and only the setting makes the job due.
        grain: "day", or "dataset" for a job that builds one thing from a window of days.
    """

    name: str
    reads: Sequence[str]
    writes: Sequence[str]
    settings: Sequence[str] = ()
    lookback: Mapping[str, str] = field(default_factory=dict)
    lookahead: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, str] = field(default_factory=dict)
    grain: Literal["day", "dataset"] = "day"

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


@cache
def all_jobs() -> tuple[Job, ...]:
    """Every declared job, stage by stage, in the order in which they run."""
    import jobs

    declared = {info.name for info in pkgutil.iter_modules(jobs.__path__) if info.ispkg}
    found: list[Job] = []
    for stage in (s for s in STAGES if s in declared):
        found += importlib.import_module(f"jobs.{stage}").JOBS
    for one in found:
        for table in (*one.writes, *one.pinned, *(t for t in one.reads if not is_landed(t))):
            contract(table)
    return tuple(found)


def job(name: str) -> Job:
    """The declaration of job `stage.job`.

    Raises:
        JobUnknown: names the jobs that there are.
    """
    for one in all_jobs():
        if one.name == name:
            return one
    raise JobUnknown(f"no job {name}", hint=f"There are: {', '.join(j.name for j in all_jobs())}.")


def writer_of(table: str) -> Job | None:
    """The job that writes a table, if any."""
    return next((one for one in all_jobs() if table in one.writes), None)


def is_landed(name: str) -> bool:
    """Whether what a job reads is a landing zone, not a table."""
    return name.split("/")[0] == LANDING


@cache
def landing_zones(job_name: str) -> frozenset[str]:
    """The landing zones that the job's rows come from, through whatever tables; the zone of events if there is none."""
    found: set[str] = set()
    waiting, seen = [job(job_name)], {job_name}
    while waiting:
        for read in waiting.pop().reads:
            if is_landed(read):
                found.add(read)
            elif (writer := writer_of(read)) is not None and writer.name not in seen:
                seen.add(writer.name)
                waiting.append(writer)
    return frozenset(found or {LANDING})


def readers_of(table: str) -> list[Job]:
    """The jobs that read a table."""
    return [one for one in all_jobs() if table in {*one.reads, *one.lookback, *one.pinned}]
