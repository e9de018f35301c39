"""Maintains the versions of each character (slowly changing dimension, type 2). A character is always recomputed whole.

A field that an update leaves out keeps its last value, so an update may be a patch or the whole character.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from infra.contracts import contract
from jobs.context import JobContext

_FIELDS = ("name", "traits", "instructions", "creator_id", "state")
_PAYLOAD = "name string, traits array<string>, instructions string, creator_id string, state string"


def versions(updates: DataFrame, kept: DataFrame) -> DataFrame:
    """Rows of `traffic.characters` without `run_id`: a version from each update to the next.

    Args:
        updates: all `character_update` events of some characters; of several at one instant the last by id counts.
        kept: their versions already in the table: those whose events have passed retention stand.
    """
    stated = F.from_json("payload", _PAYLOAD)
    last_at_instant = Window.partitionBy("character_id", "event_ts").orderBy(F.desc("event_id"))
    stated_versions = (
        updates.withColumns({"stated": stated, "rank": F.row_number().over(last_at_instant)})
        .where("rank = 1")
        .select(
            "character_id", F.col("event_ts").alias("valid_from"), *(f"stated.{name}" for name in _FIELDS)
        )
    )
    expired = kept.select(stated_versions.columns).join(
        stated_versions.select("character_id", "valid_from"), ["character_id", "valid_from"], "left_anti"
    )
    in_order = Window.partitionBy("character_id").orderBy("valid_from")
    return (
        stated_versions.unionByName(expired)
        .withColumns({name: F.last(name, ignorenulls=True).over(in_order) for name in _FIELDS})
        .withColumn("valid_to", F.lead("valid_from").over(in_order))
        .withColumn("is_current", F.col("valid_to").isNull())
        .withColumn("ds", F.to_date("valid_from"))
    )


def run(ctx: JobContext) -> None:
    """Recompute every character that was updated in `ctx.days`."""
    is_update = F.col("event_type") == "character_update"
    today = ctx.read("traffic.events", ctx.days).where(is_update)
    touched = today.select("character_id").distinct()
    instants = F.count_distinct("character_id", "event_ts")
    counts = today.groupBy("ds").agg(F.count("*").alias("n"), instants.alias("k")).collect()
    rows_in: dict[date, int] = dict.fromkeys(ctx.days, 0) | {row["ds"]: row["n"] for row in counts}
    rows_out: dict[date, int] = dict.fromkeys(ctx.days, 0) | {row["ds"]: row["k"] for row in counts}
    updates = ctx.read("traffic.events").where(is_update).join(touched, "character_id", "left_semi")
    kept = ctx.read("traffic.characters").join(touched, "character_id", "left_semi")
    frame = versions(updates, kept)
    names = [name for name in contract("traffic.characters").column_names if name != "run_id"]
    ctx.write(
        "traffic.characters",
        frame.select(names),
        rows_in=rows_in,
        rows_out=rows_out,
        rejected={
            day: {"same_instant": n - rows_out[day]} for day, n in rows_in.items() if n > rows_out[day]
        },
    )
