"""Finds training turns that duplicate an evaluation turn of the same window, which would leak evaluation data.

The same redacted prompt (`text_hash`), a cosine of at least t within one embedding space, or, where no encoder knows
the language, the same normalised user message. Blocked matrix products compare, with the evaluation side broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.curation.diversity.cover import close_pairs
from models.text.lexical import normalise

_TILE = 2_048
Vectors = npt.NDArray[np.float32]


def split_leaks(turns: DataFrame, embeddings: DataFrame, similarity: float) -> DataFrame:
    """(turn_id, leak_of): each training turn that duplicates an evaluation turn, with the least such turn's id.

    turns: turn_id, split, text_hash, recipe, encoder, redacted_user_message; embeddings: `curation.embeddings`.
    """
    texts = turns.groupBy("text_hash", "recipe", "encoder", "split").agg(
        F.min("turn_id").alias("turn_id"), F.min("redacted_user_message").alias("message")
    )
    training, evaluation = texts.where("split = 'train'"), texts.where("split = 'evaluation'")
    same = training.join(
        evaluation.select("text_hash", "recipe", F.col("turn_id").alias("leak_of")), ["text_hash", "recipe"]
    ).select("text_hash", "leak_of")
    leaks = same.unionByName(_near(training, evaluation, embeddings, similarity)).unionByName(
        _same_words(training, evaluation)
    )
    worst = leaks.groupBy("text_hash").agg(F.min("leak_of").alias("leak_of"))
    return turns.where("split = 'train'").join(worst, "text_hash").select("turn_id", "leak_of")


def _near(training: DataFrame, evaluation: DataFrame, embeddings: DataFrame, similarity: float) -> DataFrame:
    keys = ["text_hash", "recipe", "encoder"]
    vectors = embeddings.select(*keys, "embedding")
    exam: Mapping[str, tuple[list[str], Vectors]] = {}
    table = (
        evaluation.join(vectors, keys).select("encoder", "turn_id", "embedding").orderBy("turn_id").toArrow()
    )
    for space in sorted(set(table.column("encoder").to_pylist())):
        rows = table.filter(pa.compute.equal(table.column("encoder"), space))
        matrix = _matrix(rows.column("embedding").combine_chunks())
        exam = {**exam, space: (rows.column("turn_id").to_pylist(), matrix)}
    return (
        training.join(vectors, keys)
        .select("text_hash", "encoder", "embedding")
        .mapInArrow(_matching(exam, similarity), "text_hash string, leak_of string")
    )


def _matching(
    exam: Mapping[str, tuple[list[str], Vectors]], similarity: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def match(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            hashes: list[str] = []
            leaks: list[str] = []
            for space, (ids, other) in exam.items():
                rows = table.filter(pa.compute.equal(table.column("encoder"), space))
                if not rows.num_rows:
                    continue
                training = _matrix(rows.column("embedding").combine_chunks())
                names = rows.column("text_hash").to_pylist()
                least: dict[int, str] = {}
                for left, right, _ in close_pairs(training, other, similarity, _TILE):
                    for training_row, other_row in zip(left.tolist(), right.tolist(), strict=True):
                        least[training_row] = min(ids[other_row], least.get(training_row, ids[other_row]))
                hashes += [names[row] for row in sorted(least)]
                leaks += [least[row] for row in sorted(least)]
            yield pa.RecordBatch.from_arrays(
                [pa.array(hashes, pa.string()), pa.array(leaks, pa.string())], names=["text_hash", "leak_of"]
            )

    return match


def _matrix(column: pa.Array) -> Vectors:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    rows = len(column)
    values = column.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values.reshape(rows, -1), dtype=np.float32)


def _same_words(training: DataFrame, evaluation: DataFrame) -> DataFrame:
    """Texts without an encoder whose normalised messages are equal."""

    def key(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = [normalise(text or "").key for text in batch.column("message").to_pylist()]
            arrays = [*(batch.column(name) for name in ("text_hash", "turn_id")), pa.array(keys, pa.int64())]
            yield pa.RecordBatch.from_arrays(arrays, names=["text_hash", "turn_id", "words"])

    def keyed(frame: DataFrame) -> DataFrame:
        lexical = frame.where("encoder IS NULL").select("text_hash", "turn_id", "message")
        return lexical.mapInArrow(key, "text_hash string, turn_id string, words bigint")

    other = keyed(evaluation).select("words", F.col("turn_id").alias("leak_of"))
    return keyed(training).join(other, "words").select("text_hash", "leak_of")
