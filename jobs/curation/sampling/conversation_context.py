"""What a sampled turn was said in: its character and the messages before it, from what passed screening only.

Context is the unbroken run of passing final turns right before the turn, at most `context_turns` of them: an earlier
turn that did not pass makes it shorter. A turn is `context_unsafe` when that run is empty although there was something
right before it that did not pass, or when its character exists and did not pass: the response answers to words that
may not be shown, and without them it teaches the wrong lesson.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

PREVIOUS_TURN = "previous_turn"
CHARACTER = "character"
_SHOWN = ("name", "traits", "instructions")


def unsafe_contexts(turns: DataFrame, screened: DataFrame, characters: DataFrame) -> DataFrame:
    """(turn_id, unsafe): those of `turns` whose context may not be shown, and what was to blame.

    screened: `curation.screened` of the turns' days and of the context days before them; characters:
    `curation.screened_characters`. A superseded response is no context: its regeneration is.
    """
    order = Window.partitionBy("conversation_id").orderBy("turn_index", "response_ts", "turn_id")
    before = _finals(screened).select("turn_id", F.lag("verdict").over(order).alias("_previous"))
    versions = _with_version(turns, characters)
    why = F.when(F.col("_previous") != "pass", PREVIOUS_TURN).when(
        F.col("_verdict").isNotNull() & (F.col("_verdict") != "pass"), CHARACTER
    )
    return (
        versions.select("turn_id", "_verdict")
        .join(before, "turn_id", "left")
        .select("turn_id", why.alias("unsafe"))
        .where("unsafe IS NOT NULL")
    )


def contexts(
    selected: DataFrame, screened: DataFrame, characters: DataFrame, context_turns: int
) -> DataFrame:
    """(turn_id, context): JSON {"character": {name, traits, instructions} | absent, "messages": [{role, content}]}.

    The messages end with the user message that the turn's response answers.
    """
    inside = _finals(screened).join(
        selected.select("conversation_id").distinct(), "conversation_id", "left_semi"
    )
    order = Window.partitionBy("conversation_id").orderBy("turn_index", "response_ts", "turn_id")
    placed = inside.withColumn("_place", F.row_number().over(order)).withColumn(
        "_breaks", F.sum(F.when(F.col("verdict") != "pass", 1).otherwise(0)).over(order)
    )
    own = placed.join(selected.select("turn_id"), "turn_id", "left_semi").select(
        F.col("turn_id").alias("_turn"),
        F.col("conversation_id"),
        F.col("_place").alias("_at"),
        F.col("_breaks").alias("_own_breaks"),
    )
    shown = placed.where("verdict = 'pass'").select(
        "conversation_id", "_place", "_breaks", "redacted_user_message", "redacted_response"
    )
    near = own.join(shown, "conversation_id").where(
        (F.col("_breaks") == F.col("_own_breaks"))
        & (F.col("_place") <= F.col("_at"))
        & (F.col("_place") >= F.col("_at") - context_turns)
    )
    said = F.array_compact(
        F.array(
            F.when(
                F.col("redacted_user_message").isNotNull(), _message("user", F.col("redacted_user_message"))
            ),
            # The turn's own response is what is to be learnt, not context.
            F.when(F.col("_place") < F.col("_at"), _message("assistant", F.col("redacted_response"))),
        )
    )
    messages = near.groupBy("_turn").agg(
        F.flatten(
            F.transform(
                F.array_sort(F.collect_list(F.struct("_place", said.alias("said")))), lambda row: row["said"]
            )
        ).alias("messages")
    )
    who = _with_version(selected, characters).select(
        F.col("turn_id"), F.when(F.col("_verdict") == "pass", F.struct(*_SHOWN)).alias("character")
    )
    return (
        who.join(messages, F.col("turn_id") == F.col("_turn"))
        .select("turn_id", F.to_json(F.struct("character", "messages")).alias("context"))
    )  # fmt: skip


def _finals(screened: DataFrame) -> DataFrame:
    return screened.where("is_final")


def _message(role: str, content: Column) -> Column:
    return F.struct(F.lit(role).alias("role"), content.alias("content"))


def _with_version(turns: DataFrame, characters: DataFrame) -> DataFrame:
    """Turns with the verdict and redacted text of the character version in force when they were served."""
    versions = characters.select(
        F.col("character_id").alias("_id"),
        F.col("valid_from").alias("_from"),
        F.col("valid_to").alias("_to"),
        F.col("verdict").alias("_verdict"),
        *(F.col(f"redacted_{name}").alias(name) for name in _SHOWN),
    )
    then = (
        (F.col("character_id") == F.col("_id"))
        & (F.col("_from") <= F.col("response_ts"))
        & (F.col("_to").isNull() | (F.col("response_ts") < F.col("_to")))
    )
    return turns.select("turn_id", "character_id", "response_ts").join(versions, then, "left")
