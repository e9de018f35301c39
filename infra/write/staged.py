"""The one way rows get into a table: checked on the staged frame, committed whole, under the table's lock.

Nothing is created implicitly. The frame's columns and types must be the DDL's, its key unique, its days the ones asked
for, its expectations met; only then is anything visible, in one Delta commit that replaces exactly the days (or the
scope) given, or merges by key. A run killed anywhere and started again leaves the same rows.

A frame is Spark's or Arrow's. An Arrow frame, and a Spark frame of few rows, is checked and committed in this process,
without a Spark job. What is promised and what is recorded is the same either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from infra.contracts import Contract, contract
from infra.errors import ContractError, ExpectationFailed
from infra.lake import Lake
from infra.lake.locks import TableLock
from infra.settings import span_of
from infra.write import commit, frames, quality

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Write:
    """One write: the frame and what it replaces.

    Attributes:
        frame: all columns of the DDL but `run_id`.
        days: the job's unit of work; a `replace_days` frame may hold no other day.
        scope: value of the scope column, for a `replace_scope` table.
    """

    table: str
    frame: DataFrame | pa.Table | pa.RecordBatchReader
    days: Sequence[date]
    run_id: str
    scope: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What a write did: rows and order-free content hash by day of the frame, and the version it made."""

    rows: dict[date, int]
    content_hashes: dict[date, str]
    output_version: int
    results: list[quality.Result]


def write(spark: SparkSession | None, lake: Lake, lock: TableLock, request: Write) -> Written:
    """Check and commit a frame.

    Args:
        spark: the session of a Spark frame; None for an Arrow frame.

    Raises:
        ContractError: columns, types, key, days, NOT NULL or CHECK do not hold.
        ExpectationFailed: a critical expectation failed; carries all results as `.results`.
        LockHeld: the lock was lost to another run.
        DiskFull: the disk filled up while writing; the table is as it was.
    """
    table = contract(request.table)
    commit.scope_of(table, request.scope)
    frame = request.frame
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    if isinstance(frame, pa.Table):
        return _write_arrow(lake, lock, request, frames.conform_arrow(table, frame, request.run_id))
    return _write_spark(spark or frame.sparkSession, lake, lock, request, frame)


def _write_arrow(lake: Lake, lock: TableLock, request: Write, staged: pa.Table) -> Written:
    table = contract(request.table)
    measure = frames.measure_arrow(table, staged)
    _check_units(table, request, measure)
    results = _check_expectations(request, staged)
    commit.check_scope(table, staged, commit.scope_of(table, request.scope))
    commit.check_constraints(table, staged)
    version = _commit(lake, lock, request, measure, staged)
    return Written(measure.rows, measure.content_hashes, version, results)


def _write_spark(
    spark: SparkSession, lake: Lake, lock: TableLock, request: Write, frame: DataFrame
) -> Written:
    from pyspark.storagelevel import StorageLevel

    table = contract(request.table)
    staged = frames.conform_spark(table, frame, request.run_id).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        with commit.translated(table):
            small = frames.collect_small(table, staged)
        if small is not None:
            return _write_arrow(lake, lock, request, small)
        with commit.translated(table):
            measure = frames.measure_spark(table, staged)
        _check_units(table, request, measure)
        results = _check_expectations(request, staged)
        version = _commit(lake, lock, request, measure, staged, spark)
        return Written(measure.rows, measure.content_hashes, version, results)
    finally:
        staged.unpersist()


def _check_units(table: Contract, request: Write, measure: frames.Measure) -> None:
    """A frame may hold only the days that it replaces."""
    if table.write == "replace_days" and (stray := sorted(set(measure.rows) - set(request.days))):
        raise ContractError(f"the frame has days outside the run: {stray[:3]}", table=table.name)


def _check_expectations(request: Write, staged: DataFrame | pa.Table) -> list[quality.Result]:
    results = quality.check(staged, request.table)
    if failed := [result for result in results if result.blocks]:
        error = ExpectationFailed(
            f"{len(failed)} critical expectation(s) failed: {', '.join(r.expectation for r in failed)}",
            table=request.table,
            day=span_of(request.days),
            hint="See ops.quality for the counts. The table did not change.",
        )
        error.results = results  # type: ignore[attr-defined]
        raise error
    return results


def _commit(
    lake: Lake,
    lock: TableLock,
    request: Write,
    measure: frames.Measure,
    staged: DataFrame | pa.Table,
    spark: SparkSession | None = None,
) -> int:
    """The version that holds the rows; the lock is looked at a last time before."""
    table = contract(request.table)
    content = ",".join(f"{day}={text}" for day, text in sorted(measure.content_hashes.items()))
    replaced = commit.Replaced(request.days, commit.scope_of(table, request.scope), request.run_id, content)
    lock.check()
    with commit.translated(table):
        if spark is None:
            return commit.commit_arrow(lake, table, staged, replaced)
        return commit.commit_spark(spark, lake, table, staged, replaced)
