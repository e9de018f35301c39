"""Few rows: read by delta-rs into a relation that Spark holds itself, and worked on without compiled code.

For a few thousand rows Delta's own reading (a query over its log, listing, scan) and the code that Spark compiles for
each query cost more than the work. `docs/measurements/fixed_cost.md` has what both ways cost.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

SMALL_ROWS = 10_000
SMALL_BYTES = 8_000_000
"""Bytes of the files, which are compressed."""

_CODEGEN = {
    "spark.sql.codegen.wholeStage": ("true", "false"),
    "spark.sql.codegen.factoryMode": ("FALLBACK", "NO_CODEGEN"),
}


def is_small(table: DeltaTable, days: Collection[date] | None = None, last: date | None = None) -> bool:
    """Whether so few rows are to be read that Spark's own ways cost more than the work; from the log alone.

    Args:
        days: of `ds`, by which the table is partitioned. None: all.
        last: the last day. None: all.
    """
    import pyarrow as pa

    files = pa.table(table.get_add_actions(flatten=True))
    if "partition.ds" in files.column_names and (days is not None or last is not None):
        of_file = files["partition.ds"].to_pylist()
        files = files.filter(
            pa.array(
                [(days is None or ds in days) and (last is None or ds <= last) for ds in of_file], pa.bool_()
            )
        )
    rows, sizes = _total(files, "num_records"), _total(files, "size_bytes")
    return rows is not None and sizes is not None and rows <= SMALL_ROWS and sizes <= SMALL_BYTES


def frame_of(spark: SparkSession, table: DeltaTable, rows: pa.Table) -> DataFrame:
    """The rows as a frame with the table's types."""
    from pyspark.sql.types import StructType

    schema = StructType.fromJson(json.loads(table.schema().to_json()))
    if not rows.num_rows:
        rows = rows.schema.empty_table()  # PySpark fails on nested columns without a chunk
    return spark.createDataFrame(rows, schema=schema)


def compile_queries(spark: SparkSession, conf: dict[str, str], compiled: bool) -> None:
    """Whether Spark compiles code for the queries that follow, or interprets them.

    Args:
        conf: the user's own settings, which are left as they are.
    """
    for key, (on, off) in _CODEGEN.items():
        if key not in conf:
            spark.conf.set(key, on if compiled else off)


def _total(files: pa.Table, name: str) -> Any:
    """Sum of a column of the log; None when a file does not say it."""
    column = files[name]
    return None if column.null_count else sum(column.to_pylist())
