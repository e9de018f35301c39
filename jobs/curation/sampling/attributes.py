"""The seven dimensions of Table 1 (section 2.2.1) as columns of a turn, from redacted data only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from infra.settings import SamplingSettings
from jobs.curation.diversity.spaces import pinned
from jobs.curation.sampling.constraints import NONE
from jobs.curation.sampling.difficulty import text_band
from models.text.encoders import encoder_name, load_encoder
from models.text.jtbd.classifier import Classifier

if TYPE_CHECKING:
    from jobs.context import JobContext

DIMENSIONS = (
    "first_turn",
    "character",
    "locale_language",
    "jtbd",
    "depth_band",
    "quality_band",
    "difficulty_band",
)
FIRST, LATER = "first", "later"
UNJUDGED = "(unjudged)"
"""Level of what only text tells (jtbd, quality, difficulty) for a turn whose text did not pass screening."""


def each_dimension() -> Column:
    """A row for each dimension of a turn that has them all: a struct of `dimension` and `level`."""
    return F.explode(
        F.array(
            *(F.struct(F.lit(name).alias("dimension"), F.col(name).alias("level")) for name in DIMENSIONS)
        )
    )


def with_attributes(
    turns: DataFrame, ranked: DataFrame, embeddings: DataFrame, settings: SamplingSettings, scope: str
) -> DataFrame:
    """`curation.screened` rows with five of the seven dimensions (text tells two), quality, text_hash and encoder.

    ranked: `curation.pruned` of those days (quality, text_hash, recipe, encoder); embeddings: `curation.embeddings`;
    scope: whose first turn is one, `conversation` or `session`. Text-derived dimensions of turns that Phase II did
    not rank are `UNJUDGED`. `quality` is NULL and `embedding` NULL where there is none.
    """
    vectors = embeddings.select("text_hash", "recipe", "encoder", "embedding")
    judged = ranked.select("turn_id", "text_hash", "recipe", "encoder", "quality")
    low, high = settings.quality_bands
    return (
        with_known_levels(turns, scope)
        .join(judged, "turn_id", "left")
        .join(vectors, ["text_hash", "recipe", "encoder"], "left")
        .withColumn("depth_band", depth_band(F.col("turn_index"), settings.depth_bands))
        .withColumn(
            "quality_band",
            F.when(F.col("quality").isNull(), UNJUDGED)
            .when(F.col("quality") < low, "low")
            .when(F.col("quality") < high, "middle")
            .otherwise("high"),
        )
    )


def with_known_levels(turns: DataFrame, scope: str) -> DataFrame:
    """`curation.screened` rows with the dimensions that neither settings nor text bear on, and is_first_turn."""
    index = "turn_index" if scope == "conversation" else "session_turn_index"
    return (
        turns.withColumn("is_first_turn", F.col(index) == 1)
        .withColumn("first_turn", F.when(F.col("is_first_turn"), FIRST).otherwise(LATER))
        .withColumn("character", F.coalesce("character_id", F.lit(NONE)))
        .withColumn("locale_language", F.concat_ws("/", "locale", "language"))
    )


def depth_labels(last: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the depth bands that end at the given turns and of the open one: (1, 5, 20) -> 1, 2-5, 6-20, 21+."""
    names, start = [], 1
    for end in last:
        names.append(str(end) if start == end else f"{start}-{end}")
        start = end + 1
    return (*names, f"{start}+")


def depth_band(turn_index: Column, last: tuple[int, ...]) -> Column:
    """Depth band of a turn by its place in the conversation."""
    names = depth_labels(last)
    band = F.lit(names[-1])
    for end, name in reversed(list(zip(last, names, strict=False))):
        band = F.when(turn_index <= end, name).otherwise(band)
    return band


def with_text_labels(
    attributes: DataFrame, classifier: Classifier, difficulty_bands: tuple[float, float]
) -> DataFrame:
    """Adds `jtbd` and `difficulty_band` and drops `embedding`; a turn that Phase II did not rank is `UNJUDGED`."""
    kept_fields = [field for field in attributes.schema.fields if field.name != "embedding"]
    schema = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in kept_fields)
    return attributes.mapInArrow(
        _labelling(classifier, difficulty_bands, [field.name for field in kept_fields]),
        f"{schema}, jtbd string, difficulty_band string",
    )


def _labelling(
    classifier: Classifier, difficulty_bands: tuple[float, float], kept_names: list[str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def label(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns: Mapping[str, pa.Array] = {name: batch.column(name) for name in batch.schema.names}
            difficulty = [
                UNJUDGED if message is None else text_band(message, difficulty_bands)
                for message in _judged(columns)
            ]
            labels = [pa.array(jobs_to_be_done(classifier, columns)), pa.array(difficulty, pa.string())]
            arrays = [*(columns[name] for name in kept_names), *labels]
            yield pa.RecordBatch.from_arrays(arrays, names=[*kept_names, "jtbd", "difficulty_band"])

    return label


def jobs_to_be_done(classifier: Classifier, columns: Mapping[str, pa.Array]) -> pa.Array:
    """(n,) intents of n turns, `UNJUDGED` for one that Phase II did not rank.

    columns: text_hash (NULL: not ranked), redacted_user_message, encoder and embedding of each.
    """
    labels = classifier.labels(
        _judged(columns), columns["encoder"].to_pylist(), _vectors(columns["embedding"])
    )
    ranked = columns["text_hash"].is_valid().to_pylist()
    return pa.array(
        [name if known else UNJUDGED for name, known in zip(labels, ranked, strict=True)], pa.string()
    )


def jtbd_classifier(ctx: JobContext) -> Classifier:
    """The taxonomy in the spaces that the run's days of `curation.pruned` were compared in."""
    encoders = pinned(ctx.settings.diversity, ctx.lake.artifacts).encoders
    used = {row["encoder"] for row in ctx.read("curation.pruned").select("encoder").distinct().collect()}
    return Classifier.of(
        {encoder_name(spec): load_encoder(spec) for spec in encoders if encoder_name(spec) in used}
    )


def _judged(columns: Mapping[str, pa.Array]) -> list[str | None]:
    """Messages of the turns that Phase II ranked, None for the others."""
    ranked = columns["text_hash"].is_valid().to_pylist()
    messages = columns["redacted_user_message"].to_pylist()
    return [message if known else None for message, known in zip(messages, ranked, strict=True)]


def _vectors(column: pa.Array) -> list[npt.NDArray[np.float32] | None]:
    return [scalar.values.to_numpy(zero_copy_only=False) if scalar.is_valid else None for scalar in column]
