"""Builds the context of turns with Spark: the queries of `models.chat.context` over DataFrames."""

from __future__ import annotations

from pyspark.sql import DataFrame

from models.chat.context import context_query


def unsafe_contexts(turns: DataFrame, screened: DataFrame, characters: DataFrame) -> DataFrame:
    """(turn_id, unsafe): those of `turns` whose context may not be shown, and what is to blame.

    Args:
        screened: `curation.screened` of the turns' days and of the context days before them.
        characters: `curation.screened_characters`.
    """
    return _assembled(turns, screened, characters, 1).select("turn_id", "unsafe").where("unsafe IS NOT NULL")


def contexts(turns: DataFrame, screened: DataFrame, characters: DataFrame, context_turns: int) -> DataFrame:
    """(turn_id, context): JSON of character and messages, see `context_query`.

    Args:
        context_turns: most turns of context.
    """
    return _assembled(turns, screened, characters, context_turns).select("turn_id", "context")


def _assembled(turns: DataFrame, screened: DataFrame, characters: DataFrame, context_turns: int) -> DataFrame:
    return turns.sparkSession.sql(
        _with_frames(context_query(context_turns, "spark")),
        turns=turns.select("turn_id", "conversation_id", "character_id", "response_ts"),
        screened=screened,
        characters=characters,
    )


def _with_frames(query: str) -> str:
    """The query with `FROM turns` as `FROM {turns}`, which is how Spark takes a DataFrame."""
    for name in ("turns", "screened", "characters"):
        query = query.replace(f"FROM {name}", f"FROM {{{name}}}").replace(f"JOIN {name}", f"JOIN {{{name}}}")
    return query
