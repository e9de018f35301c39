"""The one way rows get into a table: checked on the staged frame, committed whole, under the table's lock.

Nothing is created implicitly. The frame's columns and types must be the DDL's, its key unique, its days the ones asked
for, its expectations met; only then is anything visible, in one Delta commit that replaces exactly the days (or the
scope) given, or merges by key. A run killed anywhere and started again leaves the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from infra import quality
from infra.contracts import Contract, contract
from infra.errors import ContractError, DiskFull, ExpectationFailed, FlywheelError
from infra.lake import Lake
from infra.locks import TableLock
from infra.settings import span_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Write:
    """One write asked for: the frame and what it replaces.

    Attributes:
        days: the job's unit of work; a `replace_days` frame may hold no other day.
        scope: value of the scope column, for a `replace_scope` table.
    """

    table: str
    frame: DataFrame
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


def write(spark: SparkSession, lake: Lake, lock: TableLock, asked: Write) -> Written:
    """Check and commit a frame.

    Raises:
        ContractError: columns, types, key, days, NOT NULL or CHECK do not hold.
        ExpectationFailed: a critical expectation failed; carries all results as `.results`.
        DiskFull: the disk filled up while writing; the table is as it was.
    """
    from pyspark.sql import functions as F
    from pyspark.storagelevel import StorageLevel

    table = contract(asked.table)
    staged = _conform(table, asked.frame.withColumn("run_id", F.lit(asked.run_id)))
    staged = staged.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        with _translated(asked.table):
            rows, hashes = _measure(table, staged)
        _check_days(table, asked, rows)
        results = quality.check(staged, asked.table)
        if failed := [result for result in results if result.blocks]:
            error = ExpectationFailed(
                f"{len(failed)} critical expectation(s) failed: {', '.join(r.expectation for r in failed)}",
                table=asked.table,
                day=span_of(asked.days),
                hint="See ops.quality for the counts; the table is as it was.",
            )
            error.results = results  # type: ignore[attr-defined]
            raise error
        lock.check()
        with _translated(asked.table):
            _commit(spark, lake, table, staged, asked)
        return Written(rows, hashes, lake.version(asked.table), results)
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


def _check_days(table: Contract, asked: Write, rows: Mapping[date, int]) -> None:
    if table.write == "replace_days" and (stray := sorted(set(rows) - set(asked.days))):
        raise ContractError(f"the frame holds days it was not asked for: {stray[:3]}", table=table.name)
    if table.write == "replace_scope" and table.scope not in asked.scope:
        raise ContractError(f"the write needs a scope for {table.scope}", table=table.name)


def _commit(spark: SparkSession, lake: Lake, table: Contract, staged: DataFrame, asked: Write) -> None:
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
    writer = staged.write.format("delta").option("userMetadata", asked.run_id)
    if table.write == "append":
        writer.mode("append").save(path)
        return
    if table.write == "replace_days":
        days = ", ".join(f"DATE'{day.isoformat()}'" for day in sorted(asked.days))
        condition = f"ds IN ({days})"
    else:
        value = asked.scope[str(table.scope)].replace("'", "")
        condition = f"{table.scope} = '{value}'"
    writer.mode("overwrite").option("replaceWhere", condition).save(path)


class _translated:
    """Turn an engine's error into one of ours, without the row that it may quote."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, FlywheelError):
            return
        text = str(error)
        if "No space left on device" in text or "Disk quota exceeded" in text:
            raise DiskFull(
                "the disk filled up while writing", table=self._table,
                hint="Free space, then run again: the table is as it was.",
            ) from None  # fmt: skip
        if "DELTA_VIOLATE_CONSTRAINT" in text or "DELTA_NOT_NULL_CONSTRAINT_VIOLATED" in text:
            known = (name for name in contract(self._table).checks if name in text)
            name = next(known, "(NOT NULL)")
            raise ContractError(
                f"rows break the CHECK {name}", table=self._table,
                hint="The table is as it was.",
            ) from None  # fmt: skip
