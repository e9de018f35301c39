"""Builds what Phase II compares: the prompt text of a turn, its keyed hash, its quality (architecture, "Diversity").

prompt_text has three lines: character name, last assistant message (its end), user message; all redacted, people
without their number. The last assistant message is the final response of the turn just before, when that turn passed
and is at most `diversity.context_days` older; otherwise the line is empty, for an older one would not be what the user
answered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from infra.settings import DiversitySettings
from jobs.curation.diversity.quality import prompt_qualities
from models.text.encoders import encoder_for, encoder_name
from models.text.lexical import normalise

PROMPT_COLUMNS = "turn_id string, ds date, split string, language string, prompt_text string"


def ranked(screened: DataFrame, sources: Sequence[str]) -> DataFrame:
    """The turns that Phase II ranks: passed, final, not a greeting, of traffic that counts."""
    return screened.where(
        (F.col("verdict") == "pass") & F.col("is_final") & (F.col("turn_index") >= 1)
        & F.col("source").isin(list(sources)) & F.col("redacted_user_message").isNotNull()
    )  # fmt: skip


def prompts(screened: DataFrame, characters: DataFrame, rules: DiversitySettings) -> DataFrame:
    """Prompt text of every ranked turn among `screened`, which must hold the context days before them too.

    Returns:
        PROMPT_COLUMNS, and redacted_user_message and redacted_response.
    """
    order = Window.partitionBy("conversation_id").orderBy("turn_index", "response_ts", "turn_id")
    # A turn that did not pass has no redacted response: it ends the context instead of being skipped.
    finals = (
        screened.where("is_final")
        .withColumn("_last", F.lag("redacted_response").over(order))
        .withColumn("_last_ds", F.lag("ds").over(order))
    )
    recent = F.datediff("ds", "_last_ds") <= rules.context_days
    named = characters.where("verdict = 'pass'").select(
        F.col("character_id").alias("_id"), F.col("valid_from").alias("_from"), F.col("valid_to").alias("_to"),
        F.col("redacted_name").alias("_name"),
    )  # fmt: skip
    then = (
        (F.col("character_id") == F.col("_id")) & (F.col("_from") <= F.col("response_ts"))
        & (F.col("_to").isNull() | (F.col("response_ts") < F.col("_to")))
    )  # fmt: skip
    last = F.when(recent, _one_line(F.col("_last")))
    tail = F.substring(last, -rules.context_characters, rules.context_characters)
    tail = F.when(F.length(last) > rules.context_characters, tail).otherwise(last)
    text = F.concat_ws(
        "\n",
        F.coalesce(_one_line(F.col("_name")), F.lit("")),
        F.coalesce(tail, F.lit("")),
        F.col("redacted_user_message"),
    )
    # The number of a person tells who is who in one conversation; texts of several are compared here.
    text = F.regexp_replace(text, "<PERSON_[0-9]+>", "<PERSON>")
    return (
        ranked(finals, rules.sources)
        .join(named, then, "left")
        .select(
            "turn_id", "ds", "split", "language", text.alias("prompt_text"),
            "redacted_user_message", "redacted_response",
        )
    )  # fmt: skip


def _one_line(column: Column) -> Column:
    return F.trim(F.regexp_replace(column, r"\s+", " "))


def hashed(frame: DataFrame, key: bytes) -> DataFrame:
    """PROMPT_COLUMNS and `text_hash`, the keyed hash of the prompt text."""
    columns = PROMPT_COLUMNS.split(", ")
    return frame.select(*(c.split()[0] for c in columns)).mapInArrow(
        _adding(_hashes(key)), f"{PROMPT_COLUMNS}, text_hash string"
    )


def described(frame: DataFrame, key: bytes) -> DataFrame:
    """PROMPT_COLUMNS, text_hash, `twin` (hash of the normalised text) and `quality` in 0..1."""

    def describe(batch: pa.RecordBatch) -> list[pa.Array]:
        texts = batch.column("prompt_text").to_pylist()
        messages = batch.column("redacted_user_message").to_pylist()
        # The second line of a prompt text is the end of the message before (see `prompts`).
        before = [text.split("\n", 2)[1] for text in texts]
        quality = prompt_qualities(messages, batch.column("redacted_response").to_pylist(), before)
        twins = [normalise(text).key for text in texts]
        return [*_hashes(key)(batch), pa.array(twins, pa.int64()), pa.array(quality, pa.float64())]

    return frame.mapInArrow(
        _adding(describe, drop=("redacted_user_message", "redacted_response")),
        f"{PROMPT_COLUMNS}, text_hash string, twin long, quality double",
    )


def _hashes(key: bytes) -> Callable[[pa.RecordBatch], list[pa.Array]]:
    def hashes(batch: pa.RecordBatch) -> list[pa.Array]:
        texts = batch.column("prompt_text").to_pylist()
        return [pa.array([text_hash(key, text) for text in texts], pa.string())]

    return hashes


def text_hash(key: bytes, prompt_text: str) -> str:
    """Keyed hash of a prompt text, as in `curation.embeddings`."""
    return hmac.new(key, b"prompt_text\0" + prompt_text.encode(), hashlib.sha256).hexdigest()


def _adding(
    new_columns: Callable[[pa.RecordBatch], list[pa.Array]], drop: Sequence[str] = ()
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kept_names = [name for name in batch.schema.names if name not in drop]
            new = new_columns(batch)
            names = [*kept_names, *("text_hash", "twin", "quality")[: len(new)]]
            yield pa.RecordBatch.from_arrays([*(batch.column(n) for n in kept_names), *new], names=names)

    return add


def with_encoder(frame: DataFrame, rules: DiversitySettings) -> DataFrame:
    """The frame with `encoder`, the first that knows the language (NULL when none does), and its `encoder_rank`."""
    languages = [row["language"] for row in frame.select("language").distinct().collect()]
    name, rank = F.lit(None).cast("string"), F.lit(None).cast("int")
    for language in sorted(languages):
        spec = encoder_for(language, rules.encoders)
        if spec is not None:
            here = F.col("language") == language
            name = F.when(here, F.lit(encoder_name(spec))).otherwise(name)
            rank = F.when(here, F.lit(rules.encoders.index(spec))).otherwise(rank)
    return frame.withColumn("encoder", name).withColumn("encoder_rank", rank)
