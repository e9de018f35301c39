"""Phase II: ranks each day's turns by what they add to the turns kept before, and keeps an exact share (section 2.2.1).

Close pairs and nearest kept turns are searched by Spark (`candidates`); the fold over days runs on the driver on turn
numbers and pairs, without texts or vectors (`cover`). All spaces of a day and split share one priority order and one
budget round(p·N): the cover of every space first, by quality; then the rest, least similar first. A text that no
encoder reads can be called a duplicate only for its wording, which keeps more of such texts rather than fewer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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

from infra.contracts import contract
from infra.lake.facts import user_key
from infra.settings import DiversitySettings
from infra.write.quality import Result
from jobs.curation.diversity import candidates
from jobs.curation.diversity.candidates import LEXICAL_SPACE, Search
from jobs.curation.diversity.cover import Fold, Graph, Ints, Ranking, Texts, Turns
from jobs.curation.diversity.floors import Holding, expanded, holdings, protected_floors
from jobs.curation.diversity.prompts import described, prompts, with_encoder
from jobs.curation.diversity.spaces import Centroids, centroids, encoder_names, pinned
from jobs.curation.embed import with_days_before
from jobs.curation.sampling.attributes import with_known_levels
from jobs.curation.sampling.constraints import Constraint

if TYPE_CHECKING:
    from jobs.context import JobContext

TABLE = "curation.pruned"
_NODE = ["ds", "split", "text_hash"]
_EPOCH = date(1970, 1, 1)


def run(ctx: JobContext) -> None:
    """Rank and cut all days of the run, in order."""
    rules = pinned(ctx.settings.diversity, ctx.lake.artifacts)
    frame, rows_in = pruned(ctx, rules)
    ctx.write("curation.pruned", frame, rows_in=rows_in)


def pruned(ctx: JobContext, rules: DiversitySettings) -> tuple[DataFrame, dict[date, int]]:
    """The rows of `curation.pruned` for the days of the run, and ranked turns by day."""
    before = [day for day in ctx.days_reached("curation.pruned") if day not in set(ctx.days)]
    turns, history = _turns(ctx, rules, before)
    embeddings = ctx.read("curation.embeddings").where(F.col("recipe") == rules.recipe)
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
    texts = _numbered(ctx, nodes, table).persist(StorageLevel.MEMORY_AND_DISK)
    # Vectors take most of the space. Keep them on disk: the system's cache holds more than the heap.
    placed = candidates.place(
        _with_vectors(texts, embeddings), _spaces(ctx, rules, embeddings), search
    ).persist(StorageLevel.DISK_ONLY)
    try:
        pairs = candidates.semantic_pairs(placed, search).unionByName(
            candidates.lexical_pairs(texts, table.num_rows, search)
        )
        close_pairs = pairs.toArrow()
        ctx.say(f"{close_pairs.num_rows:,} close pairs")
        floors = protected_floors(ctx.settings.sampling)
        folded = _folded(rules, floors, _with_levels(ctx, turns, floors).toArrow(), table, close_pairs)
        _fill_nearest(ctx, placed, folded, search)
        _record_holdings(ctx, folded)
        result = folded.rows(rules, _homes(ctx, placed, table.num_rows))
        rows = pc.value_counts(result.column("ds")).to_pylist()
        frame = ctx.spark.createDataFrame(result, contract(TABLE).spark_schema(result.column_names))
        return frame, {row["values"]: row["counts"] for row in rows}
    finally:
        for frame in (turns, nodes, texts, placed):
            frame.unpersist()


def _turns(ctx: JobContext, rules: DiversitySettings, before: list[date]) -> tuple[DataFrame, DataFrame]:
    """Ranked turns of the run's days, and the kept turn of highest priority of each text of the days before."""
    characters = ctx.read("curation.screened_characters")
    key = user_key(ctx.settings)
    own = prompts(
        ctx.read("curation.screened", with_days_before(ctx.days, rules.context_days)), characters, rules
    )
    own = own.where(F.col("ds").isin(list(ctx.days)))
    turns = with_encoder(described(own, key), rules).persist(StorageLevel.MEMORY_AND_DISK)
    first = Window.partitionBy(*_NODE).orderBy("priority")
    kept_turns = (
        ctx.read("curation.pruned", before).where((F.col("recipe") == rules.recipe) & F.col("kept"))
        .withColumn("_n", F.row_number().over(first)).where("_n = 1")
        .select("turn_id", F.col("encoder").alias("kept_encoder"), F.col("text_hash").alias("kept_hash"))
    )  # fmt: skip
    earlier = ctx.read("curation.screened", with_days_before(tuple(before), rules.context_days))
    history = described(
        prompts(earlier, characters, rules).join(kept_turns, "turn_id", "left_semi"), key
    ).join(kept_turns, "turn_id")
    # A kept turn whose text changed makes its day stale. New turns are not compared with it until that day has run.
    return turns, history.where("kept_hash = text_hash")


def _with_levels(ctx: JobContext, turns: DataFrame, floors: Sequence[Constraint]) -> DataFrame:
    """The turns with the columns for the fold, and their levels in the dimensions of the floors."""
    levels = with_known_levels(ctx.read("curation.screened", ctx.days), ctx.settings.turns.first_turn_scope)
    wanted = levels.select("turn_id", *sorted({floor.dimension for floor in floors}))
    return turns.select("turn_id", *_NODE, "quality").join(wanted, "turn_id")


def _homes(ctx: JobContext, placed: DataFrame, texts: int) -> Ints:
    """Home cluster of each text. Reports how many clusters were probed."""
    rows = placed.select(
        "text", F.col("clusters")[0].alias("home"), F.size("clusters").alias("probes")
    ).toArrow()
    homes = np.zeros(texts, dtype=np.int64)
    homes[rows.column("text").to_numpy()] = rows.column("home").to_numpy()
    probes = rows.column("probes").to_numpy()
    if len(probes):
        ctx.say(f"{probes.mean():.1f} clusters probed by a text on average, {probes.max()} at most")
    return homes


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


def _numbered(ctx: JobContext, nodes: DataFrame, table: pa.Table) -> DataFrame:
    """The nodes with their numbers."""
    numbers = ctx.spark.createDataFrame(table.select([*_NODE, "text"]))
    rank = pc.rank(table.column("text_hash"), tiebreaker="dense")
    ranks = ctx.spark.createDataFrame(
        pa.table({"text": table.column("text"), "hash_rank": rank.cast(pa.int64())})
    )
    return (
        nodes.join(numbers, _NODE).join(ranks, "text")
        .withColumn("day", F.datediff("ds", F.lit(_EPOCH)))
        .withColumn("decided", F.col("kept_turn").isNotNull())
        .select("text", "text_hash", "day", "hash_rank", "decided", "space", "split", "twin", "prompt_text")
    )  # fmt: skip


def _with_vectors(texts: DataFrame, embeddings: DataFrame) -> DataFrame:
    """The texts with their vectors; one without is in the lexical space, whatever it was."""
    vectors = embeddings.select("text_hash", F.col("encoder").alias("space"), "embedding")
    return (
        texts.join(vectors, ["text_hash", "space"], "left").drop("text_hash", "twin")
        .withColumn("space", F.when(F.col("embedding").isNull(), LEXICAL_SPACE).otherwise(F.col("space")))
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


@dataclass(frozen=True)
class _Day:
    """One day and split: its turns and their ranking."""

    split: str
    day: date
    turns: Turns
    ranking: Ranking

    @property
    def open_rows(self) -> Ints:
        """Removed turns whose nearest kept turn is not known: no kept turn is close to them."""
        return np.flatnonzero(~self.ranking.kept & (self.ranking.kept_turn == None))  # noqa: E711


@dataclass(frozen=True)
class _Folded:
    """Everything ranked, before and after the nearest kept turns of the others are filled in."""

    texts: pa.Table
    days: list[_Day]
    folds: dict[str, Fold]

    def pending(self) -> Ints:
        """Texts of removed turns that no kept turn is close to."""
        return np.unique(np.concatenate([_NONE, *(day.turns.text[day.open_rows] for day in self.days)]))

    def holdings(self) -> dict[tuple[str, date], list[Holding]]:
        """Supply and kept turns of each floor, by split and day."""
        return {
            (day.split, day.day): holdings(day.turns.floors, day.turns.levels, day.ranking.kept)
            for day in self.days
        }

    def rows(self, rules: DiversitySettings, clusters: Ints) -> pa.Table:
        """The rows to write, without run_id; clusters: (texts,)."""
        read = pc.not_equal(self.texts.column("space"), LEXICAL_SPACE).to_numpy(zero_copy_only=False)
        schema = contract(TABLE).arrow_schema(contract(TABLE).job_columns)
        parts = [schema.empty_table()]
        for day in self.days:
            text, ranking = day.turns.text, day.ranking
            removed = pc.if_else(pa.array(ranking.near), "near_duplicate", "diversity_budget")
            no_encoder = pa.array(~read[text])
            columns = {
                "turn_id": day.turns.turn_id, "split": pa.repeat(day.split, len(text)),
                "text_hash": self.texts.column("text_hash").take(text), "recipe": pa.repeat(rules.recipe, len(text)),
                "encoder": pc.if_else(no_encoder, None, self.texts.column("space").take(text)),
                "quality": day.turns.quality, "priority": ranking.priority, "kept": ranking.kept,
                "is_duplicate_of": ranking.duplicate_of, "kept_turn_id": ranking.kept_turn,
                "similarity": pa.array(ranking.similarity, from_pandas=True),
                "reason": pc.if_else(pa.array(ranking.kept), None, removed),
                "check_kind": pc.if_else(no_encoder, "no_semantic_check", "semantic"),
                "cluster_id": pa.array(clusters[text], mask=~read[text]), "ds": pa.repeat(day.day, len(text)),
            }  # fmt: skip
            parts.append(pa.table(columns).select(schema.names).cast(schema))
        return pa.concat_tables(parts)


_NONE = np.empty(0, dtype=np.int64)


def _folded(
    rules: DiversitySettings,
    floors: Sequence[Constraint],
    turns: pa.Table,
    table: pa.Table,
    pairs: pa.Table,
) -> _Folded:
    """Rank the days of every split in order."""
    texts = Texts(
        pc.days_between(pa.scalar(_EPOCH), table.column("ds")).to_numpy(),
        pc.rank(table.column("text_hash"), tiebreaker="dense").to_numpy().astype(np.int64),
        np.unique(table.column("twin").to_numpy(), return_inverse=True)[1],
    )
    graph = Graph(texts, *(pairs.column(n).to_numpy() for n in ("first", "second", "similarity")))
    new = table.filter(pc.is_null(table.column("kept_turn"))).select([*_NODE, "text"])
    turns = turns.join(new, _NODE).sort_by(
        [("split", "ascending"), ("ds", "ascending"), ("turn_id", "ascending")]
    )
    old = table.filter(pc.is_valid(table.column("kept_turn")))
    folds: dict[str, Fold] = {}
    done: list[_Day] = []
    for part in pc.unique(turns.column("split")).to_pylist():
        folds[part] = fold = Fold(texts, graph, rules.horizon_days, rules.keep_proportion)
        own = turns.filter(pc.equal(turns.column("split"), part))
        history = old.filter(pc.equal(old.column("split"), part))
        known = date.min
        for day in pc.unique(own.column("ds")).to_pylist():
            days = history.column("ds")
            past = history.filter(pc.and_(pc.greater_equal(days, known), pc.less(days, day)))
            fold.remember(
                past.column("text").to_numpy(), past.column("kept_turn").to_numpy(zero_copy_only=False)
            )
            known = day
            turns_of_day = _turns_of(own.filter(pc.equal(own.column("ds"), day)), floors)
            done.append(_Day(part, day, turns_of_day, fold.rank((day - _EPOCH).days, turns_of_day)))
    return _Folded(table, done, folds)


def _turns_of(rows: pa.Table, floors: Sequence[Constraint]) -> Turns:
    levels = {
        floor.dimension: rows.column(floor.dimension).to_numpy(zero_copy_only=False).astype(object)
        for floor in floors
    }
    return Turns(
        rows.column("turn_id").to_pylist(), rows.column("text").to_numpy(), rows.column("quality").to_numpy(),
        expanded(floors, levels), levels,
    )  # fmt: skip


def _fill_nearest(ctx: JobContext, placed: DataFrame, folded: _Folded, search: Search) -> None:
    """Give removed turns that are close to nothing kept their nearest kept turn: near clusters first, then all."""
    kept_turn = np.full(folded.texts.num_rows, None, dtype=object)
    for fold in folded.folds.values():
        has = fold.kept_turn_of != None  # noqa: E711
        kept_turn[has] = fold.kept_turn_of[has]
    kept = np.flatnonzero(kept_turn != None)  # noqa: E711
    day = pc.days_between(pa.scalar(_EPOCH), folded.texts.column("ds")).to_numpy()
    read = pc.not_equal(folded.texts.column("space"), LEXICAL_SPACE).to_numpy(zero_copy_only=False)
    for everywhere in (False, True):
        pending = folded.pending()
        if not len(pending) or not len(kept):
            return
        wanted, kept_frame = (
            ctx.spark.createDataFrame(pa.table({"text": numbers})) for numbers in (pending, kept)
        )
        nearest = candidates.nearest_kept(placed, wanted, kept_frame, search, everywhere).toArrow()
        text, answer, value = (nearest.column(n).to_numpy() for n in ("text", "answer", "similarity"))
        order = np.lexsort(
            (answer, -day[answer], -value, text)
        )  # ties: the later day, then the smaller number
        order = order[np.r_[True, text[order][1:] != text[order][:-1]][: len(order)]]
        closest = np.full(folded.texts.num_rows, -1)
        closeness = np.full(folded.texts.num_rows, np.nan)
        closest[text[order]], closeness[text[order]] = answer[order], value[order]
        for ranked_day in folded.days:
            rows = ranked_day.open_rows
            rows = rows[closest[ranked_day.turns.text[rows]] >= 0]
            texts = ranked_day.turns.text[rows]
            ranked_day.ranking.kept_turn[rows] = kept_turn[closest[texts]]
            ranked_day.ranking.similarity[rows] = closeness[texts]
            ranked_day.ranking.near[rows] = read[texts] & (closeness[texts] >= search.similarity)


def _record_holdings(ctx: JobContext, folded: _Folded) -> None:
    """Record for `ops.quality`: supply and kept turns of each floor of Phase III, over the days of each split."""
    by_name: dict[tuple[str, str], list[Holding]] = {}
    for (split, _), day in folded.holdings().items():
        for holding in day:
            by_name.setdefault((split, holding.floor.name), []).append(holding)
    results = []
    for (split, name), days in sorted(by_name.items()):
        short = [holding.short for holding in days if holding.short]
        observed = {
            "turns": sum(holding.turns for holding in days), "supply": sum(holding.members for holding in days),
            "kept": sum(holding.kept for holding in days), "kept_supply": sum(holding.kept_members for holding in days),
            "wanted": sum(holding.wanted for holding in days), "short": sum(short), "days_short": len(short),
        }  # fmt: skip
        results.append(Result(f"{name} in {split}", "warning", not short, json.dumps(observed)))
        if short:
            ctx.say(
                f"{split}: too few turns for the {name} on {len(short)} of {len(days)} days, {sum(short):,} missing of "
                f"{observed['wanted']:,}"
            )
    ctx.record_quality("curation.pruned", results)
