"""The one way rows get into a table: checked on the staged frame, committed whole, under the table's lock.

Nothing is created implicitly. The frame's columns and types must be the DDL's, its key unique, its days the ones asked
for, its expectations met; only then is anything visible, in one Delta commit that replaces exactly the days (or the
scope) given, or merges by key. A run killed anywhere and started again leaves the same rows.

A frame is Spark's or Arrow's. An Arrow frame is checked and committed in this process, without a JVM. What is promised
and what is recorded is the same either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from infra import commit, frames, quality
from infra.contracts import Contract, contract
from infra.errors import ContractError, ExpectationFailed
from infra.lake import Lake
from infra.locks import TableLock
from infra.settings import span_of

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


def write(spark: SparkSession | None, lake: Lake, lock: TableLock, wanted: Write) -> Written:
    """Check and commit a frame.

    Args:
        spark: the session of a Spark frame; None for an Arrow frame.

    Raises:
        ContractError: columns, types, key, days, NOT NULL or CHECK do not hold.
        ExpectationFailed: a critical expectation failed; carries all results as `.results`.
        LockHeld: the lock was lost to another run.
        DiskFull: the disk filled up while writing; the table is as it was.
    """
    table = contract(wanted.table)
    commit.scope_of(table, wanted.scope)
    given = wanted.frame
    if isinstance(given, pa.RecordBatchReader):
        given = given.read_all()
    if isinstance(given, pa.Table):
        return _write_arrow(lake, lock, wanted, frames.conform_arrow(table, given, wanted.run_id))
    return _write_spark(spark or given.sparkSession, lake, lock, wanted, given)


def _write_arrow(lake: Lake, lock: TableLock, wanted: Write, staged: pa.Table) -> Written:
    table = contract(wanted.table)
    measure = frames.measure_arrow(table, staged)
    _check_days(table, wanted, measure.rows)
    results = _check_expectations(wanted, staged)
    commit.check_scope(table, staged, commit.scope_of(table, wanted.scope))
    commit.check_constraints(table, staged)
    content = ",".join(f"{day}={text}" for day, text in sorted(measure.content_hashes.items()))
    replaced = commit.Replaced(wanted.days, commit.scope_of(table, wanted.scope), wanted.run_id, content)
    lock.check()
    with commit.translated(table):
        version = commit.commit_arrow(lake, table, staged, replaced)
    return Written(measure.rows, measure.content_hashes, version, results)


def _write_spark(
    spark: SparkSession, lake: Lake, lock: TableLock, wanted: Write, frame: DataFrame
) -> Written:
    from pyspark.sql import functions as F
    from pyspark.storagelevel import StorageLevel

    table = contract(wanted.table)
    staged = _conform(table, frame.withColumn("run_id", F.lit(wanted.run_id)))
    staged = staged.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        with commit.translated(table):
            rows, hashes = _measure(table, staged)
        _check_days(table, wanted, rows)
        results = _check_expectations(wanted, staged)
        lock.check()
        with commit.translated(table):
            _commit(spark, lake, table, staged, wanted)
        return Written(rows, hashes, lake.version(wanted.table), results)
    finally:
        staged.unpersist()


def _conform(table: Contract, frame: DataFrame) -> DataFrame:
    """The frame in the DDL's column order, or an error that says how it differs."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DataType

    types = dict(frame.dtypes)
    missing = [c.name for c in table.columns if c.name not in types]
    extra = sorted(set(types) - set(table.column_names))
    if missing or extra:
        raise ContractError(f"the frame lacks {missing} and has {extra} too many", table=table.name)
    for column in table.columns:
        wanted = DataType.fromDDL(column.type).simpleString()
        if types[column.name] != wanted:
            raise ContractError(
                f"column {column.name} is {types[column.name]}, the DDL says {wanted}", table=table.name
            )
    return frame.select(*(F.col(f"`{name}`") for name in table.column_names))


def _measure(table: Contract, staged: DataFrame) -> tuple[dict[date, int], dict[date, str]]:
    """Rows and content hash by day; the key must be unique and no required column NULL.

    The hash of a day is the sum of its rows' 64-bit hashes (as a decimal, so it cannot overflow) and their number: it
    does not depend on order or partitioning.
    """
    from pyspark.sql import functions as F

    content = [F.col(f"`{name}`") for name in table.column_names if name != "run_id"]
    # A map has no hash in Spark; its sorted entries have.
    hashable = [
        F.array_sort(F.map_entries(c)) if "map<" in dtype else c
        for c, (name, dtype) in zip(content, [d for d in staged.dtypes if d[0] != "run_id"], strict=True)
    ]
    required = [column.name for column in table.columns if not column.nullable]
    nulls = [F.sum(F.col(f"`{n}`").isNull().cast("int")).alias(f"_null_{n}") for n in required]
    day = "ds" if "ds" in table.column_names else F.lit(None).cast("date").alias("ds")
    measured = (
        staged.groupBy(day)
        .agg(
            F.count("*").alias("_rows"),
            F.sum(F.xxhash64(*hashable).cast("decimal(38,0)")).alias("_hash"),
            *nulls,
        )
        .collect()
    )
    for name in required:
        if empty := sum(row[f"_null_{name}"] or 0 for row in measured):
            raise ContractError(f"column {name} is NULL in {empty} rows", table=table.name)
    key = [F.col(f"`{name}`") for name in table.key]
    twice = staged.groupBy(*key).count().where("count > 1").count()
    if twice:
        raise ContractError(
            f"{twice} keys ({', '.join(table.key)}) stand more than once in the frame", table=table.name
        )
    return {row["ds"]: row["_rows"] for row in measured}, {
        row["ds"]: f"{row['_rows']}:{row['_hash']}" for row in measured
    }


def _check_days(table: Contract, wanted: Write, rows: Mapping[date, int]) -> None:
    if table.write == "replace_days" and (stray := sorted(set(rows) - set(wanted.days))):
        raise ContractError(f"the frame holds days it was not asked for: {stray[:3]}", table=table.name)
    if table.write == "replace_scope" and table.scope not in wanted.scope:
        raise ContractError(f"the write needs a scope for {table.scope}", table=table.name)


def _commit(spark: SparkSession, lake: Lake, table: Contract, staged: DataFrame, wanted: Write) -> None:
    from delta.tables import DeltaTable as SparkDeltaTable

    path = lake.path(table.name)
    if table.write in ("merge_insert", "merge_upsert"):
        on = " AND ".join(f"t.`{k}` <=> s.`{k}`" for k in table.key)
        merge = SparkDeltaTable.forPath(spark, path).alias("t").merge(staged.alias("s"), on)
        if table.write == "merge_upsert":
            # Rows that are the same stay untouched: a rerun makes no new files.
            same = " AND ".join(
                f"t.`{n}` <=> s.`{n}`" for n in table.column_names if n not in (*table.key, "run_id")
            )
            merge = merge.whenMatchedUpdateAll(f"NOT ({same})")
        merge.whenNotMatchedInsertAll().execute()
        return
    writer = staged.write.format("delta").option("userMetadata", wanted.run_id)
    if table.write == "append":
        writer.mode("append").save(path)
        return
    if table.write == "replace_days":
        days = ", ".join(f"DATE'{day.isoformat()}'" for day in sorted(wanted.days))
        condition = f"ds IN ({days})"
    else:
        value = wanted.scope[str(table.scope)].replace("\\", "\\\\").replace("'", "\\'")
        condition = f"{table.scope} = '{value}'"
    writer.mode("overwrite").option("replaceWhere", condition).save(path)


def _check_expectations(wanted: Write, staged: DataFrame | pa.Table) -> list[quality.Result]:
    results = quality.check(staged, wanted.table)
    if failed := [result for result in results if result.blocks]:
        error = ExpectationFailed(
            f"{len(failed)} critical expectation(s) failed: {', '.join(r.expectation for r in failed)}",
            table=wanted.table,
            day=span_of(wanted.days),
            hint="See ops.quality for the counts; the table is as it was.",
        )
        error.results = results  # type: ignore[attr-defined]
        raise error
    return results
