"""Landed judgements parsed by the engine and settled by id: which of those that share an id is the one kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from infra.errors import LandingFileBroken
from jobs.annotation.parse import Judgement, JudgementRules, parse_file
from jobs.traffic.landing import LandingFile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEPT, DUPLICATE, CONFLICTING_DUPLICATE = "kept", "duplicate", "conflicting_duplicate"
_BATCH_ROWS, _MAX_TASKS = 2_000, 1_000
_FILE_SCHEMA = "root string, name string, received_ds date, size bigint, mtime_ns bigint"
_ARROW = pa.schema(
    [
        pa.field("source_file", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("ds", pa.date32()),
        pa.field("reason", pa.string()),
        pa.field("failure", pa.string()),
        *(pa.field(name, pa.string()) for name in Judgement._fields),
    ]
)
_PARSED = ", ".join(
    f"{field.name} {'bigint' if field.name == 'line' else 'date' if field.name == 'ds' else 'string'}"
    for field in _ARROW
)
# The first batch wins, so that batches that come in another order end the same.
_ORDER = ("ds", "source_file", "line")


def parse_landing(spark: SparkSession, files: Sequence[LandingFile], rules: JudgementRules) -> DataFrame:
    """Every line of the files, one file a task: a judgement's columns, or its `reason`.

    A file that is broken as a whole gives one row whose `failure` says so.
    """
    rows = [astuple(file) for file in files]
    listed = spark.createDataFrame(rows, _FILE_SCHEMA).repartition(max(1, min(len(rows), _MAX_TASKS)))
    return listed.mapInArrow(partial(_parse_batches, rules=rules), _PARSED)


def settle(parsed: DataFrame, known: DataFrame) -> DataFrame:
    """Decide by id what becomes of each judgement.

    Args:
        parsed: rows of `parse_landing`, without failures.
        known: rows of `annotation.preferences` of other days.

    Returns:
        `ds, source_file, line, fate` of the parsed judgements and, with `line` NULL, of the known rows that share a
        pair with them. The fate is `kept`, `duplicate`, or `conflicting_duplicate`: the pair id stands for another pair
        already, or the annotator said something else before.
    """
    said = F.concat_ws("|", "winner", F.coalesce("guideline_version", F.lit(""))).alias("said")
    columns = ["pair_id", "annotator_id", "content_hash", "ds"]
    fresh = parsed.where("reason IS NULL")
    held = known.join(fresh.select("pair_id").distinct(), "pair_id", "left_semi")
    nowhere = (F.lit(None).cast("string").alias("source_file"), F.lit(None).cast("bigint").alias("line"))
    both = fresh.select(*columns, said, "source_file", "line").unionByName(
        held.select(*columns, said, *nowhere)
    )
    by_pair = Window.partitionBy("pair_id").orderBy(*_ORDER)
    by_label = Window.partitionBy("pair_id", "annotator_id", "is_same").orderBy(*_ORDER)
    fate = (
        F.when(~F.col("is_same"), CONFLICTING_DUPLICATE)
        .when(F.row_number().over(by_label) == 1, KEPT)
        .when(F.col("said") == F.first("said").over(by_label), DUPLICATE)
        .otherwise(CONFLICTING_DUPLICATE)
    )
    return (
        both.withColumn("is_same", F.col("content_hash") == F.first("content_hash").over(by_pair))
        .withColumn("fate", fate)
        .select("ds", "source_file", "line", "fate")
    )


def _parse_batches(
    batches: Iterable[pa.RecordBatch], rules: JudgementRules
) -> Iterator[pa.RecordBatch]:  # runs on the workers
    nothing = (None,) * len(Judgement._fields)
    for batch in batches:
        for listed in batch.to_pylist():
            file = LandingFile(**listed)
            held: list[tuple[Any, ...]] = []
            try:
                for landed in parse_file(file, rules):
                    said = landed.judgement or nothing
                    held.append(
                        (landed.source_file, landed.line, file.received_ds, landed.reason, None, *said)
                    )
                    if len(held) >= _BATCH_ROWS:
                        yield _arrow(held)
                        held = []
            except LandingFileBroken as error:
                # The driver raises it: from here it would arrive as a stack trace of the engine.
                held = [(file.name, 0, file.received_ds, None, error.what, *nothing)]
            if held:
                yield _arrow(held)


def _arrow(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, _ARROW, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_ARROW)
