"""Embeds each distinct prompt text exactly once (Phase II, section 2.2.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.storagelevel import StorageLevel

from infra.contracts import contract
from infra.lake.facts import user_key
from infra.settings import DiversitySettings, EncoderSettings
from jobs.curation.diversity.prompts import hashed, prompts, with_encoder
from jobs.curation.diversity.spaces import pinned
from models.text.encoders import Encoder, encoder_name, load_encoder

if TYPE_CHECKING:
    from jobs.context import JobContext

_TEXTS_A_TASK = 2000
_TEXTS_A_BATCH = 500


def run(ctx: JobContext) -> None:
    """Embed what `curation.embeddings` does not have yet."""
    rules = pinned(ctx.settings.diversity, ctx.lake.artifacts)
    screened = ctx.read("curation.screened")
    prompt_rows = prompts(screened, ctx.read("curation.screened_characters"), rules)
    prompt_rows = prompt_rows.where(F.col("ds").isin(list(ctx.days)))
    texts = distinct_texts(hashed(prompt_rows, user_key(ctx.settings)), rules)
    known = ctx.read("curation.embeddings").where(F.col("recipe") == rules.recipe)
    known = known.select("text_hash", "encoder")
    todo = texts.join(known, ["text_hash", "encoder"], "left_anti").persist(StorageLevel.MEMORY_AND_DISK)
    try:
        counted = todo.groupBy("encoder", "ds").count().collect()
        by_encoder: Counter[str] = Counter()
        by_day: Counter[date] = Counter()
        for row in counted:
            by_encoder[row["encoder"]] += row["count"]
            by_day[row["ds"]] += row["count"]
        frame = ctx.spark.createDataFrame([], embedded_schema())
        for spec in rules.encoders:
            name = encoder_name(spec)
            if wanted := by_encoder[name]:
                ctx.say(f"{wanted:,} new texts for {name}")
                tasks = -(-wanted // _TEXTS_A_TASK)
                frame = frame.unionByName(
                    embed(todo.where(F.col("encoder") == name).repartition(tasks, "text_hash"), spec, rules)
                )
        ctx.write("curation.embeddings", frame.withColumn("recipe", F.lit(rules.recipe)), rows_in=by_day)
    finally:
        todo.unpersist()


def with_days_before(days: tuple[date, ...], before: int) -> list[date]:
    """The days and as many calendar days before each as asked, sorted."""
    return sorted({day - timedelta(days=n) for day in days for n in range(before + 1)})


def distinct_texts(prompt_frame: DataFrame, rules: DiversitySettings) -> DataFrame:
    """One row per text and encoder that knows its language: text_hash, encoder, prompt_text, ds (first need)."""
    return (
        with_encoder(prompt_frame, rules)
        .where("encoder IS NOT NULL")
        .groupBy("text_hash", "encoder")
        .agg(F.min("prompt_text").alias("prompt_text"), F.min("ds").alias("ds"))
    )


def embed(texts: DataFrame, spec: EncoderSettings, rules: DiversitySettings) -> DataFrame:
    """Vectors of the texts that the encoder can read; those with too many unknown tokens get no row."""
    return texts.select("text_hash", "encoder", "ds", "prompt_text").mapInArrow(
        _embedding(spec, rules.unknown_share), embedded_schema()
    )


def embedded_schema() -> StructType:
    """Columns of `curation.embeddings` that a vector brings with it."""
    return contract("curation.embeddings").spark_schema(("text_hash", "encoder", "ds", "embedding"))


def _embedding(
    spec: EncoderSettings, unknown_share: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in (part for whole in batches for part in _parts(whole)):
            encoder = _loaded(spec)
            texts = batch.column("prompt_text").to_pylist()
            readable = encoder.unknown_shares(texts) <= unknown_share
            rows = batch.filter(pa.array(readable))
            vectors = encoder.encode(rows.column("prompt_text").to_pylist())
            offsets = pa.array(range(0, vectors.size + 1, encoder.dimension), pa.int32())
            column = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1), pa.float32()))
            names = ["text_hash", "encoder", "ds"]
            yield pa.RecordBatch.from_arrays(
                [*(rows.column(n) for n in names), column], [*names, "embedding"]
            )

    return apply


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split into parts: large enough to group texts of similar length, small enough to report progress regularly."""
    for start in range(0, batch.num_rows, _TEXTS_A_BATCH):
        yield batch.slice(start, _TEXTS_A_BATCH)


@cache
def _loaded(spec: EncoderSettings) -> Encoder:
    """The encoder of this worker, loaded once."""
    return load_encoder(spec)
