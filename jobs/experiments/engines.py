"""One query on either engine: Spark for frames of Spark, DuckDB for Arrow data on the driver, without a JVM.

A query keeps to the SQL that both read alike: joins, CASE, whole numbers, counts and sums.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa
import pyarrow.dataset as pads

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from jobs.context import JobContext

_UNKNOWN = 10**12
"""Rows of a file that does not say how many it holds."""
_MEMORY = "4GB"
"""Of DuckDB, for a query."""
_OF_FILE = ("num_records", "partition.ds", "min.ds", "max.ds")
Frame = Union["DataFrame", pads.Dataset, pads.Scanner, pa.Table]


# Functions of Spark that DuckDB lacks.
_FUNCTIONS = (
    "unix_date(day) AS day - DATE '1970-01-01'",
    "date_from_unix_date(days) AS DATE '1970-01-01' + CAST(days AS INT)",
    "shiftleft(bits, places) AS bits << places",
)


def query(text: str, **frames: Frame) -> list[dict[str, Any]]:
    """The rows of a query, by column name.

    Args:
        text: SQL in which `{name}` stands for each of the frames.
        frames: all of Spark, or all of Arrow.
    """
    rows: list[dict[str, Any]]
    if spark := _spark(frames):
        rows = spark.sql(text, **frames).toArrow().to_pylist()
    else:
        with _duckdb(frames) as connection:
            rows = connection.execute(_named(text, frames)).fetch_arrow_table().to_pylist()
    return rows


def rows_of(text: str, folder: Path, **frames: Frame) -> DataFrame | pads.Dataset:
    """The rows of a query as a frame of the engine that made them; `query` says what the other arguments are.

    Args:
        folder: where DuckDB keeps the rows, so that they need no memory. They last as long as the folder.
    """
    if spark := _spark(frames):
        return spark.sql(text, **frames)
    path = folder / f"{uuid.uuid4().hex}.parquet"
    with _duckdb(frames) as connection:
        connection.sql(_named(text, frames)).write_parquet(str(path))
    return pads.dataset(path)


def _spark(frames: Mapping[str, Frame]) -> SparkSession | None:
    """The session of the frames, None for Arrow data."""
    if all(isinstance(frame, pads.Dataset | pads.Scanner | pa.Table) for frame in frames.values()):
        return None
    session: SparkSession = next(iter(frames.values())).sparkSession
    return session


def _named(text: str, frames: Mapping[str, Frame]) -> str:
    return text.format(**{name: name for name in frames})


@contextmanager
def _duckdb(frames: Mapping[str, Frame]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the frames by their names. Beyond its memory limit it spills to temporary files."""
    from infra.lake.sql import engine

    spill = Path(tempfile.gettempdir(), f"flywheel-duckdb-{uuid.uuid4().hex}")
    with engine(memory_limit=_MEMORY, temp_directory=str(spill)) as connection:
        for function in _FUNCTIONS:
            connection.execute(f"CREATE MACRO {function}")
        for name, frame in frames.items():
            connection.register(name, frame)
        yield connection


def frames_read(ctx: JobContext, days_of: Mapping[str, Collection[date]]) -> list[Frame]:
    """Days of tables: Arrow data while their users are few enough for the driver, else frames of Spark.

    On one machine, rows of many days can stay in files. A cluster's driver would hold them in memory: there they count.
    """
    most = max(
        users_at_most(ctx.lake.open(table, ctx.version_read(table)), days)
        * (1 if ctx.settings.spark.is_local else len(days))
        for table, days in days_of.items()
    )
    read = ctx.read if most > ctx.settings.experiments.users_on_driver else ctx.read_queryable
    return [read(table, days) for table, days in days_of.items()]


def users_at_most(table: DeltaTable, days: Collection[date]) -> int:
    """Users on the fullest of the days, from the log alone.

    A table partitioned by day holds a user once a day. Another holds a user once, and a file of it counts whole when it
    may hold rows of the days.
    """
    actions = pa.table(table.get_add_actions(flatten=True))
    files = actions.select([name for name in _OF_FILE if name in actions.column_names]).to_pylist()
    if "partition.ds" in actions.column_names:
        return max((_rows(file for file in files if file["partition.ds"] == day) for day in days), default=0)
    return _rows(file for file in files if _may_hold(file, days))


def _rows(files: Iterable[Mapping[str, Any]]) -> int:
    return sum(_UNKNOWN if file.get("num_records") is None else file["num_records"] for file in files)


def _may_hold(file: Mapping[str, Any], days: Collection[date]) -> bool:
    low, high = file.get("min.ds"), file.get("max.ds")
    return low is None or high is None or any(low <= day <= high for day in days)
