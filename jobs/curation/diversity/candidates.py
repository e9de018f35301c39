"""The distributed part of Phase II: finds close pairs and nearest kept texts with Spark, within a memory limit.

A text is compared with the clusters it probes; texts kept by earlier runs are in their home cluster only. From a
similarity of `PROVABLE` on, all texts visit as many clusters as the triangle inequality asks for and no pair is missed.
Clusters are cut into blocks that fit the declared memory, so one that holds half of the data is many tasks and not one
large one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.curation.diversity.cover import Side, close_pairs, close_pairs_among, nearest, tile_rows
from jobs.curation.diversity.spaces import Centroids
from models.text import lexical

LEXICAL_SPACE = "lexical"
"""Space of texts that no encoder reads: hashed profiles, which never make a near-duplicate."""

PROVABLE = 0.99
"""Similarity from which clusters are chosen by the triangle inequality: below, that would be nearly all of them."""

PLACED = (
    "text long, day int, hash_rank long, decided boolean, space string, split string, "
    "clusters array<int>, vector binary"
)
PAIRS = "first long, second long, similarity double"
ANSWERS = "text long, answer long, similarity double"
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
_CELL = ("split", "space", "cluster", "query_block", "target_block")
_LEXICAL_UNITS_ROWS = 200_000
_ENTRY = np.dtype([
    ("text", np.int64), ("day", np.int32), ("twin", np.int64), ("decided", np.bool_),
    ("key", np.int64), ("whole", np.int64), ("message", np.int64),
])  # fmt: skip


@dataclass(frozen=True)
class Search:
    """How to search: thresholds (cosine, edit ratio), horizon in days, memory of one worker in bytes, probes."""

    similarity: float
    lexical_similarity: float
    horizon_days: int
    memory_bytes: int
    probes: int

    @property
    def provable(self) -> bool:
        """Whether no pair may be missed."""
        return self.similarity >= PROVABLE

    @property
    def block_rows(self) -> int:
        """Rows a side of one task: if all its pairs are close, they and their copy fill 3/8 of the memory."""
        return max(64, isqrt(self.memory_bytes // 128))

    @property
    def tile_bytes(self) -> int:
        """Bytes for one comparison: half of the memory. The last eighth is for the vectors of both sides."""
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
                    clusters = [[0]] * len(vectors)
                else:
                    flat = rows.column("embedding").flatten().to_numpy(zero_copy_only=False)
                    vectors = np.asarray(flat, dtype=np.float32).reshape(rows.num_rows, -1)
                    decided = rows.column("decided").to_numpy(zero_copy_only=False)
                    clusters = _clusters(spaces[space], vectors, decided, search)
                names = ["text", "day", "hash_rank", "decided", "space", "split"]
                arrays = [
                    pa.array(clusters, pa.list_(pa.int32())),
                    pa.array([row.tobytes() for row in vectors], pa.binary()),
                ]
                yield pa.RecordBatch.from_arrays(
                    [*(rows.column(n) for n in names), *arrays], names=[*names, "clusters", "vector"]
                )

    return texts.mapInArrow(apply, PLACED)


def _clusters(
    centroids: Centroids, vectors: npt.NDArray[np.float32], decided: npt.NDArray[np.bool_], search: Search
) -> list[list[int]]:
    """The clusters of each text: its home cluster first, then the others that it probes."""
    if search.provable:
        return [reached.tolist() for reached in centroids.reaching(vectors, search.similarity)]
    reached = centroids.probes(vectors, search.probes).tolist()
    return [clusters[:1] if known else clusters for clusters, known in zip(reached, decided, strict=True)]


def semantic_pairs(placed: DataFrame, search: Search) -> DataFrame:
    """PAIRS of texts of one space and split that are close and at most the horizon apart; a pair may stand twice.

    New texts are compared with each other where they are at home, and elsewhere as visitors; with what earlier runs
    kept in every cluster they probe. Two kept texts are not compared.
    """
    inside = placed.where(F.col("space") != LEXICAL_SPACE)
    queries = inside.select("*", F.posexplode("clusters").alias("_place", "cluster")).withColumn(
        "visitor", F.col("_place") > 0
    )
    homes = _at_home(inside)
    visits = _compared(
        queries.where("visitor OR NOT decided").drop("clusters", "_place"),
        homes,
        search,
        _visit(search),
        PAIRS,
    )
    return visits.unionByName(_among(homes.where(~F.col("decided")), search))


def _visit(search: Search) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """Compare a cluster's visitors with its home texts, and its new home texts with its kept ones."""

    def compare(left: pa.Table, right: pa.Table) -> pa.Table:
        queries, at = _sides(left, "visitor", "decided")
        targets, to = _sides(right, "decided")
        tile = tile_rows(search.tile_bytes, queries.vectors.shape[1])
        everything, new, kept = slice(None), to(False), to(True)
        pairs: list[Pairs] = []
        for rows, columns in ((at(True, False), everything), (at(True, True), new), (at(False, False), kept)):
            pairs += _close_within_horizon(queries.part(rows), targets.part(columns), search, tile)
        return _table(pairs, ("first", "second", "similarity"))

    return compare


def _close_within_horizon(queries: Side, targets: Side, search: Search, tile: int) -> Iterator[Pairs]:
    for rows, columns, values in close_pairs(queries.vectors, targets.vectors, search.similarity, tile):
        near = np.abs(queries.day[rows] - targets.day[columns]) <= search.horizon_days
        yield queries.text[rows[near]], targets.text[columns[near]], values[near]


def _among(homes: DataFrame, search: Search) -> DataFrame:
    """PAIRS of new texts with the same home: each block of a cluster with itself and with every later one."""
    cluster = ["split", "space", "cluster"]
    sizes = homes.groupBy(*cluster).agg(F.ceil(F.count("*") / search.block_rows).cast("int").alias("_blocks"))
    cells = (
        homes.join(F.broadcast(sizes), cluster)
        .withColumn("block", F.pmod("text", "_blocks").cast("int"))
        .withColumn("_other", F.explode(F.sequence(F.lit(0), F.col("_blocks") - 1)))
        .withColumn("low", F.least("block", "_other")).withColumn("high", F.greatest("block", "_other"))
        .drop("_blocks", "_other")
    )  # fmt: skip

    return cells.groupBy(*cluster, "low", "high").applyInArrow(_neighbours(search), PAIRS)


def _neighbours(search: Search) -> Callable[[pa.Table], pa.Table]:
    """Compare two blocks of one cluster with each other, or one block with itself."""

    def compare(table: pa.Table) -> pa.Table:
        low, high = (table.column(name)[0].as_py() for name in ("low", "high"))
        side, of = _sides(table.append_column("later", pc.greater(table.column("block"), low)), "later")
        tile = tile_rows(search.tile_bytes, side.vectors.shape[1])
        first, second = side.part(of(False)), side.part(of(True))
        if high > low:
            return _table(
                [*_close_within_horizon(first, second, search, tile)], ("first", "second", "similarity")
            )
        pairs: list[Pairs] = []
        for rows, columns, values in close_pairs_among(first.vectors, search.similarity, tile):
            near = np.abs(first.day[rows] - first.day[columns]) <= search.horizon_days
            pairs.append((first.text[rows[near]], first.text[columns[near]], values[near]))
        return _table(pairs, ("first", "second", "similarity"))

    return compare


def nearest_kept(
    placed: DataFrame, wanted: DataFrame, kept: DataFrame, search: Search, everywhere: bool
) -> DataFrame:
    """ANSWERS: for each wanted text the nearest kept one of its space within reach, if its clusters hold any.

    Args:
        wanted, kept: one column `text`.
        everywhere: look in all clusters instead of the probed ones.
    """

    def compare(left: pa.Table, right: pa.Table) -> pa.Table:
        queries, targets = _sides(left)[0], _sides(right)[0]
        # This search keeps two masks and an age per pair more than the search for close pairs does.
        tile = tile_rows(search.tile_bytes // 2, queries.vectors.shape[1])
        answer, value = nearest(queries, targets, search.horizon_days, tile)
        has = answer >= 0
        return _table([(queries.text[has], answer[has], value[has])], ("text", "answer", "similarity"))

    queries, targets = placed.join(wanted, "text", "left_semi"), placed.join(kept, "text", "left_semi")
    if everywhere:
        one_cluster = F.array(F.lit(0))
        queries, targets = (
            queries.withColumn("clusters", one_cluster),
            targets.withColumn("clusters", one_cluster),
        )
    queries = queries.withColumn("cluster", F.explode("clusters")).drop("clusters")
    return _compared(queries, _at_home(targets), search, compare, ANSWERS)


def _at_home(placed: DataFrame) -> DataFrame:
    return placed.withColumn("cluster", F.col("clusters")[0]).drop("clusters")


def _compared(
    queries: DataFrame,
    targets: DataFrame,
    search: Search,
    compare: Callable[[pa.Table, pa.Table], pa.Table],
    schema: str,
) -> DataFrame:
    """Run `compare` on every cell: a block of those that probe a cluster against a block of those at home in it."""
    cluster = ["split", "space", "cluster"]
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
    """`compare`, with an empty result where one side of a cell is empty."""
    names = tuple(part.split()[0] for part in schema.split(", "))

    def apply(left: pa.Table, right: pa.Table) -> pa.Table:
        return compare(left, right) if left.num_rows and right.num_rows else _table([], names)

    return apply


def _sides(table: pa.Table, *flags: str) -> tuple[Side, Callable[..., slice]]:
    """The rows by flags, then by text number, so that tiles do not depend on how rows arrived; and where flags lie."""
    table = table.sort_by([(name, "ascending") for name in (*flags, "text")])
    joined = b"".join(table.column("vector").to_pylist())
    side = Side(
        np.frombuffer(joined, dtype=np.float32).reshape(table.num_rows, -1),
        table.column("text").to_numpy(),
        table.column("day").to_numpy().astype(np.int64),
        table.column("hash_rank").to_numpy(),
    )
    code = np.zeros(table.num_rows, dtype=np.int64)
    for name in flags:
        code = 2 * code + table.column(name).to_numpy(zero_copy_only=False)

    def where(*values: bool) -> slice:
        wanted = int("".join(str(int(v)) for v in values), 2)
        return slice(*np.searchsorted(code, [wanted, wanted + 1]).tolist())

    return side, where


def _table(parts: Sequence[Pairs], names: tuple[str, ...]) -> pa.Table:
    types = (np.int64, np.int64, np.float64)
    columns = [
        np.concatenate([part[i] for part in parts]).astype(kind) if parts else np.empty(0, dtype=kind)
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
    met = (
        texts.select("text", "day", "decided", "split", "twin", "prompt_text")
        .mapInArrow(_sign(units), "split string, unit int, entries binary")
        .groupBy("split", "unit")
        .applyInArrow(_meet(search.horizon_days), "first long, second long")
        .distinct()
    )
    first = texts.select(F.col("text").alias("first"), F.col("prompt_text").alias("first_text"))
    second = texts.select(F.col("text").alias("second"), F.col("prompt_text").alias("second_text"))
    return (
        met.join(first, "first").join(second, "second").mapInArrow(_verify(search.lexical_similarity), PAIRS)
    )


def _sign(units: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The band keys of a batch, packed by split and unit. One row for each key would dominate the cost."""

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            splits = batch.column("split").to_numpy(zero_copy_only=False)
            for split in sorted(set(splits)):
                entries = _entries(batch.filter(pa.array(splits == split)))
                unit = entries["key"] % units
                order = np.argsort(unit, kind="stable")
                present, starts = np.unique(unit[order], return_index=True)
                packed = [part.tobytes() for part in np.split(entries[order], starts[1:])]
                columns = [
                    pa.repeat(split, len(packed)),
                    pa.array(present.astype(np.int32)),
                    pa.array(packed),
                ]
                yield pa.RecordBatch.from_arrays(columns, names=["split", "unit", "entries"])

    return apply


def _entries(rows: pa.RecordBatch) -> npt.NDArray[np.void]:
    """One entry a text and band: (texts · BANDS,) of _ENTRY."""
    signatures = lexical.signatures(_normals(rows.column("prompt_text")))
    owner = np.repeat(np.arange(rows.num_rows), lexical.BANDS)
    entries = np.empty(len(owner), dtype=_ENTRY)
    for name in ("text", "day", "twin", "decided"):
        entries[name] = rows.column(name).to_numpy(zero_copy_only=False)[owner]
    entries["key"], entries["whole"] = signatures.bands.ravel(), signatures.whole_sketch[owner]
    entries["message"] = signatures.message_sketch[owner]
    return entries


def _normals(prompt_texts: pa.Array) -> list[lexical.Normal]:
    return [lexical.normalise(text) for text in prompt_texts.to_pylist()]


def _meet(horizon_days: int) -> Callable[[pa.Table], pa.Table]:
    def apply(table: pa.Table) -> pa.Table:
        entries = np.frombuffer(b"".join(table.column("entries").to_pylist()), dtype=_ENTRY)
        text, day, twin, decided = (entries[n].copy() for n in ("text", "day", "twin", "decided"))
        keys, whole, message = (entries[n].copy() for n in ("key", "whole", "message"))
        met = [np.empty(0, dtype=np.int64)]
        for a, b in lexical.meeting_pairs(keys, whole, message):
            usable = (twin[a] != twin[b]) & ~(decided[a] & decided[b])
            usable &= np.abs(day[a] - day[b]) <= horizon_days
            first, second = text[a[usable]], text[b[usable]]
            met.append(np.unique((np.minimum(first, second) << 32) | np.maximum(first, second)))
        pairs = np.unique(np.concatenate(met))
        return pa.table({"first": pairs >> 32, "second": pairs & 0xFFFFFFFF})

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
