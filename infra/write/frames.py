"""Frames on their way into a table, held by Spark or by Arrow: the same checks and the same figures for both.

A frame is first given the columns and types of the DDL, then measured in one pass: rows and content hash by day,
NOT NULL and the key. A Spark frame of few rows is collected, and from there on it is an Arrow frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from infra.contracts import Contract
from infra.errors import ContractError
from infra.write.content_hash import row_hashes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Up to so many rows a Spark frame is collected: docs/measurements/fixed_cost.md has what both ways cost.
SMALL_ROWS = 10_000
_TEXTS = (pa.string(), pa.large_string(), pa.string_view())


@dataclass(frozen=True)
class Measure:
    """Rows and content hash by day; the only day is None where the table has no `ds`.

    A day's hash is the number of its rows and the sum of their 64-bit hashes (`infra.write.content_hash`) over all
    columns but `run_id`: it depends neither on the order of the rows nor on how they are partitioned.
    """

    rows: dict[date, int]
    content_hashes: dict[date, str]


def arrow_table(table: Contract, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with the columns of a job's frame; what a row leaves out is NULL, times carry a timezone."""
    schema = table.arrow_schema(table.job_columns)
    arrays = [
        pa.array(
            [list(v.items()) if isinstance(v := row.get(field.name), dict) and pa.types.is_map(field.type) else v
             for row in rows],
            type=field.type,
        )
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema)


def conform_arrow(table: Contract, frame: pa.Table, run_id: str) -> pa.Table:
    """The frame with the DDL's columns in their order, or an error that says how it differs.

    Forms that hold the same values (a dictionary, a large string, another unit of time) become the DDL's.

    Raises:
        ContractError: a column is missing, too many or of another type.
    """
    if "run_id" in frame.column_names:
        frame = frame.drop_columns(["run_id"])
    frame = frame.append_column("run_id", pa.repeat(pa.scalar(run_id, pa.string()), frame.num_rows))
    _check_names(table, frame.column_names)
    schema = table.arrow_schema()
    for field in schema:
        if not _casts_losslessly(frame.schema.field(field.name).type, field.type):
            raise ContractError(
                f"column {field.name} is {frame.schema.field(field.name).type}, the DDL says {field.type}",
                table=table.name,
            )
    return frame.select(list(schema.names)).cast(schema)


def conform_spark(table: Contract, frame: DataFrame, run_id: str) -> DataFrame:
    """The same for a Spark frame."""
    from pyspark.sql import functions as F

    frame = frame.withColumn("run_id", F.lit(run_id))
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    _check_names(table, list(types))
    for field in table.spark_schema().fields:
        expected = field.dataType.simpleString()
        if types[field.name] != expected:
            raise ContractError(
                f"column {field.name} is {types[field.name]}, the DDL says {expected}", table=table.name
            )
    return frame.select(*(F.col(f"`{name}`") for name in table.column_names))


def collect_small(table: Contract, staged: DataFrame) -> pa.Table | None:
    """All rows of a cached Spark frame if they are few, else None. Computes, and so caches, the frame."""
    rows = staged.limit(SMALL_ROWS + 1).toArrow()
    return None if rows.num_rows > SMALL_ROWS else rows.cast(table.arrow_schema())


def measure_arrow(table: Contract, frame: pa.Table) -> Measure:
    """Measure a conformed Arrow frame.

    Raises:
        ContractError: a required column is NULL, or a key stands more than once.
    """
    _check_nulls(table, {c.name: frame[c.name].null_count for c in table.columns if not c.nullable})
    by_key = (
        frame.select(table.key).group_by(list(table.key), use_threads=False).aggregate([([], "count_all")])
    )
    _check_key(table, pc.sum(pc.greater(by_key["count_all"], 1)).as_py() or 0)
    # Halves of the hashes: a sum of 64-bit numbers would not fit into one.
    hashes = pa.array(row_hashes(frame.select(table.job_columns)))
    low = pc.bit_wise_and(hashes, 0xFFFFFFFF)
    day = frame["ds"] if "ds" in table.column_names else pa.nulls(frame.num_rows, pa.date32())
    by_day = (
        pa.table({"day": day, "low": low, "high": pc.shift_right(hashes, 32)})
        .group_by("day")
        .aggregate([([], "count_all"), ("low", "sum"), ("high", "sum")])
        .to_pylist()
    )
    return Measure(
        {row["day"]: row["count_all"] for row in by_day},
        {row["day"]: f"{row['count_all']}:{(row['high_sum'] << 32) + row['low_sum']}" for row in by_day},
    )


def measure_spark(table: Contract, staged: DataFrame) -> Measure:
    """Measure a conformed Spark frame in one job: grouped by key, then by day.

    Where no key stands twice, a key's only row has its day and its hash, and the days add up.

    Raises:
        ContractError: as `measure_arrow`.
    """
    from pyspark.sql import functions as F

    required = [column.name for column in table.columns if not column.nullable]
    any_null = F.lit(False)
    for name in required:
        any_null = any_null | F.col(f"`{name}`").isNull()
    day = F.col("ds") if "ds" in table.column_names else F.lit(None).cast("date")
    measured = (
        staged.groupBy(*(F.col(f"`{name}`") for name in table.key))
        .agg(
            F.count("*").alias("_rows"),
            F.min(day).alias("_day"),
            F.min(F.xxhash64(*_hashable(table))).alias("_hash"),
            F.max(any_null).alias("_null"),
        )
        .groupBy("_day")
        .agg(
            F.sum("_rows").alias("_rows"),
            F.sum(F.col("_hash").cast("decimal(38,0)")).alias("_hash"),
            F.max("_null").alias("_null"),
            F.sum((F.col("_rows") > 1).cast("long")).alias("_twice"),
        )
        .collect()
    )
    if any(row["_null"] for row in measured):
        nulls = [F.sum(F.col(f"`{name}`").isNull().cast("long")).alias(name) for name in required]
        _check_nulls(table, staged.agg(*nulls).collect()[0].asDict())
    _check_key(table, sum(row["_twice"] for row in measured))
    return Measure(
        {row["_day"]: row["_rows"] for row in measured},
        {row["_day"]: f"{row['_rows']}:{row['_hash']}" for row in measured},
    )


def _hashable(table: Contract) -> list[Any]:
    """The columns that are hashed. A map has no hash in Spark; its sorted entries have."""
    from pyspark.sql import functions as F

    return [
        F.array_sort(F.map_entries(f"`{column.name}`"))
        if column.type.startswith("MAP")
        else F.col(f"`{column.name}`")
        for column in table.columns
        if column.name != "run_id"
    ]


def _check_names(table: Contract, names: Sequence[str]) -> None:
    missing = [name for name in table.column_names if name not in names]
    extra = sorted(set(names) - set(table.column_names))
    if missing or extra:
        raise ContractError(f"missing columns: {missing}; unknown columns: {extra}", table=table.name)
    if len(set(names)) < len(names):
        raise ContractError("the frame has two columns with the same name", table=table.name)


def _check_nulls(table: Contract, nulls: Mapping[str, int]) -> None:
    for name, count in nulls.items():
        if count:
            raise ContractError(f"column {name} is NULL in {count} rows", table=table.name)


def _check_key(table: Contract, twice: int) -> None:
    if twice:
        raise ContractError(
            f"{twice} keys ({', '.join(table.key)}) occur more than once in the frame", table=table.name
        )


def _casts_losslessly(actual: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a cast between the types keeps every value."""
    if actual == expected or pa.types.is_null(actual):
        return True
    if pa.types.is_dictionary(actual):
        return _casts_losslessly(actual.value_type, expected)
    if pa.types.is_timestamp(expected):
        return pa.types.is_timestamp(actual) and actual.tz is not None
    if pa.types.is_map(expected):
        return pa.types.is_map(actual) and all(
            _casts_losslessly(part, other)
            for part, other in ((actual.key_type, expected.key_type), (actual.item_type, expected.item_type))
        )
    if pa.types.is_list(expected):
        return any(
            check(actual) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        ) and _casts_losslessly(actual.value_type, expected.value_type)
    if pa.types.is_struct(expected):
        names = [field.name for field in expected]
        return pa.types.is_struct(actual) and [field.name for field in actual] == names and all(
            _casts_losslessly(actual.field(name).type, expected.field(name).type) for name in names
        )  # fmt: skip
    return actual in _TEXTS and expected in _TEXTS
