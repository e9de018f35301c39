"""Phase III: samples a dataset that meets its constraints from a window's eligible turns (section 2.2.1, Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.contracts import contract
from infra.errors import InfeasibleConstraints
from infra.settings import SamplingSettings
from jobs.curation.sampling.achieved import COLUMNS, Solved, constraint_rows
from jobs.curation.sampling.attributes import DIMENSIONS, jtbd_classifier, with_attributes, with_text_labels
from jobs.curation.sampling.composition import composition
from jobs.curation.sampling.constraints import SIZE
from jobs.curation.sampling.conversation_context import contexts, unsafe_contexts
from jobs.curation.sampling.difficulty import with_score_bands
from jobs.curation.sampling.draw import draw
from jobs.curation.sampling.infeasibility import ConflictingConstraints, binding, shortfall
from jobs.curation.sampling.request import request
from jobs.curation.sampling.splitleak import split_leaks
from jobs.curation.sampling.strata import Candidates
from jobs.curation.sampling.supply import Supplies, shortages, supplies

if TYPE_CHECKING:
    from jobs.context import JobContext

SPLITS = ("train", "evaluation")


def run(ctx: JobContext) -> None:
    """Build the dataset of the run's window."""
    rules = ctx.settings.sampling
    attributes = _attributes(ctx).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        supply_by_level = supplies(attributes)
        table = _barred(ctx, attributes.where("outcome = 'eligible'"))
        ctx.say(f"{table.num_rows:,} eligible turns")
        barred = pc.is_valid(table.column("barred"))
        solved = [_solved(split, table, barred, supply_by_level, rules) for split in SPLITS]
        for solved_split in solved:
            ctx.say(_summary(solved_split))
            if warning := shortfall_of(solved_split):
                ctx.warn(warning)
        fates = ctx.spark.createDataFrame(_fates(table, barred, solved)).persist(StorageLevel.MEMORY_AND_DISK)
        _write(ctx, attributes, fates, solved, supply_by_level)
        fates.unpersist()
    finally:
        attributes.unpersist()


def _write(
    ctx: JobContext,
    attributes: DataFrame,
    fates: DataFrame,
    solved: Sequence[Solved],
    supply_by_level: Supplies,
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
    rows = [row for solved_split in solved for row in constraint_rows(solved_split, supply_by_level)]
    ctx.write(
        "curation.constraints",
        ctx.spark.createDataFrame(rows, contract("curation.constraints").spark_schema(COLUMNS)).select(
            dataset, "*", F.lit(last).alias("ds")
        ),
    )
    counted = composition(attributes, fates)
    ctx.write("curation.composition", counted.select(dataset, "*"), rows_in={last: eligible})
    chosen = fates.where("outcome = 'selected'").select("turn_id", "stratum", "inclusion_probability")
    selected = attributes.join(F.broadcast(chosen), "turn_id")
    turn_contexts = contexts(
        selected,
        _screened(ctx),
        ctx.read("curation.screened_characters"),
        ctx.settings.sampling.context_turns,
    )
    ctx.write(
        "curation.samples",
        selected.join(turn_contexts, "turn_id").select(
            dataset, "turn_id", "conversation_id", "user_id", "model_version", "source", "split", "is_first_turn",
            "character_id", "locale", "language", "jtbd", "depth_band", "quality_band", "difficulty_band",
            "inclusion_probability", (1 / F.col("inclusion_probability")).alias("weight"), "stratum", "context",
            F.col("redacted_response").alias("response"), "ds",
        ),
        rows_in={last: eligible},
        rejected={last: {name: n for name, n in counts.items() if name != "selected"}},
    )  # fmt: skip


def _screened(ctx: JobContext) -> DataFrame:
    return ctx.read("curation.screened")


def _attributes(ctx: JobContext) -> DataFrame:
    """Turns of the window that could have been used (no greeting, none superseded), with Table 1's dimensions
    and their daily outcome and its reason."""
    usable = (
        ctx.read("curation.outcomes").where("outcome != 'ineligible'").select("turn_id", "outcome", "reason")
    )
    turns = ctx.read("curation.screened", ctx.days).join(usable, "turn_id")
    columns = [
        "turn_id", "outcome", "reason", "conversation_id", "turn_index", "session_turn_index", "user_id",
        "character_id", "model_version", "source", "locale", "language", "response_ts", "split",
        "redacted_user_message", "redacted_response", "ds",
    ]  # fmt: skip
    described = with_attributes(
        turns.select(*columns),
        ctx.read("curation.pruned"),
        ctx.read("curation.embeddings"),
        ctx.settings.sampling,
        ctx.settings.turns.first_turn_scope,
    )
    rules = ctx.settings.sampling
    labelled = with_text_labels(described, jtbd_classifier(ctx), rules.difficulty_bands)
    if rules.difficulty_scores is None:
        return labelled
    return with_score_bands(labelled, ctx.read("preherding.scores"), ctx.days[0], rules.difficulty_scores)


def _barred(ctx: JobContext, eligible: DataFrame) -> pa.Table:
    """Eligible turns, sorted by turn_id; `barred` is `split_leak`, `context_unsafe` or NULL, `why` the details."""
    rules = ctx.settings.sampling
    leaks = split_leaks(eligible, ctx.read("curation.embeddings"), rules.leak_similarity)
    unsafe = unsafe_contexts(eligible, _screened(ctx), ctx.read("curation.screened_characters"))
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


def _solved(
    split: str, table: pa.Table, barred: pa.ChunkedArray, supply_by_level: Supplies, rules: SamplingSettings
) -> Solved:
    inside = pc.equal(table.column("split"), split)
    able = table.filter(pc.and_(pc.invert(barred), inside))
    return solve(split, able, int(pc.sum(inside).as_py() or 0), supply_by_level, rules)


def solve(
    split: str, table: pa.Table, eligible: int, supply_by_level: Supplies, rules: SamplingSettings
) -> Solved:
    """Solve and draw one split.

    Args:
        table: its candidates: turn_id, conversation_id, quality and the seven dimensions.
        eligible: its eligible turns, which a share is taken of.
        supply_by_level: turns of each level by phase, for targets and for messages about shortages.

    Raises:
        InfeasibleConstraints: fewer candidates than K, or constraints that conflict; names the split.
    """
    candidates = Candidates.of(table, DIMENSIONS)
    split_request = request(split, eligible, supply_by_level, rules)
    if split_request.size == 0 or (len(candidates) == 0 and rules.allow_smaller):
        return Solved(split, candidates, split_request, None)
    try:
        return Solved(split, candidates, split_request, draw(candidates, split_request))
    except ConflictingConstraints as error:
        if rules.allow_smaller and error.diagnosis.largest_size is None:
            return Solved(split, candidates, split_request, None, error.diagnosis)
        starved = shortages(error.diagnosis, split, candidates, supply_by_level)
        raise InfeasibleConstraints(
            f"split {split}: {error.what}",
            table="curation.samples",
            setting="sampling",
            hint=" ".join(part for part in (error.hint, starved, _WAYS_OUT) if part),
        ) from error


_WAYS_OUT = (
    "To relax constraints, name them in sampling.relax. To accept the largest feasible size, set "
    "sampling.allow_smaller."
)


def _summary(solved: Solved) -> str:
    """Progress line for a split."""
    wanted = solved.request.size
    if solved.drawn is None:
        return f"{solved.split}: nothing drawn" + (
            f", no size up to {wanted:,} is feasible" if wanted else ""
        )
    gave_way = "; ".join(
        f"{relaxation.constraint.name} was relaxed by {relaxation.slack:,}"
        for relaxation in solved.drawn.settled.relaxed
    )
    return (
        f"{solved.split}: {solved.drawn.size:,} of {len(solved.candidates):,} candidates, "
        f"gap {solved.drawn.allocation.optimality_gap:.1e}"
        + (f" (asked for {wanted:,})" if solved.drawn.size < wanted else "")
        + (f"; {gave_way}" if gave_way else "")
    )


def shortfall_of(solved: Solved) -> str | None:
    """For people: that a split has fewer rows than asked for, by what, and what to do; None where it has not."""
    if solved.shrunk_by is not None:
        got = 0 if solved.drawn is None else solved.drawn.size
        told = shortfall(solved.shrunk_by, got)
    elif solved.drawn is None and solved.request.size:
        told = f"no rows instead of the {solved.request.size:,} asked for: the split has no candidate"
    else:
        return None
    return f"split {solved.split} has {told}. sampling.allow_smaller lets this pass: views.dataset_constraints has it."


def _fates(table: pa.Table, barred: pa.ChunkedArray, solved: Sequence[Solved]) -> pa.Table:
    """One row an eligible turn: its outcome."""
    out = table.filter(barred)
    none = pa.nulls(out.num_rows, pa.string())
    columns = [*out.select(["turn_id", "barred", "why"]).columns, none, pa.nulls(out.num_rows, pa.float64())]
    return pa.concat_tables(
        [pa.table(columns, schema=_fates_schema()), *(fates_of(solved_split) for solved_split in solved)]
    )


def fates_of(solved: Solved) -> pa.Table:
    """Outcome of each candidate of a split: turn_id, outcome, reason, stratum, inclusion_probability."""
    ids, drawn = solved.candidates.turn_id, solved.drawn
    if drawn is None:
        bound = SIZE if solved.failed_by is None else binding(solved.failed_by)
        outcome, reason = (pa.repeat(pa.scalar(text), len(ids)) for text in ("not_sampled", bound))
        stratum, probability = pa.nulls(len(ids), pa.string()), pa.nulls(len(ids), pa.float64())
    else:
        outcome = pc.if_else(pa.array(drawn.selected), "selected", "not_sampled")
        reason, stratum = drawn.reason.arrow(), drawn.stratum.arrow()
        probability = pa.array(drawn.probability, from_pandas=True)
    return pa.Table.from_arrays([ids, outcome, reason, stratum, probability], schema=_fates_schema())


def _fates_schema() -> pa.Schema:
    outcomes = contract("curation.sample_outcomes").arrow_schema(("turn_id", "outcome", "reason", "stratum"))
    return pa.schema([*outcomes, *contract("curation.samples").arrow_schema(("inclusion_probability",))])


__all__ = ["fates_of", "run", "solve"]
