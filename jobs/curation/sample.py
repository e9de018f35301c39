"""Phase III: the eligible turns of a window become a dataset that meets its constraints (section 2.2.1, Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.errors import InfeasibleConstraints
from infra.settings import SamplingSettings
from jobs.curation.attributes import DIMENSIONS, UNJUDGED, with_attributes, with_text_labels
from jobs.curation.composition import composition
from jobs.curation.constraints import ANY, SIZE, Constraint, Strata, apportion, expand
from jobs.curation.conversation_context import contexts, unsafe_contexts
from jobs.curation.difficulty import with_score_bands
from jobs.curation.draw import Candidates, Drawn, Request, draw
from jobs.curation.embed import with_days_before
from jobs.curation.infeasibility import ConflictingConstraints
from jobs.curation.quotas import Solver
from jobs.curation.spaces import pinned
from jobs.curation.splitleak import split_leaks
from models.encoders import encoder_name, load_encoder
from models.jtbd.classifier import Classifier

if TYPE_CHECKING:
    from jobs.context import JobContext

SPLITS = ("train", "evaluation")
Counts = Mapping[tuple[str, str, str], int]
"""(split, dimension, level) -> rows."""

_FATES = pa.schema(
    [
        ("turn_id", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("stratum", pa.string()),
        ("inclusion_probability", pa.float64()),
    ]
)
_CONSTRAINTS = (
    "split string, dimension string, level string, kind string, wanted double, available bigint, before bigint, "
    "achieved bigint, slack double, sample_size bigint, optimality_gap double"
)


@dataclass(frozen=True)
class Solved:
    """One split, drawn: its candidates, what was asked of them and what came of it."""

    split: str
    candidates: Candidates
    request: Request
    drawn: Drawn | None


def run(ctx: JobContext) -> None:
    """Build the dataset of the run's window."""
    rules = ctx.settings.sampling
    attributes = _attributes(ctx).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        before = level_counts(attributes)
        eligible = attributes.join(
            ctx.read("curation.outcomes").where("outcome = 'eligible'").select("turn_id"),
            "turn_id",
            "left_semi",
        )
        table = _barred(ctx, eligible)
        ctx.say(f"{table.num_rows:,} eligible turns")
        barred = pc.is_valid(table.column("barred"))
        solved = [
            solve(split, table.filter(pc.and_(pc.invert(barred), pc.equal(table.column("split"), split))),
                  int(pc.sum(pc.equal(table.column("split"), split)).as_py() or 0), before, rules)
            for split in SPLITS
        ]  # fmt: skip
        for one in solved:
            if one.drawn is None:
                if one.request.size:
                    ctx.say(
                        f"{one.split}: nothing drawn, no size meets the constraints (asked for {one.request.size:,})"
                    )
            else:
                ctx.say(
                    f"{one.split}: {one.drawn.size:,} of {len(one.candidates):,} candidates, "
                    f"gap {one.drawn.allocation.optimality_gap:.1e}"
                    + (f" (asked for {one.request.size:,})" if one.drawn.size < one.request.size else "")
                )
        fates = ctx.spark.createDataFrame(_fates(table, barred, solved)).persist(StorageLevel.MEMORY_AND_DISK)
        _write(ctx, attributes, fates, solved, before)
        fates.unpersist()
    finally:
        attributes.unpersist()


def _write(
    ctx: JobContext, attributes: DataFrame, fates: DataFrame, solved: Sequence[Solved], before: Counts
) -> None:
    last = ctx.days[-1]
    counts = {row["outcome"]: row["count"] for row in fates.groupBy("outcome").count().collect()}
    eligible = sum(counts.values())
    dataset = F.lit(ctx.dataset_id).alias("dataset_id")
    ctx.write(
        "curation.sample_outcomes",
        fates.join(attributes.select("turn_id", "split", "ds"), "turn_id").select(
            dataset, "turn_id", "outcome", "reason", "split", "stratum", "ds"
        ),
        rows_in={last: eligible},
    )
    rows = [row for one in solved for row in constraint_rows(one, before)]
    ctx.write(
        "curation.constraints",
        ctx.spark.createDataFrame(rows, _CONSTRAINTS).select(dataset, "*", F.lit(last).alias("ds")),
    )
    counted = composition(attributes, ctx.read("curation.outcomes"), fates)
    ctx.write("curation.composition", counted.select(dataset, "*"), rows_in={last: eligible})
    chosen = fates.where("outcome = 'selected'").select("turn_id", "stratum", "inclusion_probability")
    selected = attributes.join(F.broadcast(chosen), "turn_id")
    said = contexts(
        selected,
        _screened(ctx),
        ctx.read("curation.screened_characters", None),
        ctx.settings.sampling.context_turns,
    )
    ctx.write(
        "curation.samples",
        selected.join(said, "turn_id").select(
            dataset, "turn_id", "conversation_id", "user_id", "model_version", "source", "split", "is_first_turn",
            "character_id", "locale", "language", "jtbd", "depth_band", "quality_band", "difficulty_band",
            "inclusion_probability", (1 / F.col("inclusion_probability")).alias("weight"), "stratum", "context",
            F.col("redacted_response").alias("response"), "ds",
        ),
        rows_in={last: eligible},
        rejected={last: {name: n for name, n in counts.items() if name != "selected"}},
    )  # fmt: skip


def _screened(ctx: JobContext) -> DataFrame:
    return ctx.read("curation.screened", with_days_before(ctx.days, ctx.settings.sampling.context_days))


def _attributes(ctx: JobContext) -> DataFrame:
    """Turns of the window that could have been used (no greeting, none superseded), with Table 1's dimensions."""
    diversity = pinned(ctx.settings.diversity, ctx.lake.artifacts)
    usable = ctx.read("curation.outcomes").where("outcome != 'ineligible'").select("turn_id")
    turns = ctx.read("curation.screened").join(usable, "turn_id", "left_semi")
    columns = [
        "turn_id", "conversation_id", "turn_index", "session_turn_index", "user_id", "character_id", "model_version",
        "source", "locale", "language", "response_ts", "split", "redacted_user_message", "redacted_response", "ds",
    ]  # fmt: skip
    described = with_attributes(
        turns.select(*columns),
        ctx.read("curation.pruned"),
        ctx.read("curation.embeddings", None),
        ctx.settings.sampling,
        ctx.settings.turns.first_turn_scope,
    )
    used = {row["encoder"] for row in ctx.read("curation.pruned").select("encoder").distinct().collect()}
    encoders = {
        encoder_name(spec): load_encoder(spec) for spec in diversity.encoders if encoder_name(spec) in used
    }
    rules = ctx.settings.sampling
    labelled = with_text_labels(described, Classifier.of(encoders), rules.difficulty_bands)
    if rules.difficulty_scores is None:
        return labelled
    return with_score_bands(labelled, ctx.read("preherding.scores"), ctx.days[0], rules.difficulty_scores)


def level_counts(attributes: DataFrame) -> Counts:
    """Rows of each level of each dimension, by split: traffic before Phase I, when given every usable turn."""
    pairs = F.explode(
        F.array(
            *(F.struct(F.lit(name).alias("dimension"), F.col(name).alias("level")) for name in DIMENSIONS)
        )
    )
    counted = attributes.select("split", pairs.alias("pair")).groupBy("split", "pair").count().collect()
    return {(row["split"], row["pair"]["dimension"], row["pair"]["level"]): row["count"] for row in counted}


def _barred(ctx: JobContext, eligible: DataFrame) -> pa.Table:
    """Eligible turns with what bars them: `split_leak`, `context_unsafe` or NULL, and why; sorted by turn_id."""
    rules = ctx.settings.sampling
    leaks = split_leaks(eligible, ctx.read("curation.embeddings", None), rules.leak_similarity)
    unsafe = unsafe_contexts(eligible, _screened(ctx), ctx.read("curation.screened_characters", None))
    barred = F.when(F.col("leak_of").isNotNull(), "split_leak").when(
        F.col("unsafe").isNotNull(), "context_unsafe"
    )
    return (
        eligible.select("turn_id", "conversation_id", "split", "quality", *DIMENSIONS)
        .join(leaks, "turn_id", "left")
        .join(unsafe, "turn_id", "left")
        .withColumn("barred", barred)
        .withColumn("why", F.coalesce("leak_of", "unsafe"))
        .drop("leak_of", "unsafe")
        .toArrow()
        .sort_by("turn_id")
    )


def solve(split: str, table: pa.Table, eligible: int, before: Counts, rules: SamplingSettings) -> Solved:
    """Solve and draw one split.

    Args:
        table: its candidates: turn_id, conversation_id, quality and the seven dimensions.
        eligible: its eligible turns, which a share is taken of.

    Raises:
        InfeasibleConstraints: fewer candidates than K, or constraints that conflict; names the split.
    """
    candidates = Candidates(
        turn_id=_strings(table, "turn_id"),
        conversation_id=_strings(table, "conversation_id"),
        levels={name: _strings(table, name) for name in DIMENSIONS},
        quality=np.asarray(table.column("quality").to_numpy(), dtype=np.float64),
    )
    request = Request(
        size=_size(split, eligible, rules),
        constraints=asked(split, before, rules),
        seed=rules.seed,
        one_per_conversation=rules.one_per_conversation,
        allow_smaller=rules.allow_smaller,
        solver=Solver(max_gap=rules.max_gap),
    )
    if request.size == 0 or (len(candidates) == 0 and rules.allow_smaller):
        return Solved(split, candidates, request, None)
    try:
        return Solved(split, candidates, request, draw(candidates, request))
    except ConflictingConstraints as error:
        if rules.allow_smaller and error.diagnosis.largest_size is None:
            return Solved(split, candidates, request, None)
        raise InfeasibleConstraints(
            f"split {split}: {error.what}",
            table="curation.samples",
            setting="sampling",
            hint=f"{error.hint} Or set sampling.allow_smaller.",
        ) from error


def _size(split: str, eligible: int, rules: SamplingSettings) -> int:
    sizes: Mapping[str, int] = {str(name): size for name, size in rules.sample_size.items()}
    shares: Mapping[str, float] = {str(name): share for name, share in rules.sample_share.items()}
    if split in sizes:
        return sizes[split]
    return int(Fraction(str(shares.get(split, 0.0))) * eligible)


def _strings(table: pa.Table, name: str) -> Any:
    return np.asarray(table.column(name).to_pylist(), dtype=object)


def asked(split: str, before: Counts, rules: SamplingSettings) -> tuple[Constraint, ...]:
    """The constraints of a split: Table 1's floor and cap, the targets, and what settings add.

    A target of `traffic` is the distribution over the split's turns before Phase I; of dimensions that only text
    tells, over those whose text passed.
    """
    found = [Constraint("first_turn", "first", "floor", share=rules.first_turn_floor)]
    if rules.character_cap < 1:
        found.append(Constraint("character", ANY, "cap", share=rules.character_cap))
    for dimension, target in sorted(rules.targets.items()):
        shares: Mapping[str, float] = (
            target if isinstance(target, dict) else _traffic(split, dimension, before)
        )
        weight = rules.target_weights.get(dimension, 1.0)
        found += [
            Constraint(dimension, level, "target", share=share, weight=weight)
            for level, share in sorted(shares.items())
        ]
    found += [
        Constraint(more.dimension, more.level, more.kind, more.share, more.count, more.weight)
        for more in rules.constraints
    ]
    # What settings say by name stands in place of the default for the same level.
    return tuple({(item.dimension, item.level, item.kind): item for item in found}.values())


def _traffic(split: str, dimension: str, before: Counts) -> dict[str, float]:
    rows = {
        level: count
        for (where, name, level), count in before.items()
        if where == split and name == dimension and level != UNJUDGED
    }
    total = sum(rows.values())
    return {level: count / total for level, count in rows.items()} if total else {}


def _fates(table: pa.Table, barred: pa.Array, solved: Sequence[Solved]) -> pa.Table:
    """One row an eligible turn: where it ended."""
    out = table.filter(barred)
    none = pa.nulls(out.num_rows, pa.string())
    parts = [
        pa.table(
            [*out.select(["turn_id", "barred", "why"]).columns, none, pa.nulls(out.num_rows, pa.float64())],
            schema=_FATES,
        )
    ]  # fmt: skip
    for one in solved:
        size = len(one.candidates)
        if one.drawn is None:
            columns: list[Any] = [["not_sampled"] * size, [SIZE] * size, [None] * size, [None] * size]
        else:
            drawn = one.drawn
            columns = [
                np.where(drawn.selected, "selected", "not_sampled").tolist(),
                drawn.reason.tolist(),
                drawn.stratum.tolist(),
                [value if value == value else None for value in drawn.probability.tolist()],
            ]
        parts.append(pa.Table.from_arrays(
            [pa.array(c, t) for c, t in zip([one.candidates.turn_id, *columns], _FATES.types, strict=True)],
            schema=_FATES,
        ))  # fmt: skip
    return pa.concat_tables(parts)


def constraint_rows(solved: Solved, before: Counts) -> list[tuple[Any, ...]]:
    """Rows of `curation.constraints` of one split: the size, every constraint, and every level without one.

    `achieved` is counted from the drawn rows, not taken from the solver.
    """
    drawn, candidates = solved.drawn, solved.candidates
    size = 0 if drawn is None else drawn.size
    gap = 0.0 if drawn is None else drawn.allocation.optimality_gap
    chosen = np.zeros(len(candidates), dtype=bool) if drawn is None else drawn.selected
    total = sum(
        n for (split, name, _), n in before.items() if split == solved.split and name == DIMENSIONS[0]
    )
    wanted_by: dict[tuple[str, str], list[tuple[str, int | None]]] = {}
    for item, want in _wanted(solved, size):
        wanted_by.setdefault((item.dimension, item.level), []).append((item.kind, want))
    rows: list[tuple[Any, ...]] = [
        (solved.split, SIZE, "all", "target", float(solved.request.size), len(candidates), total, int(chosen.sum()),
         float(abs(int(chosen.sum()) - solved.request.size)), size, gap)
    ]  # fmt: skip
    for dimension in DIMENSIONS:
        column = candidates.levels[dimension]
        available, achieved = _count(column), _count(column[chosen])
        traffic = {
            lv: n for (split, name, lv), n in before.items() if (split, name) == (solved.split, dimension)
        }
        named = {level for name, level in wanted_by if name == dimension}
        for level in sorted({*available, *traffic, *named}):
            have = achieved.get(level, 0)
            counts = (available.get(level, 0), traffic.get(level, 0), have)
            for kind, aim in wanted_by.get((dimension, level), [("monitored", None)]):
                slack = None if aim is None else _slack(kind, have, aim)
                asked_for = None if aim is None else float(aim)
                rows.append((solved.split, dimension, level, kind, asked_for, *counts, slack, size, gap))
    return rows


def _wanted(solved: Solved, size: int) -> list[tuple[Constraint, int]]:
    """Every constraint, `ANY` spelled out for each level that candidates have, with the rows it asks for."""
    ones = np.ones(len(solved.candidates), dtype=np.int64)
    rows = Strata(
        {name: column.astype(str) for name, column in solved.candidates.levels.items()},
        ones,
        ones.astype(float),
    )
    every = expand(solved.request.constraints, rows)
    return list(zip(every, apportion(every, size), strict=True))


def _slack(kind: str, have: int, want: int) -> float:
    if kind == "floor":
        return float(have - want)
    return float(want - have) if kind == "cap" else float(abs(have - want))


def _count(column: Any) -> dict[str, int]:
    levels, counts = np.unique(column.astype(str), return_counts=True)
    return {str(level): int(count) for level, count in zip(levels, counts, strict=True)}


__all__ = ["Solved", "asked", "constraint_rows", "level_counts", "run", "solve"]
