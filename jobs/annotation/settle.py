"""Parses landed judgements with Spark and decides which of those with the same id is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.annotation.parse import Judgement, JudgementRules, parse_file
from jobs.landing.rows import Line, landed_rows
from jobs.landing.zone import LandingFile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEPT, DUPLICATE, CONFLICTING_DUPLICATE = "kept", "duplicate", "conflicting_duplicate"
# The first batch wins, so that the order in which batches arrive does not matter.
_ORDER = ("ds", "source_file", "line")


def parse_landing(spark: SparkSession, files: Sequence[LandingFile], rules: JudgementRules) -> DataFrame:
    """Every line of the files, one file a task: a judgement's columns, or its `reason`.

    A file that is broken as a whole gives one row whose `failure` says so.
    """
    columns = {name: pa.string() for name in Judgement._fields}
    rows = landed_rows(spark, files, columns, partial(_lines, rules=rules))
    return rows.withColumnRenamed("received_ds", "ds")


def settle(parsed: DataFrame, known: DataFrame) -> DataFrame:
    """Decide by id what becomes of each judgement.

    Args:
        parsed: rows of `parse_landing`, without failures.
        known: rows of `annotation.preferences` of other days.

    Returns:
        `ds, source_file, line, fate` of the parsed judgements and, with `line` NULL, of the known rows that share a
        pair with them. The fate is `kept`, `duplicate`, or `conflicting_duplicate`: the pair id stands for another pair
        already, or the annotator gave another judgement before.
    """
    label = F.concat_ws("|", "winner", F.coalesce("guideline_version", F.lit(""))).alias("said")
    columns = ["pair_id", "annotator_id", "content_hash", "ds"]
    fresh = parsed.where("reason IS NULL")
    known_labels = known.join(fresh.select("pair_id").distinct(), "pair_id", "left_semi")
    nowhere = (F.lit(None).cast("string").alias("source_file"), F.lit(None).cast("bigint").alias("line"))
    labels = fresh.select(*columns, label, "source_file", "line").unionByName(
        known_labels.select(*columns, label, *nowhere)
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
        labels.withColumn("is_same", F.col("content_hash") == F.first("content_hash").over(by_pair))
        .withColumn("fate", fate)
        .select("ds", "source_file", "line", "fate")
    )


def _lines(file: LandingFile, rules: JudgementRules) -> Iterator[Line]:  # runs on the workers
    nothing = (None,) * len(Judgement._fields)
    for landed in parse_file(file, rules):
        yield landed.source_file, landed.line, landed.reason, landed.judgement or nothing
