"""Reads landed files with Spark, one file a task. All landing zones share this."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from infra.errors import LandingFileBroken
from infra.settings import span_of
from infra.storage import Options
from jobs.landing.zone import LandingFile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Line = tuple[str, int, str | None, Sequence[Any]]
"""A parsed line: source_file, line, reason of refusal, and values (NULLs when refused)."""

_BATCH_ROWS, _MAX_TASKS = 2_000, 1_000
_FILE_SCHEMA = "root string, name string, received_ds date, size bigint, mtime_ns bigint"


def landed_rows(
    spark: SparkSession,
    files: Sequence[LandingFile],
    columns: Mapping[str, pa.DataType],
    parse: Callable[[LandingFile], Iterable[Line]],
) -> DataFrame:
    """Every line of the files: source_file, line, received_ds, reason, failure, and `columns`.

    A file that is broken as a whole gives one row whose `failure` says so.

    Args:
        parse: gives the lines of a file; runs on the workers.
    """
    schema = pa.schema(
        {
            "source_file": pa.string(), "line": pa.int64(), "received_ds": pa.date32(), "reason": pa.string(),
            "failure": pa.string(), **columns,
        }
    )  # fmt: skip
    rows = [(file.root, file.name, file.received_ds, file.size, file.mtime_ns) for file in files]
    listed = spark.createDataFrame(rows, _FILE_SCHEMA).repartition(max(1, min(len(rows), _MAX_TASKS)))
    options = files[0].options if files else ()  # of one landing zone
    batches = partial(_batches, schema=schema, parse=parse, options=options)
    return listed.mapInArrow(batches, from_arrow_schema(schema))


def fates_by_day(lines: DataFrame, day: str) -> dict[date, Counter[str]]:
    """Count of lines by `fate`, for each day of the named column."""
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for row in lines.groupBy(day, "fate").agg(F.count("*").alias("lines")).collect():
        counts[row[day]][row["fate"]] = row["lines"]
    return dict(counts)


def refuse_broken(parsed: DataFrame, table: str, days: Sequence[date]) -> None:
    """Raises LandingFileBroken that names every broken file of `landed_rows`."""
    broken = sorted(row["failure"] for row in parsed.where("failure IS NOT NULL").select("failure").collect())
    if broken:
        raise LandingFileBroken(
            "; ".join(broken), table=table, day=span_of(days),
            hint=(
                "Deliver the whole file again, then run again. While you write a file, end its name in "
                ".tmp. The tables did not change."
            ),
        )  # fmt: skip


def _batches(
    arrived: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    parse: Callable[[LandingFile], Iterable[Line]],
    options: Options,
) -> Iterator[pa.RecordBatch]:  # runs on the workers
    for batch in arrived:
        for listed in batch.to_pylist():
            file = LandingFile(**listed, options=options)
            pending: list[tuple[Any, ...]] = []
            try:
                for source_file, line, reason, values in parse(file):
                    pending.append((source_file, line, file.received_ds, reason, None, *values))
                    if len(pending) >= _BATCH_ROWS:
                        yield _arrow(pending, schema)
                        pending = []
            except LandingFileBroken as error:
                # The driver raises the error; raised here it would arrive as a Spark stack trace.
                nothing = (None,) * (len(schema) - 5)
                pending = [(file.name, 0, file.received_ds, None, error.what, *nothing)]
            if pending:
                yield _arrow(pending, schema)


def _arrow(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
