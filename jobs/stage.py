"""Runs the jobs of a stage, or any jobs by name, one after another in one engine session.

`flywheel run`, `spark-submit` and Airflow all use it. Days that are up to date are skipped. So a call that was killed
or failed can be repeated: it goes on at the first job that is not done.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime

from infra import progress
from infra.errors import FlywheelError, JobUnknown, SettingsError
from infra.nearest import did_you_mean
from infra.settings import Settings, span_of
from infra.spark import activity
from jobs.declaration import STAGES, Job, all_jobs, job, stage_jobs
from jobs.plan import Plan
from jobs.runner import RunSummary, run_job


def jobs_of(names: Sequence[str]) -> list[Job]:
    """Turn names of stages and jobs into a list of jobs. A stage's jobs come in declared order, each job once.

    Raises:
        JobUnknown: no job or stage has one of the names.
    """
    jobs: dict[str, Job] = {}
    for name in names:
        of_stage = stage_jobs(name)
        if not of_stage and "." not in name:
            known = [*STAGES, *(declared.name for declared in all_jobs())]
            raise JobUnknown(
                f"no stage or job {name}", hint=did_you_mean(name, known, f"Stages: {', '.join(STAGES)}.")
            )
        for declared in of_stage or [job(name)]:
            jobs.setdefault(declared.name, declared)
    return list(jobs.values())


def run_jobs(
    settings: Settings,
    names: Sequence[str],
    days: Sequence[date],
    force: bool = False,
    since: datetime | None = None,
) -> list[RunSummary]:
    """Run jobs over the same days, in order, in one session; the first error ends the run.

    Args:
        names: stages, jobs, or both; see `jobs_of`.
        force: run days again whose inputs did not change.
        since: with `force`: leave out what has succeeded since then. A forced run that failed midway, made again with
            the same moment, does only the rest.

    Raises:
        FlywheelError: of the job that failed, which the line of progress before it names.
    """
    jobs = jobs_of(names)
    summaries = []
    for number, declared in enumerate(jobs, start=1):
        step = f"{number} of {len(jobs)}  " if len(jobs) > 1 else ""
        started = time.monotonic()
        try:
            with progress.Heartbeat(f"{step}{declared.name}", activity):
                summary = _run(settings, declared, days, force, since)
        except FlywheelError as error:
            seconds = time.monotonic() - started
            progress.report(f"{step}{declared.name:<28} FAILED after {seconds:.0f} s")
            progress.record(f"{type(error).__name__}: {error}")
            raise
        progress.report(step + _line(summary, time.monotonic() - started))
        summaries.append(summary)
    return summaries


def parse_rerun(text: str) -> tuple[bool, datetime | None]:
    """`force` and `since` of `--rerun`: "due", "all", or a moment (ISO 8601 with offset).

    Raises:
        SettingsError: it is none of them.
    """
    if text in ("due", "all"):
        return text == "all", None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SettingsError(
            f"{text!r} is not a valid value",
            setting="--rerun",
            hint='Give "due", "all", or a time such as 2026-11-20T08:00:00+00:00.',
        )
    return True, moment


def _run(
    settings: Settings, declared: Job, days: Sequence[date], force: bool, since: datetime | None
) -> RunSummary:
    if not force or since is None:
        return run_job(settings, declared.name, days, force)
    plan = Plan(settings)
    successes = plan.successes(declared)
    older = {
        day
        for unit in plan.due(declared, sorted(days), force=True)
        if (last := successes.get(unit.scope or unit.days[0].isoformat())) is None or last.ended_ts < since
        for day in unit.days
    }
    return run_job(settings, declared.name, sorted(older) or days, force=bool(older))


def _line(summary: RunSummary, seconds: float) -> str:
    """One line for people: job, days, rows, seconds."""
    if summary.run_id is None:
        return f"{summary.job:<28} nothing to do: all days are up to date"
    span = span_of(summary.days)
    return f"{summary.job:<28} {span:<24} {summary.rows_out:>10,} rows {seconds:>6.0f} s"
