"""Gives each turn of a day exactly one outcome before sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from jobs.context import JobContext


def run(ctx: JobContext) -> None:
    """Write the days' outcomes."""
    screened, pruned = ctx.read("curation.screened"), ctx.read("curation.pruned")
    rows_in = {row["ds"]: row["count"] for row in screened.groupBy("ds").count().collect()}
    ctx.write(
        "curation.outcomes", outcomes(screened, pruned, ctx.settings.diversity.sources), rows_in=rows_in
    )


def outcomes(screened: DataFrame, pruned: DataFrame, sources: Sequence[str]) -> DataFrame:
    """One row a turn. Unusable turns are `ineligible` whatever their verdict; then screening decides; then pruning.

    A ranked turn that `curation.pruned` lacks gets a NULL outcome, which the contract refuses at the write.
    """
    decisions = pruned.select("turn_id", "kept", "reason", "kept_turn_id", "similarity").withColumnRenamed(
        "reason", "_removed"
    )
    ineligible = (
        F.when((F.col("turn_index") < 1) | F.col("message_ts").isNull(), "greeting")
        .when(~F.col("is_final"), "superseded")
        .when(~F.col("source").isin(list(sources)), F.col("source"))
    )
    first_reason = F.when(F.size("reasons") > 0, F.element_at("reasons", 1))
    outcome = (
        F.when(F.col("_ineligible").isNotNull(), "ineligible")
        .when(F.col("verdict") == "reject", "rejected")
        .when(F.col("verdict") == "review", "in_review")
        .when(F.col("kept"), "eligible")
        .otherwise(F.col("_removed"))
    )
    nearest = F.when(
        F.col("kept_turn_id").isNotNull(),
        F.format_string("kept turn %s, similarity %.4f", "kept_turn_id", "similarity"),
    )
    screening = F.when(F.size("reasons") > 0, F.array_join("reasons", ", "))
    reason = (
        F.when(F.col("_ineligible").isNotNull(), F.col("_ineligible"))
        .when(F.col("verdict") != "pass", F.coalesce(first_reason, F.lit("unexplained")))
        .otherwise(F.col("_removed"))
    )
    detail = F.when(F.col("_ineligible").isNull() & (F.col("verdict") == "pass"), nearest).otherwise(
        screening
    )
    return (
        screened.join(decisions, "turn_id", "left")
        .withColumn("_ineligible", ineligible)
        .select(
            "turn_id", outcome.alias("outcome"), reason.alias("reason"), detail.alias("detail"),
            "split", "source", "language", "ds",
        )
    )  # fmt: skip
