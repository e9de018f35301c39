"""Assembles turns: each served response with the user messages before it, placed in its conversation.

Order inside a conversation is (event_ts, event_id). See docs/decisions for what a turn is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.accumulators import Accumulator
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.contracts import contract
from infra.errors import DetectorUnavailable
from infra.lake import ledger
from infra.settings import Settings
from infra.write.quality import Result
from jobs.context import JobContext
from jobs.traffic import ABOUT_A_TURN, CHAT
from jobs.traffic.history import whole_conversations

_CHAT_PAYLOAD = "text string, is_synthetic_time boolean"
# 52 bits fit exactly into a double, so that the share is the same in every engine.
_SPLIT_DIGITS = 13
_LANGUAGE_BATCH = 2_000
_LANGUAGE_SECONDS = 5.0
"""Time limit of one text's language: a thousand times what the longest takes. Without an answer it is `und`."""


@dataclass(frozen=True)
class TurnRules:
    """Settings for building turns: the silence that ends a session, and the users held out for evaluation."""

    session_gap_minutes: int
    split_salt: str
    evaluation_share: float

    @classmethod
    def of(cls, settings: Settings) -> TurnRules:
        """The rules as the settings state them."""
        return cls(settings.turns.session_gap_minutes, settings.split.salt, settings.split.evaluation_share)


def placed_chat(events: DataFrame, rules: TurnRules) -> DataFrame:
    """Messages and responses with their place: `turn_index`, `session_no`, `session_turn_index`, `is_answered`.

    Args:
        events: all events of whole conversations.
        rules: the session gap.
    """
    chat_payload = F.from_json("payload", _CHAT_PAYLOAD)
    in_order = Window.partitionBy("conversation_id").orderBy("event_ts", "event_id")
    in_session = Window.partitionBy("conversation_id", "session_no").orderBy("event_ts", "event_id")
    is_message = F.col("event_type") == "message"
    silence = F.unix_micros("event_ts") - F.unix_micros(F.lag("event_ts").over(in_order))
    after_message = F.coalesce(F.lag("event_type").over(in_order) == "message", F.lit(False))
    cuts = F.coalesce(silence >= rules.session_gap_minutes * 60_000_000, F.lit(False))
    return (
        events.where(F.col("event_type").isin(*CHAT))
        .withColumn("said", chat_payload)
        .withColumns({"text": F.col("said.text"), "invented": F.coalesce("said.is_synthetic_time", F.lit(False))})
        .withColumns({"cuts": cuts, "opens": is_message & ~after_message})
        .withColumn("session_no", F.sum(F.col("cuts").cast("int")).over(in_order))
        .withColumn("turn_index", F.sum(F.col("opens").cast("int")).over(in_order).cast("int"))
        .withColumn(
            "session_turn_index",
            F.sum((F.col("opens") | (is_message & F.col("cuts"))).cast("int")).over(in_session).cast("int"),
        )
        .withColumn("is_answered", F.max(~is_message).over(Window.partitionBy("conversation_id", "turn_index")))
        .drop("said", "cuts", "opens")
    )  # fmt: skip


def assemble_turns(events: DataFrame, rules: TurnRules) -> DataFrame:
    """One row a response, in the columns of `traffic.turns` without `language` and `run_id`.

    Args:
        events: all events of whole conversations, in the columns of `traffic.events`.
        rules: the session gap and the split.
    """
    of_turn = Window.partitionBy("conversation_id", "turn_index")
    newest_first = of_turn.orderBy(F.desc("event_ts"), F.desc("event_id"))
    is_message = F.col("event_type") == "message"
    messages = F.array_sort(
        F.collect_list(F.when(is_message, F.struct("event_ts", "event_id", "text"))).over(of_turn)
    )

    def own_or_of_message(name: str) -> Column:
        return F.coalesce(F.col(name), F.max(F.when(is_message, F.col(name))).over(of_turn))

    placed = placed_chat(events, rules).withColumns(
        {
            "messages": messages,
            "invented": F.max("invented").over(of_turn),
            **{name: own_or_of_message(name) for name in ("character_id", "surface", "locale")},
        }
    )
    has_message = F.size("messages") > 0
    return placed.where("event_type = 'response'").select(
        "turn_id",
        "conversation_id",
        F.concat("conversation_id", F.lit("#"), F.col("session_no").cast("string")).alias("session_id"),
        "turn_index",
        "session_turn_index",
        (F.row_number().over(newest_first) == 1).alias("is_final"),
        "user_id",
        "character_id",
        "model_version",
        "source",
        "surface",
        F.coalesce("locale", F.lit("und")).alias("locale"),
        F.when(has_message, F.array_join("messages.text", "\n")).alias("user_message"),
        F.col("text").alias("response"),
        F.when(has_message, F.array_max("messages.event_ts")).alias("message_ts"),
        F.col("event_ts").alias("response_ts"),
        F.col("invented").alias("is_synthetic_time"),
        split_of("user_id", rules).alias("split"),
        F.to_date("event_ts").alias("ds"),
    )  # fmt: skip


def split_of(user_id: str, rules: TurnRules) -> Column:
    """`train` or `evaluation` by salted hash of the user. It never changes and is the same in all tables."""
    digest = F.sha2(F.concat(F.lit(f"{rules.split_salt}:"), F.col(user_id)), 256)
    share = F.conv(F.substring(digest, 1, _SPLIT_DIGITS), 16, 10).cast("double") / float(16**_SPLIT_DIGITS)
    return F.when(share < rules.evaluation_share, "evaluation").otherwise("train")


def with_language(turns: DataFrame, failed: Accumulator[int] | None = None) -> DataFrame:
    """Add `language`: that of the user message, or of the response where there is none. Each distinct text once.

    A text that the detector fails on, or takes too long for, is `und` and counted in `failed`; the others go on.
    """
    spoken = turns.withColumn("spoken", F.coalesce("user_message", "response"))
    texts = spoken.select("spoken").distinct()
    tagged = texts.mapInArrow(partial(_identify_batches, failed=failed), "spoken string, language string")
    return spoken.join(tagged, "spoken").drop("spoken")


def run(ctx: JobContext) -> None:
    """Write the turns of `ctx.days`; days whose turns changed because of them are marked stale."""
    rules = TurnRules.of(ctx.settings)
    events = whole_conversations(ctx, (*CHAT, *ABOUT_A_TURN)).persist(StorageLevel.MEMORY_AND_DISK)
    turns = assemble_turns(events, rules).persist(StorageLevel.MEMORY_AND_DISK)
    inside = F.col("ds").isin(list(ctx.days))
    rejected = count_left_out(events.transform(placed_chat, rules), events, ctx.days)
    served = {
        row["ds"]: row["n"]
        for row in turns.where(inside).groupBy("ds").agg(F.count("*").alias("n")).collect()
    }
    rows_in = {day: served.get(day, 0) + sum(rejected.get(day, {}).values()) for day in ctx.days}
    # Mark before the write: if the run dies in between, the marks cost a rerun, and no day is left wrong.
    ctx.mark_stale(ctx.job.name, changed_elsewhere(ctx, turns), "changed_turns")
    failed = ctx.spark.sparkContext.accumulator(0)
    ctx.write("traffic.turns", with_language(turns.where(inside), failed), rows_in=rows_in, rejected=rejected)
    if failed.value:
        # Spark counts a text again where it computes it again: at least one failed, at most so many.
        ctx.record_quality(
            "traffic.turns",
            [Result("language was identified", "warning", False, json.dumps({"texts": failed.value}))],
        )
        ctx.say(f"the language of {failed.value:,} text(s) could not be identified: their turns are und")
    turns.unpersist()
    events.unpersist()


def count_left_out(chat: DataFrame, events: DataFrame, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """Events that are in no turn, by day and reason: `unanswered_message`, `orphan_reaction` and the like.

    Args:
        chat: rows of `placed_chat`.
        events: all events of the same conversations.
        days: UTC dates of the events counted.
    """
    inside = F.col("ds").isin(list(days))
    unanswered = chat.where(inside & ~F.col("is_answered")).select(
        "ds", F.lit("unanswered_message").alias("reason")
    )
    served = events.where("event_type = 'response'").select("conversation_id", "turn_id")
    orphans = (
        events.where(inside & F.col("event_type").isin(*ABOUT_A_TURN))
        .join(served, ["conversation_id", "turn_id"], "left_anti")
        .select("ds", F.concat(F.lit("orphan_"), "event_type").alias("reason"))
    )
    counts: dict[date, dict[str, int]] = defaultdict(dict)
    for row in unanswered.unionByName(orphans).groupBy("ds", "reason").agg(F.count("*").alias("n")).collect():
        counts[row["ds"]][row["reason"]] = row["n"]
    return dict(counts)


def changed_elsewhere(ctx: JobContext, turns: DataFrame) -> list[date]:
    """Days outside this run whose stored turns of these conversations are now outdated. Only days that have run."""
    ran = ledger.days_run(ctx.lake, "traffic.turns", ctx.job.name)
    outside = turns.where(F.col("ds").isin(sorted(ran - set(ctx.days))))
    days = sorted(row["ds"] for row in outside.select("ds").distinct().collect())
    if not days:
        return []
    columns = [name for name in contract("traffic.turns").column_names if name not in ("language", "run_id")]
    stored = (
        ctx.read("traffic.turns", days=days)
        .join(turns.select("conversation_id").distinct(), "conversation_id", "left_semi")
        .select(columns)
    )
    now = outside.select(columns)
    changed = now.exceptAll(stored).unionByName(stored.exceptAll(now))
    return sorted(row["ds"] for row in changed.select("ds").distinct().collect())


def _identify_batches(
    batches: Iterable[pa.RecordBatch], failed: Accumulator[int] | None = None
) -> Iterator[pa.RecordBatch]:  # runs on the workers
    from models.text.language import identify

    identify(["hello"])  # loads the models, which takes longer than any text
    for batch in batches:
        for start in range(0, batch.num_rows, _LANGUAGE_BATCH):
            texts = batch.column(0).slice(start, _LANGUAGE_BATCH)
            tags = list(map(_language_tag, texts.to_pylist()))
            if failed is not None:
                failed.add(tags.count(None))
            tags = [tag or "und" for tag in tags]
            yield pa.RecordBatch.from_arrays(
                [texts, pa.array(tags, pa.string())], names=["spoken", "language"]
            )


def _language_tag(text: str) -> str | None:
    """The language of one text; None where the detector fails on it or takes too long. Raises DetectorUnavailable."""
    from models.screening.deadline import Overrun, within
    from models.text.language import identify

    try:
        (language,) = within(_LANGUAGE_SECONDS, lambda: identify([text]))
    except DetectorUnavailable:
        raise
    except (Exception, Overrun):  # noqa: BLE001 — whatever it is: one text must not stop its day
        return None
    return language.tag
