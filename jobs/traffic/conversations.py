"""Maintains one row for each conversation: user, character, start, end, and counts of turns and messages."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.traffic import CHAT
from jobs.traffic.history import whole_conversations


def summarise(events: DataFrame) -> DataFrame:
    """One row a conversation in the columns of `traffic.conversations` without `run_id`.

    Args:
        events: messages and responses of whole conversations. User and source are those of the first of them, the
            character is the first one named.
    """
    moment = F.struct("event_ts", "event_id")
    is_message = F.col("event_type") == "message"
    # A message is unanswered when its own turn has no response: none before the next opening message.
    after = Window.partitionBy("conversation_id").orderBy("event_ts", "event_id")
    opens = is_message & ~F.coalesce(F.lag("event_type").over(after) == "message", F.lit(False))
    of_turn = Window.partitionBy("conversation_id", "turn_no")
    return (
        events.withColumn("turn_no", F.sum(opens.cast("int")).over(after))
        .withColumn("is_answered", F.max(~is_message).over(of_turn))
        .groupBy("conversation_id")
        .agg(
            F.min_by("user_id", moment).alias("user_id"),
            F.min_by("character_id", F.when(F.col("character_id").isNotNull(), moment)).alias("character_id"),
            F.min_by("source", moment).alias("source"),
            F.min("event_ts").alias("started_ts"),
            F.max("event_ts").alias("last_ts"),
            F.count_if(~is_message).alias("turns"),
            F.count_if(is_message).alias("user_messages"),
            F.count_if(is_message & ~F.col("is_answered")).alias("unanswered_messages"),
        )
        .withColumn("ds", F.to_date("started_ts"))
    )


def run(ctx: JobContext) -> None:
    """Upsert every conversation that was active in `ctx.days`."""
    active: dict[date, int] = dict.fromkeys(ctx.days, 0) | {
        row["ds"]: row["n"]
        for row in ctx.read("traffic.events", ctx.days)
        .where(F.col("event_type").isin(*CHAT))
        .groupBy("ds")
        .agg(F.count_distinct("conversation_id").alias("n"))
        .collect()
    }
    frame = summarise(whole_conversations(ctx, CHAT))
    ctx.write("traffic.conversations", frame, rows_in=active, rows_out=active)
