"""The distributed part of Phase II: which texts are close, and what is nearest, searched by Spark within a memory.

A text looks for its like in the clusters it probes; the others stand in their home cluster only. Clusters are cut into
blocks that fit the declared memory, so one that holds half of the data is many tasks and not one large one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.curation import lexical
from jobs.curation.cover import Side, close_pairs, nearest, tile_rows
from jobs.curation.spaces import Centroids

LEXICAL_SPACE = "lexical"
"""Space of texts that no encoder reads: hashed profiles, which never make a near-duplicate."""

PLACED = (
    "text long, day int, hash_rank long, decided boolean, space string, split string, "
    "clusters array<int>, vector binary"
)
PAIRS = "first long, second long, similarity double"
ANSWERS = "text long, answer long, similarity double"
_CELL = ("split", "space", "cluster", "query_block", "target_block")
_LEXICAL_UNITS_ROWS = 200_000


@dataclass(frozen=True)
class Search:
    """How to search: thresholds (cosine, edit ratio), horizon in days, memory of one worker in bytes, probes."""

    similarity: float
    lexical_similarity: float
    horizon_days: int
    memory_bytes: int
    probes: int

    @property
    def block_rows(self) -> int:
        """Rows a side of one task: two blocks of 1,024 dimensions, each held three times, fill half the memory."""
        return min(8192, max(256, self.memory_bytes // 2 // (2 * 3 * 4 * 1024)))

    @property
    def tile_bytes(self) -> int:
        """What one comparison may take: the other half."""
        return self.memory_bytes // 2


def place(texts: DataFrame, spaces: dict[str, Centroids], search: Search) -> DataFrame:
    """PLACED: every text with its vector as bytes and the clusters it probes, nearest first.

    Args:
        texts: text, day, hash_rank, decided, space, split, prompt_text, embedding (NULL in the lexical space).
    """

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for space in sorted(set(batch.column("space").to_pylist())):
                rows = batch.filter(pa.array(np.array(batch.column("space").to_pylist()) == space))
                if space == LEXICAL_SPACE:
                    vectors = lexical.profiles(
                        [lexical.normalise(t) for t in rows.column("prompt_text").to_pylist()]
                    )
                    probes = np.zeros((len(vectors), 1), dtype=np.int32)
                else:
                    flat = rows.column("embedding").flatten().to_numpy(zero_copy_only=False)
                    vectors = np.asarray(flat, dtype=np.float32).reshape(rows.num_rows, -1)
                    probes = spaces[space].probes(vectors, search.probes)
                names = ["text", "day", "hash_rank", "decided", "space", "split"]
                made = [
                    pa.array(probes.tolist(), pa.list_(pa.int32())),
                    pa.array([row.tobytes() for row in vectors], pa.binary()),
                ]
                yield pa.RecordBatch.from_arrays(
                    [*(rows.column(n) for n in names), *made], names=[*names, "clusters", "vector"]
                )

    return texts.mapInArrow(apply, PLACED)


def semantic_pairs(placed: DataFrame, search: Search) -> DataFrame:
    """PAIRS of texts of one space and split that are close and at most the horizon apart; a pair may stand twice."""

    def compare(left: pa.Table, right: pa.Table) -> pa.Table:
        right = right.sort_by("text")  # the order of `_side`, so that flags and rows stay together
        queries, targets = _side(left), _side(right)
        decided = right.column("decided").to_numpy(zero_copy_only=False)
        tile = tile_rows(search.tile_bytes, queries.vectors.shape[1])
        found: list[tuple[npt.NDArray[Any], ...]] = []
        for rows, columns, values in close_pairs(queries.vectors, targets.vectors, search.similarity, tile):
            age = queries.day[rows] - targets.day[columns]
            usable = np.abs(age) <= search.horizon_days
            # What earlier runs kept counts only for later days; of two new texts one direction will do.
            usable &= np.where(decided[columns], age > 0, queries.text[rows] != targets.text[columns])
            found.append((queries.text[rows[usable]], targets.text[columns[usable]], values[usable]))
        return _table(found, ("first", "second", "similarity"))

    inside = placed.where(F.col("space") != LEXICAL_SPACE)
    queries = inside.where(~F.col("decided"))
    return _compared(queries, inside, search, compare, PAIRS)


def nearest_kept(
    placed: DataFrame, wanted: DataFrame, kept: DataFrame, search: Search, everywhere: bool
) -> DataFrame:
    """ANSWERS: for each wanted text the nearest kept one of its space within reach, if its clusters hold any.

    Args:
        wanted, kept: one column `text`.
        everywhere: look in all clusters instead of the probed ones.
    """

    def compare(left: pa.Table, right: pa.Table) -> pa.Table:
        queries, targets = _side(left), _side(right)
        # Answering keeps two more masks and an age per pair than finding does.
        tile = tile_rows(search.tile_bytes // 2, queries.vectors.shape[1])
        answer, value = nearest(queries, targets, search.horizon_days, tile)
        has = answer >= 0
        return _table([(queries.text[has], answer[has], value[has])], ("text", "answer", "similarity"))

    one = F.array(F.lit(0))
    queries, targets = placed.join(wanted, "text", "left_semi"), placed.join(kept, "text", "left_semi")
    if everywhere:
        queries, targets = queries.withColumn("clusters", one), targets.withColumn("clusters", one)
    return _compared(queries, targets, search, compare, ANSWERS)


def _compared(
    queries: DataFrame,
    targets: DataFrame,
    search: Search,
    compare: Callable[[pa.Table, pa.Table], pa.Table],
    schema: str,
) -> DataFrame:
    """Run `compare` on every cell: a block of those that probe a cluster against a block of those at home in it."""
    cluster = ["split", "space", "cluster"]
    queries = queries.withColumn("cluster", F.explode("clusters")).drop("clusters")
    targets = targets.withColumn("cluster", F.col("clusters")[0]).drop("clusters")
    # Both sides may come from one frame: new column identities keep Spark from mixing them up.
    targets = targets.toDF(*targets.columns)
    block = search.block_rows
    sizes = (
        queries.groupBy(*cluster).agg(F.ceil(F.count("*") / block).cast("int").alias("_query_blocks"))
        .join(targets.groupBy(*cluster).agg(F.ceil(F.count("*") / block).cast("int").alias("_target_blocks")), cluster)
    )  # fmt: skip
    sizes = F.broadcast(sizes)

    def cells(frame: DataFrame, own: str, other: str) -> DataFrame:
        frame = frame.join(sizes, cluster)
        frame = frame.withColumn(f"{own}_block", F.pmod("text", F.col(f"_{own}_blocks")).cast("int"))
        every = F.sequence(F.lit(0), F.col(f"_{other}_blocks") - 1)
        return frame.withColumn(f"{other}_block", F.explode(every)).drop("_query_blocks", "_target_blocks")

    left = cells(queries, "query", "target").groupBy(*_CELL)
    return left.cogroup(cells(targets, "target", "query").groupBy(*_CELL)).applyInArrow(
        _guarded(compare, schema), schema
    )


def _guarded(
    compare: Callable[[pa.Table, pa.Table], pa.Table], schema: str
) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """`compare`, answering nothing where one side of a cell is empty."""
    names = tuple(part.split()[0] for part in schema.split(", "))

    def apply(left: pa.Table, right: pa.Table) -> pa.Table:
        return compare(left, right) if left.num_rows and right.num_rows else _table([], names)

    return apply


def _side(table: pa.Table) -> Side:
    """Rows in the order of their text numbers, so that tiles do not depend on how rows arrived."""
    table = table.sort_by("text")
    vectors = table.column("vector").combine_chunks()
    joined = b"".join(vectors.to_pylist())
    return Side(
        np.frombuffer(joined, dtype=np.float32).reshape(table.num_rows, -1),
        table.column("text").to_numpy(),
        table.column("day").to_numpy().astype(np.int64),
        table.column("hash_rank").to_numpy(),
    )


def _table(found: list[tuple[npt.NDArray[Any], ...]], names: tuple[str, ...]) -> pa.Table:
    types = (np.int64, np.int64, np.float64)
    columns = [
        np.concatenate([part[i] for part in found]).astype(kind) if found else np.empty(0, dtype=kind)
        for i, kind in enumerate(types)
    ]
    return pa.table(dict(zip(names, columns, strict=True)))


def lexical_pairs(texts: DataFrame, rows: int, search: Search) -> DataFrame:
    """PAIRS of texts of one split, any language, whose normal forms differ but reach the edit ratio.

    Args:
        texts: text, day, decided, split, twin, prompt_text.
        rows: how many, to choose the number of tasks.
    """
    units = max(2, -(-rows * lexical.BANDS // _LEXICAL_UNITS_ROWS))
    keyed = texts.select("text", "day", "decided", "split", "twin", "prompt_text").mapInArrow(
        _sign,
        "text long, day int, decided boolean, split string, twin long, key long, whole long, message long",
    )
    met = (
        keyed.withColumn("unit", F.pmod("key", F.lit(units)))
        .groupBy("split", "unit")
        .applyInArrow(_meet(search.horizon_days), "first long, second long")
        .distinct()
    )
    one = texts.select(F.col("text").alias("first"), F.col("prompt_text").alias("first_text"))
    two = texts.select(F.col("text").alias("second"), F.col("prompt_text").alias("second_text"))
    return met.join(one, "first").join(two, "second").mapInArrow(_verify(search.lexical_similarity), PAIRS)


def _sign(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if not batch.num_rows:
            continue
        made = lexical.signatures(_normals(batch.column("prompt_text")))
        owner = np.repeat(np.arange(batch.num_rows), lexical.BANDS)
        names = ["text", "day", "decided", "split", "twin"]
        keys = [made.bands.ravel(), made.whole_sketch[owner], made.message_sketch[owner]]
        yield pa.RecordBatch.from_arrays(
            [*(batch.column(n).take(pa.array(owner)) for n in names), *(pa.array(k) for k in keys)],
            names=[*names, "key", "whole", "message"],
        )


def _normals(prompt_texts: pa.Array) -> list[lexical.Normal]:
    return [lexical.normalise(text) for text in prompt_texts.to_pylist()]


def _meet(horizon_days: int) -> Callable[[pa.Table], pa.Table]:
    def apply(table: pa.Table) -> pa.Table:
        columns = {n: table.column(n).to_numpy() for n in ("text", "day", "twin", "key", "whole", "message")}
        decided = table.column("decided").to_numpy(zero_copy_only=False)
        met = [np.empty((2, 0), dtype=np.int64)]
        for a, b in lexical.meeting_pairs(columns["key"], columns["whole"], columns["message"]):
            usable = (columns["twin"][a] != columns["twin"][b]) & ~(decided[a] & decided[b])
            usable &= np.abs(columns["day"][a].astype(np.int64) - columns["day"][b]) <= horizon_days
            met.append(np.unique(np.sort(columns["text"][np.stack([a[usable], b[usable]])], axis=0), axis=1))
        pairs = np.concatenate(met, axis=1)
        return pa.table({"first": pairs[0], "second": pairs[1]})

    return apply


def _verify(threshold: float) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ones, twos = (_normals(batch.column(n)) for n in ("first_text", "second_text"))
            ratio = pa.array(lexical.similarities(ones, twos, threshold))
            rows = pa.RecordBatch.from_arrays(
                [batch.column("first"), batch.column("second"), ratio],
                names=["first", "second", "similarity"],
            )
            yield rows.filter(pc.greater(ratio, 0.0))

    return apply
