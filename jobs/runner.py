"""Run a job for a range of days: one code path for the command line, `spark-submit` and Airflow."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infra import progress
from infra.errors import (
    ContractError,
    DiskFull,
    ExpectationFailed,
    FlywheelError,
    SettingsError,
    is_disk_full,
)
from infra.lake import Lake, ledger
from infra.lake.locks import Broken, hold
from infra.memory import PeakMemory
from infra.settings import Settings, parse_days, span_of
from infra.spark import compile_queries, has_ended, session
from jobs.context import JobContext
from jobs.declaration import Engine, Job, all_jobs, job
from jobs.plan import Due, Plan, fingerprint

JOB, DAYS = "job", "days"
"""What the lock of a run says of it."""
_LONGEST_ERROR = 2_000


class JobFailed(FlywheelError):
    """A job failed with an unexpected error. The message gives the place in the code and never the data."""


@dataclass(frozen=True)
class RunSummary:
    """Result of one call of `run_job`.

    Attributes:
        run_id: None when nothing was due.
        result: what the job's `run` returned, for the command that asked for it: a trained model and its figures.
    """

    job: str
    run_id: str | None
    days: tuple[date, ...]
    rows_out: int
    seconds: float
    result: object = None


def run_job(
    settings: Settings,
    name: str,
    days: Sequence[date],
    force: bool = False,
    versions: Mapping[str, int] | None = None,
) -> RunSummary:
    """Run the job for those of `days` that are due.

    Args:
        versions: tables to read at these versions instead of the latest.

    Raises:
        UpstreamMissing: an upstream day is not there.
        LockHeld: another run writes one of the job's tables.
        ExpectationFailed, ContractError, DiskFull, ...: the table being written is as it was.
        JobFailed: any other error, stripped of messages that could quote a row.
    """
    declared = job(name)
    if declared.check:
        importlib.import_module(declared.check).check(settings)
    lake = Lake.of(settings)
    lake.check_room()
    run_id = ledger.new_run_id()
    doing = {JOB: name, DAYS: span_of(sorted(days)) if days else ""}
    with hold(lake.locks, declared.writes, run_id, settings.lake.lock_seconds, doing) as locks:
        _record_broken(lake, declared, [lock.broken for lock in locks.values() if lock.broken is not None])
        # Read under the lock: what another run has just made is not made again.
        plan = Plan(settings, versions)
        due = plan.due(declared, sorted(days), force)
        _print_skips(declared, sorted(days), due)
        if not due:
            return RunSummary(name, None, (), 0, 0.0)
        wanted = tuple(day for unit in due for day in unit.days)
        # Now: what is marked from here on is not what this run saw.
        marks = plan.marks_of(declared, wanted)
        plan.check_upstream(declared, wanted)
        with PeakMemory() as memory:
            context = JobContext(
                job=declared,
                settings=settings,
                lake=lake,
                days=wanted,
                run_id=run_id,
                started_ts=ledger.now(),
                locks=locks,
                memory=memory,
                scope=due[0].scope,
                # Before the job runs: Spark's functions need a session, also before the first read.
                engine=session(settings) if declared.engine == "spark" else None,
            )
            for table in sorted(set(declared.tables_read) - set(declared.pinned)):
                context.versions[table] = lake.version(table)
            context.versions.update(pinned_versions(declared, settings, lake) | plan.versions)
            if context.engine is not None:
                compile_queries(context.engine, settings.spark.conf, not context.reads_little())
            try:
                result = importlib.import_module(declared.module).run(context)
                missing = [
                    t for t in declared.writes if t not in {r["table_name"] for r in context.ledger_rows}
                ]
                if missing:
                    raise ContractError(f"{name} ended without writing this table", table=missing[0])
            except KeyboardInterrupt:
                _record_failure(context, InterruptedError(), "killed")
                raise
            except Exception as error:
                first = first_of(error)
                if is_disk_full(first) and not isinstance(first, DiskFull):
                    first = _disk_full(declared, due[0])
                _record_failure(context, first)
                if os.environ.get("FLYWHEEL_DEBUG"):
                    raise
                if isinstance(first, FlywheelError):
                    raise first from None
                raise JobFailed(
                    f"{name} failed: {describe(first)}", day=due[0].span, hint=_hint(first, settings, context),
                ) from None  # fmt: skip
        try:
            _record_success(context, plan)
            ledger.clear(lake, marks, run_id)
        except Exception as error:
            if not is_disk_full(error):
                raise
            raise _disk_full(declared, due[0]) from None
    rows = sum(row["rows_out"] for row in context.ledger_rows if row["table_name"] == declared.closing_table)
    seconds = (ledger.now() - context.started_ts).total_seconds()
    return RunSummary(name, run_id, wanted, rows, seconds, result)


def pinned_versions(declared: Job, settings: Settings, lake: Lake) -> dict[str, int]:
    """Table to the version that a setting pins it to, for the job's pinned tables whose setting is set.

    Raises:
        SettingsError: the table never had that version.
    """
    versions: dict[str, int] = {}
    for table, setting in declared.pinned.items():
        pin = settings.value(setting)
        if pin is None:
            continue
        if pin.table_version > lake.version(table):
            raise SettingsError(
                f"version {pin.table_version} does not exist", table=table, setting=f"{setting}.table_version",
                hint=f"The latest is {lake.version(table)}.",
            )  # fmt: skip
        versions[table] = pin.table_version
    return versions


def run_stale(
    settings: Settings, only: str | None = None, engines: Sequence[Engine] = ("spark", "arrow")
) -> list[RunSummary]:
    """Run everything that is due: job after job, all due days of a job together. Each job sees earlier changes.

    Args:
        only: name of the one job to run, whatever its engine.
        engines: of the jobs to run. Due training is reported and left to the GPU queue.
    """
    summaries: list[RunSummary] = []
    due: list[Due] | None = None
    for declared in all_jobs():
        if only is not None and declared.name != only:
            continue
        # What a job changes may make later jobs due: the plan is made again after a run, and only then.
        due = Plan(settings).everything() if due is None else due
        units = [unit for unit in due if unit.job == declared.name]
        if only is None and declared.engine not in engines:
            for unit in units:
                progress.show(
                    f"{unit.job} is due ({unit.reason}). To run it on the GPU queue: "
                    f"flywheel submit -- run {unit.job} --days {unit.span}"
                )
            continue
        batches = [tuple(u.days[0] for u in units)] if declared.is_daily else [unit.days for unit in units]
        ran = [run_job(settings, declared.name, days) for days in batches if days]
        summaries += ran
        due = None if ran else due
    return summaries


def first_of(error: Exception) -> Exception:
    """The first error of a chain. When the engine dies, cleaning up fails too, and that later error hides the cause."""
    while (
        type(error).__module__.startswith("py4j")
        and error.__cause__ is None
        and not error.__suppress_context__
        and isinstance(error.__context__, Exception)
    ):
        error = error.__context__
    return error


def _hint(error: Exception, settings: Settings, context: JobContext) -> str:
    memory = f"raise spark.driver_memory, which is {settings.spark.driver_memory}"
    if "java.lang.OutOfMemoryError" in str(error):
        return f"Java ran out of memory: {memory}."
    if context.engine is not None and has_ended(context.engine):  # it takes its own last words with it
        return f"Spark stopped during the job, usually because memory ran out: {memory}, or free memory."
    return "Set FLYWHEEL_DEBUG=1 to see the full trace. It may contain user data."


def describe(error: BaseException) -> str:
    """Type and place of an error without its message: engines quote rows in messages."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if os.sep + "site-packages" + os.sep not in f.filename]
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}" if ours else ""
    kind = type(error).__name__
    condition = getattr(error, "getCondition", None)
    if callable(condition) and condition():
        kind += f" {condition()}"
    return kind + place


def _record_success(context: JobContext, plan: Plan) -> None:
    closing = context.job.closing_table
    own = {row["ds"]: row["content_hash"] for row in context.ledger_rows if row["table_name"] == closing}
    for row in context.ledger_rows:
        unit = context.days if context.scope else (row["ds"],)
        inputs = plan.inputs(context.job, unit, own)
        row["input_fingerprint"] = fingerprint(inputs)
        row["input_versions"] = ledger.as_json(
            {
                "days": span_of(unit),
                "content": inputs,
                "versions": dict(context.versions),
                "reads": {
                    name: None if days is None else [str(min(days)), str(max(days))] if days else []
                    for name, days in context.reads.items()
                },
            }
        )
        row["settings_hash"] = plan.settings_hash(context.job)
        # The content of a merge-insert table's day is identified by the inputs that it was made from.
        row["content_hash"] = row["content_hash"] or fingerprint({**inputs, "settings": row["settings_hash"]})
        row["state"] = "succeeded"
    # Write quality results first, so that every run recorded as succeeded has them.
    ledger.append(context.lake, "ops.quality", context.quality_rows, context.run_id)
    ledger.append(context.lake, "ops.runs", context.ledger_rows, context.run_id)


def _record_failure(context: JobContext, error: Exception, state: str = "failed") -> None:
    if isinstance(error, ExpectationFailed):
        context.record_quality(str(error.table), getattr(error, "results", []))
    rows = [
        ledger.run_row(
            context.run_id, context.job.name, context.job.closing_table, day, context.started_ts,
            scope=context.scope, state=state, error=_told(error),
            peak_memory_bytes=context.memory.peak_bytes,
        )
        for day in (context.days[-1:] if context.scope else context.days)
    ]  # fmt: skip
    try:
        ledger.append(context.lake, "ops.quality", context.quality_rows, context.run_id)
        ledger.append(context.lake, "ops.runs", rows, context.run_id)
    except Exception as failure:
        if not is_disk_full(failure):
            raise
        context.say("the disk is full: ops.runs does not record this failure")


def _told(error: Exception) -> str:
    """An error for the ledger: our own message, which holds no text of a user, or else the type and the place."""
    told = f"{type(error).__name__}: {error}" if isinstance(error, FlywheelError) else describe(error)
    return told[:_LONGEST_ERROR]


def _record_broken(lake: Lake, declared: Job, broken: Sequence[Broken]) -> None:
    """Record the runs of this job that ended without a word: nobody else knows of them."""
    for left in {each.run_id: each for each in broken if each.doing.get(JOB) == declared.name}.values():
        try:
            days = parse_days(left.doing.get(DAYS, ""))
        except SettingsError:
            continue
        rows = [
            ledger.run_row(
                left.run_id, declared.name, declared.closing_table, day, left.taken_ts, state="killed",
                ended_ts=left.last_sign_ts, seconds=(left.last_sign_ts - left.taken_ts).total_seconds(),
                error="the process ended without a word: it was killed, or the machine went down",
            )
            for day in (days if declared.is_daily else days[-1:])
        ]  # fmt: skip
        ledger.append(lake, "ops.runs", rows, left.run_id)


def _disk_full(declared: Job, due: Due) -> DiskFull:
    return DiskFull(
        f"the disk filled up while {declared.name} ran", table=declared.closing_table, day=due.span,
        hint="Free disk space, then run it again: it replaces what it has already written by the same rows.",
    )  # fmt: skip


def _print_skips(declared: Job, days: Sequence[date], due: Sequence[Due]) -> None:
    skipped = len(days) - sum(len(unit.days) for unit in due)
    todo = f"{due[0].days[0]}..{due[-1].days[-1]} ({due[0].reason})" if due else "nothing"
    note = f"; {skipped} day(s) are up to date (--force runs them again)" if skipped else ""
    progress.show(f"{declared.name}: {todo}{note}")
