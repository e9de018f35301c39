"""One query on either engine: Spark for frames of Spark, DuckDB for Arrow data on the driver, without a JVM.

A query keeps to the SQL that both read alike: joins, CASE, whole numbers, counts and sums.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa
import pyarrow.dataset as pads

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame

_UNKNOWN = 10**12
"""Rows of a file that does not say how many it holds."""
_OF_FILE = ("num_records", "partition.ds", "min.ds", "max.ds")
Frame = Union["DataFrame", pads.Dataset, pads.Scanner, pa.Table]


def query(text: str, **frames: Frame) -> list[dict[str, Any]]:
    """The rows of a query, by column name.

    Args:
        text: SQL in which `{name}` stands for each of the frames.
        frames: all of Spark, or all of Arrow.
    """
    if all(isinstance(frame, pads.Dataset | pads.Scanner | pa.Table) for frame in frames.values()):
        return _on_driver(text, frames)
    spark = next(iter(frames.values())).sparkSession
    rows: list[dict[str, Any]] = spark.sql(text, **frames).toArrow().to_pylist()
    return rows


def rows_at_most(table: DeltaTable, days: Collection[date]) -> int:
    """Rows of the days, from the log alone: a file whose rows are of unknown or of other days too counts whole."""
    actions = pa.table(table.get_add_actions(flatten=True))
    known = [name for name in _OF_FILE if name in actions.column_names]
    files = [file for file in actions.select(known).to_pylist() if _may_hold(file, days)]
    return sum(_UNKNOWN if file.get("num_records") is None else file["num_records"] for file in files)


def _may_hold(file: Mapping[str, Any], days: Collection[date]) -> bool:
    if (day := file.get("partition.ds")) is not None:
        return day in days
    low, high = file.get("min.ds"), file.get("max.ds")
    return low is None or high is None or any(low <= day <= high for day in days)


def _on_driver(text: str, frames: dict[str, Frame]) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in frames.items():
            connection.register(name, frame)
        result = connection.execute(text.format(**{name: name for name in frames}))
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
