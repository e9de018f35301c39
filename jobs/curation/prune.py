"""Phase II: rank each day's turns by what they add to what was kept before, and keep an exact share (section 2.2.1).

Close pairs and nearest kept turns are searched by Spark (`candidates`); the fold over days runs on the driver on turn
numbers and pairs, without texts or vectors (`cover`). All spaces of a day and split share one priority order and one
budget round(p·N): the cover of every space first, by quality; then the rest, least similar first. A text that no
encoder reads can be called a duplicate only for its wording, which keeps more of such texts rather than fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.settings import DiversitySettings
from jobs.curation import candidates
from jobs.curation.candidates import LEXICAL_SPACE, Search
from jobs.curation.cover import Fold, Graph, Ranking, Texts, Turns
from jobs.curation.embed import with_days_before
from jobs.curation.prompts import described, prompts, with_encoder
from jobs.curation.spaces import Centroids, centroids, encoder_names, pinned

if TYPE_CHECKING:
    from jobs.context import JobContext

PRUNED = (
    "turn_id string, split string, text_hash string, recipe string, encoder string, quality double, priority int, "
    "kept boolean, is_duplicate_of string, kept_turn_id string, similarity double, reason string, check_kind string, "
    "cluster_id int, ds date"
)
_NODE = ["ds", "split", "text_hash"]
_EPOCH = date(1970, 1, 1)


def run(ctx: JobContext) -> None:
    """Rank and cut the days of the run, in order, in one go."""
    rules = pinned(ctx.settings.diversity, ctx.lake.artifacts)
    frame, rows_in = pruned(ctx, rules)
    ctx.write("curation.pruned", frame, rows_in=rows_in)


def pruned(ctx: JobContext, rules: DiversitySettings) -> tuple[DataFrame, dict[date, int]]:
    """The rows of `curation.pruned` for the days of the run, and ranked turns by day."""
    before = [d for d in with_days_before(ctx.days, rules.horizon_days) if d not in set(ctx.days)]
    turns, history = _turns(ctx, rules, before)
    embeddings = ctx.read("curation.embeddings", None).where(F.col("recipe") == rules.recipe)
    nodes = _nodes(turns, history, embeddings, rules).persist(StorageLevel.MEMORY_AND_DISK)
    table = (
        nodes.drop("prompt_text")
        .toArrow()
        .sort_by([("text_hash", "ascending"), ("ds", "ascending"), ("split", "ascending")])
    )
    table = table.append_column("text", pa.array(np.arange(table.num_rows), pa.int64()))
    ctx.say(f"{table.num_rows:,} distinct texts to compare")
    search = Search(
        rules.similarity, rules.lexical_similarity, rules.horizon_days, rules.memory_bytes, rules.probes
    )  # fmt: skip
    texts = _numbered(ctx, nodes, table, embeddings).persist(StorageLevel.MEMORY_AND_DISK)
    placed = candidates.place(texts, _spaces(ctx, rules, embeddings), search).persist(
        StorageLevel.MEMORY_AND_DISK
    )
    try:
        pairs = candidates.semantic_pairs(placed, search).unionByName(
            candidates.lexical_pairs(texts, table.num_rows, search)
        )
        folded = _folded(ctx, rules, turns.drop("prompt_text").toArrow(), table, pairs.toArrow())
        _fill_nearest(ctx, placed, folded, search)
        clusters = placed.select("text", F.col("clusters")[0].alias("cluster")).toArrow()
        result = folded.rows(
            rules, dict(zip(*(clusters.column(i).to_pylist() for i in range(2)), strict=True))
        )
        rows = pc.value_counts(result.column("ds")).to_pylist()
        return ctx.spark.createDataFrame(result, PRUNED), {row["values"]: row["counts"] for row in rows}
    finally:
        for frame in (turns, nodes, texts, placed):
            frame.unpersist()


def _turns(ctx: JobContext, rules: DiversitySettings, before: list[date]) -> tuple[DataFrame, DataFrame]:
    """Ranked turns of the run's days, and the kept turn of highest priority of each text of the days before."""
    characters = ctx.read("curation.screened_characters", None)
    key = ctx.settings.user_key()
    own = prompts(
        ctx.read("curation.screened", with_days_before(ctx.days, rules.context_days)), characters, rules
    )
    own = own.where(F.col("ds").isin(list(ctx.days)))
    turns = with_encoder(described(own, key), rules).persist(StorageLevel.MEMORY_AND_DISK)
    first = Window.partitionBy(*_NODE).orderBy("priority")
    kept = (
        ctx.read("curation.pruned", before).where((F.col("recipe") == rules.recipe) & F.col("kept"))
        .withColumn("_n", F.row_number().over(first)).where("_n = 1")
        .select("turn_id", F.col("encoder").alias("kept_encoder"), F.col("text_hash").alias("kept_hash"))
    )  # fmt: skip
    earlier = ctx.read("curation.screened", with_days_before(tuple(before), rules.context_days))
    history = described(prompts(earlier, characters, rules).join(kept, "turn_id", "left_semi"), key).join(
        kept, "turn_id"
    )
    # A turn whose text changed since it was kept makes its own day stale; it is no yardstick until that day has run.
    return turns, history.where("kept_hash = text_hash")


def _nodes(
    turns: DataFrame, history: DataFrame, embeddings: DataFrame, rules: DiversitySettings
) -> DataFrame:
    """One row a distinct text of a day and split: its twin group, its space, and the kept turn if it is history."""
    known = embeddings.select("text_hash", "encoder", F.lit(True).alias("_embedded"))
    readable = F.when(F.col("_embedded"), F.struct("encoder_rank", "encoder"))
    new = (
        turns.join(known, ["text_hash", "encoder"], "left").groupBy(*_NODE)
        .agg(F.min("prompt_text").alias("prompt_text"), F.min("twin").alias("twin"), F.min(readable).alias("_best"))
        .withColumn("space", F.coalesce(F.col("_best.encoder"), F.lit(LEXICAL_SPACE)))
        .drop("_best").withColumn("kept_turn", F.lit(None).cast("string"))
    )  # fmt: skip
    usable = encoder_names(rules)
    old = history.select(
        *_NODE, "prompt_text", "twin",
        F.when(F.col("kept_encoder").isin(usable), F.col("kept_encoder")).otherwise(LEXICAL_SPACE).alias("space"),
        F.col("turn_id").alias("kept_turn"),
    )  # fmt: skip
    return new.unionByName(old)


def _numbered(ctx: JobContext, nodes: DataFrame, table: pa.Table, embeddings: DataFrame) -> DataFrame:
    """The nodes with their numbers and vectors."""
    numbers = ctx.spark.createDataFrame(table.select([*_NODE, "text"]))
    rank = pc.rank(table.column("text_hash"), tiebreaker="dense")
    ranks = ctx.spark.createDataFrame(
        pa.table({"text": table.column("text"), "hash_rank": rank.cast(pa.int64())})
    )
    vectors = embeddings.select("text_hash", F.col("encoder").alias("space"), "embedding")
    return (
        nodes.join(numbers, _NODE).join(ranks, "text").join(vectors, ["text_hash", "space"], "left")
        .withColumn("space", F.when(F.col("embedding").isNull(), LEXICAL_SPACE).otherwise(F.col("space")))
        .withColumn("day", F.datediff("ds", F.lit(_EPOCH)))
        .withColumn("decided", F.col("kept_turn").isNotNull())
        .select("text", "day", "hash_rank", "decided", "space", "split", "twin", "prompt_text", "embedding")
    )  # fmt: skip


def _spaces(ctx: JobContext, rules: DiversitySettings, embeddings: DataFrame) -> dict[str, Centroids]:
    """Centroids of every space that holds embeddings."""
    counts = {row["encoder"]: row["count"] for row in embeddings.groupBy("encoder").count().collect()}

    def sample_of(space: str) -> Any:
        def sample(most: int) -> npt.NDArray[np.float32]:
            order = [F.xxhash64("text_hash", F.lit(rules.seed)), "text_hash"]
            rows = (
                embeddings.where(F.col("encoder") == space)
                .orderBy(*order)
                .limit(most)
                .select("embedding")
                .toArrow()
            )
            column = rows.column("embedding").combine_chunks()
            return np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), -1)

        return sample

    return {
        space: centroids(rules, ctx.lake.artifacts, space, rows, sample_of(space))
        for space, rows in counts.items()
    }


@dataclass
class _Day:
    """One day and split: rows of the turns table, their texts, and what became of them."""

    split: str
    day: date
    turns: Turns
    ranking: Ranking


@dataclass
class _Folded:
    """Everything ranked, before and after the nearest kept turns of the others are filled in."""

    texts: pa.Table
    days: list[_Day]
    folds: dict[str, Fold]

    def pending(self) -> list[int]:
        """Texts of removed turns that no kept turn is close to."""
        found: set[int] = set()
        for one in self.days:
            open_rows = ~one.ranking.kept & np.array([k is None for k in one.ranking.kept_turn], dtype=bool)
            found.update(one.turns.text[open_rows].tolist())
        return sorted(found)

    def rows(self, rules: DiversitySettings, cluster_of: dict[int, int]) -> pa.Table:
        """The table that is written, without run_id."""
        hashes, spaces = (self.texts.column(n).to_pylist() for n in ("text_hash", "space"))
        parts: dict[str, list[Any]] = {part.split()[0]: [] for part in PRUNED.split(", ")}
        for one in self.days:
            for i, turn_id in enumerate(one.turns.turn_id):
                text, ranking = int(one.turns.text[i]), one.ranking
                read = spaces[text] != LEXICAL_SPACE
                value = None if np.isnan(ranking.similarity[i]) else float(ranking.similarity[i])
                near = value is not None and ranking.near[i]
                reason = None if ranking.kept[i] else "near_duplicate" if near else "diversity_budget"
                row = (
                    turn_id, one.split, hashes[text], rules.recipe, spaces[text] if read else None,
                    float(one.turns.quality[i]), int(ranking.priority[i]), bool(ranking.kept[i]),
                    ranking.duplicate_of[i], ranking.kept_turn[i], value, reason,
                    "semantic" if read else "no_semantic_check", cluster_of[text] if read else None, one.day,
                )  # fmt: skip
                for column, cell in zip(parts.values(), row, strict=True):
                    column.append(cell)
        return pa.table(parts, schema=_SCHEMA)


_ARROW = {
    "string": pa.string(), "double": pa.float64(), "int": pa.int32(), "boolean": pa.bool_(), "date": pa.date32(),
}  # fmt: skip
_SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in (part.split() for part in PRUNED.split(", "))])


def _folded(
    ctx: JobContext, rules: DiversitySettings, turns: pa.Table, table: pa.Table, pairs: pa.Table
) -> _Folded:
    """Rank the days of every split in order."""
    ds = table.column("ds").to_pylist()
    split, hashes = table.column("split").to_pylist(), table.column("text_hash").to_pylist()
    kept_turn = table.column("kept_turn").to_pylist()
    number = {key: i for i, key in enumerate(zip(ds, split, hashes, strict=True)) if kept_turn[i] is None}
    _, twin = np.unique(table.column("twin").to_numpy(), return_inverse=True)
    _, rank = np.unique(np.array(hashes, dtype=str), return_inverse=True)
    texts = Texts(
        np.array([(d - _EPOCH).days for d in ds], dtype=np.int64),
        rank.astype(np.int64),
        twin.astype(np.int64),
    )
    graph = Graph(texts, *(pairs.column(n).to_numpy() for n in ("first", "second", "similarity")))
    ctx.say(f"{pairs.num_rows:,} close pairs")
    own = [turns.column(n).to_pylist() for n in ("turn_id", *_NODE, "quality")]
    groups: dict[tuple[str, date], list[tuple[str, int, float]]] = {}
    for turn_id, day, part, text_hash, quality in zip(*own, strict=True):
        groups.setdefault((part, day), []).append((turn_id, number[day, part, text_hash], quality))
    folds: dict[str, Fold] = {}
    done: list[_Day] = []
    history: dict[str, list[tuple[date, int]]] = {}
    for i, turn in enumerate(kept_turn):
        if turn is not None:
            history.setdefault(split[i], []).append((ds[i], i))
    for part, day in sorted(groups):
        fold = folds.setdefault(part, Fold(texts, graph, rules.horizon_days, rules.keep_proportion))
        past = [i for d, i in history.get(part, []) if d < day]
        fold.remember({i: kept_turn[i] for i in past if i not in fold.kept_turn_of})
        ids, numbers, quality = zip(*groups[part, day], strict=True)
        these = Turns(ids, np.array(numbers, dtype=np.int64), np.array(quality))
        done.append(_Day(part, day, these, fold.rank((day - _EPOCH).days, these)))
    return _Folded(table, done, folds)


def _fill_nearest(ctx: JobContext, placed: DataFrame, folded: _Folded, search: Search) -> None:
    """Give removed turns that are close to nothing kept their nearest kept turn: near clusters first, then all."""
    kept_turn = {text: turn for fold in folded.folds.values() for text, turn in fold.kept_turn_of.items()}
    pending = folded.pending()
    spaces = folded.texts.column("space").to_pylist()
    for everywhere in (False, True):
        if not pending or not kept_turn:
            return
        wanted, kept = (
            ctx.spark.createDataFrame(pa.table({"text": pa.array(t, pa.int64())}))
            for t in (pending, sorted(kept_turn))
        )
        answers = candidates.nearest_kept(placed, wanted, kept, search, everywhere).toArrow().to_pylist()
        best: dict[int, tuple[float, int]] = {}
        rank = {
            a["answer"]: (folded.texts.column("ds")[a["answer"]].as_py().toordinal(), -a["answer"])
            for a in answers
        }
        for a in answers:
            old = best.get(a["text"])
            if old is None or (a["similarity"], rank[a["answer"]]) > (old[0], rank[old[1]]):
                best[a["text"]] = (a["similarity"], a["answer"])
        for one in folded.days:
            for i, text in enumerate(one.turns.text.tolist()):
                if not one.ranking.kept[i] and one.ranking.kept_turn[i] is None and text in best:
                    value, answer = best[text]
                    one.ranking.kept_turn[i], one.ranking.similarity[i] = kept_turn[answer], value
                    one.ranking.near[i] = spaces[text] != LEXICAL_SPACE and value >= search.similarity
        pending = [text for text in pending if text not in best]
