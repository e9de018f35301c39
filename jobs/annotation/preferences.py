"""Writes the judged pairs of a batch: parses landed lines, settles them by id, screens them, and counts all refusals.

Paper sections 2.2.2 (static and interactive annotation) and 2.3.1 (reward models). A batch is a landed day. The first
batch that holds a pair, or an annotator's judgement of it, keeps it, whatever the order in which batches arrive.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.ids import name_of
from infra.lake import ledger
from infra.lake.facts import ids_are_keyed, user_key
from infra.write.quality import Result
from jobs.annotation import ZONE
from jobs.annotation.parse import JudgementRules
from jobs.annotation.screen import batches_of, screen_pairs
from jobs.annotation.settle import DUPLICATE, KEPT, parse_landing, settle
from jobs.curation.screen import Packaged
from jobs.landing.rows import fates_by_day, refuse_broken
from jobs.traffic.turns import TurnRules, split_of
from models.screening.detection import Detectors
from models.screening.verdict import ScreeningPolicy, detectors_of

if TYPE_CHECKING:
    from jobs.context import JobContext

TABLE = "annotation.preferences"
_PAIRS_A_BATCH, _PAIRS_A_TASK = 250, 1_000
_TEXTS = ("context", "response_a", "response_b")
_SCREENED = pa.schema([(name, pa.string()) for name in ("pair_id", "barred", *_TEXTS, "safety_category")])


@dataclass(frozen=True)
class PairScreening:
    """What a worker needs to screen pairs: the policy, the sources whose unsafe pairs are kept, the detectors."""

    policy: ScreeningPolicy
    keep_unsafe: frozenset[str]
    detectors: Callable[[], Detectors]


def run(ctx: JobContext) -> None:
    """Write the batches of `ctx.days`; batches that this changes are marked stale.

    Raises:
        LandingFileBroken: names every broken file of the days; the tables are as they were.
        DetectorUnavailable: a screening model is missing; nothing was written.
    """
    files = ctx.landed_files(ZONE)
    ctx.say(f"{len(files)} landing file(s) of judgements, {sum(file.size for file in files) / 1e6:.1f} MB")
    screening = _screening(ctx, bool(files))
    landing = ctx.settings.landing
    rules = JudgementRules(
        landing.max_line_bytes,
        user_key(ctx.settings),
        ledger.erased_users(ctx.lake),
        landing.max_expansion,
        landing.max_refused_lines,
        ids_are_keyed(ctx.lake),
    )
    parsed = parse_landing(ctx.spark, files, rules).persist(StorageLevel.MEMORY_AND_DISK)
    refuse_broken(parsed, TABLE, ctx.days)
    stored = ctx.read(TABLE)
    settled = settle(parsed, stored.where(~F.col("ds").isin(list(ctx.days))))
    settled = settled.persist(StorageLevel.MEMORY_AND_DISK)
    fates = parsed.join(settled.drop("ds"), ["source_file", "line"], "left").withColumn(
        "fate", F.coalesce("reason", "fate")
    )
    judged = screened(fates.where(F.col("fate") == KEPT).dropDuplicates(["pair_id"]), screening)
    judged = judged.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        final = with_verdicts(fates, judged)
        _mark_changed(ctx, settled, final, stored)
        _write(ctx, final, screening.policy)
    finally:
        for frame in (judged, settled, parsed):
            frame.unpersist()


def screened(pairs: DataFrame, screening: PairScreening) -> DataFrame:
    """Each pair, screened once. `barred` is the reason why it does not pass; if NULL, the redacted texts are set."""
    session = pairs.sparkSession
    tasks = max(int(session.sparkContext.defaultParallelism), -(-pairs.count() // _PAIRS_A_TASK))
    schema = ", ".join(f"{name} string" for name in _SCREENED.names)
    return (
        pairs.select("pair_id", "source", *_TEXTS)
        .repartition(tasks, "pair_id")
        .mapInArrow(partial(_screen_batches, screening=screening), schema)
    )


def with_verdicts(fates: DataFrame, judged: DataFrame) -> DataFrame:
    """The lines with their last fate: those kept so far have the redacted texts of their pair, or what barred it."""
    is_kept = F.col("fate") == KEPT
    joined = fates.drop(*_TEXTS).join(judged, "pair_id", "left")
    return joined.withColumn(
        "fate", F.when(is_kept, F.coalesce("barred", F.lit(KEPT))).otherwise(F.col("fate"))
    )


def _screening(ctx: JobContext, load: bool) -> PairScreening:
    settings = ctx.settings.screening
    if load:  # a missing model stops the job before it starts; workers load their own
        detectors_of(settings).load(settings.languages)
    keep = frozenset(_kept_sources(ctx))
    return PairScreening(ScreeningPolicy.of(settings), keep, Packaged(settings))


def _kept_sources(ctx: JobContext) -> dict[str, str]:
    """The sources whose unsafe pairs are kept, as the table names them, with the reason from the setting."""
    reasons = ctx.settings.preferences.keep_unsafe
    if not ids_are_keyed(ctx.lake):
        return dict(reasons)
    return {name_of("source", name, user_key(ctx.settings)): reason for name, reason in reasons.items()}


def _screen_batches(
    arrived: Iterable[pa.RecordBatch], screening: PairScreening
) -> Iterator[pa.RecordBatch]:  # runs on the workers
    rows = (row for batch in arrived for row in batch.to_pylist())
    for pairs in batches_of(rows, _PAIRS_A_BATCH):
        verdicts = screen_pairs(pairs, screening.policy, screening.detectors(), screening.keep_unsafe)
        columns = zip(
            *((pair["pair_id"], *astuple(outcome)) for pair, outcome in zip(pairs, verdicts, strict=True)),
            strict=True,
        )
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, pa.string()) for column in columns], schema=_SCREENED
        )


def _mark_changed(ctx: JobContext, settled: DataFrame, final: DataFrame, stored: DataFrame) -> None:
    """Mark batches outside the run that hold what these batches now hold, or were refused what these now let go.

    Before the write: a run that dies in between marks too much, never too little.
    """
    taken = settled.where(F.col("line").isNull() & (F.col("fate") != KEPT)).select("ds").distinct().collect()
    ctx.mark_stale(ctx.job.name, (row["ds"] for row in taken), "an earlier batch has the same pairs")
    what = ["pair_id", "annotator_id", "content_hash", "winner"]
    lost = (
        stored.where(F.col("ds").isin(list(ctx.days)))
        .join(final.where(F.col("fate") == KEPT).select(*what), what, "left_anti")
        .agg(F.min("ds").alias("first"))
        .collect()[0]["first"]
    )
    if lost is not None:
        ran = ledger.days_run(ctx.lake, TABLE, ctx.job.name)
        later = (day for day in ran - set(ctx.days) if day > lost)
        ctx.mark_stale(ctx.job.name, later, "an earlier batch no longer has some of the pairs")


def _write(ctx: JobContext, final: DataFrame, policy: ScreeningPolicy) -> None:
    counts = {day: Counter[str]() for day in ctx.days} | fates_by_day(final, "ds")
    quarantined = {
        day: sum(n for fate, n in c.items() if fate not in (KEPT, DUPLICATE)) for day, c in counts.items()
    }
    refused = final.where(~F.col("fate").isin(KEPT, DUPLICATE))
    ctx.write(
        "annotation.quarantine",
        refused.select("source_file", "line", F.col("fate").alias("reason"), "ds"),
        rows_in=quarantined,
        rows_out=quarantined,
    )
    kept_rows = final.where(F.col("fate") == KEPT)
    ctx.write(
        TABLE,
        kept_rows.select(
            "pair_id", "annotator_id", F.date_format("ds", "yyMMdd").alias("batch"), "mode", "source", *_TEXTS,
            "winner", "user_id", "guideline_version", _split(ctx), "safety_category", "content_hash",
            F.lit(policy.policy_version).alias("policy_version"), "ds",
        ),
        rows_in={day: sum(c.values()) for day, c in counts.items()},
        rows_out={day: c[KEPT] for day, c in counts.items()},
        rejected={day: {fate: n for fate, n in c.items() if fate != KEPT} for day, c in counts.items()},
    )  # fmt: skip
    ctx.record_quality(TABLE, _kept_unsafe(ctx, kept_rows))
    total = sum(counts.values(), Counter[str]())
    ctx.say(", ".join(f"{fate} {n:,}" for fate, n in total.most_common()) or "no lines")


def _split(ctx: JobContext) -> Any:
    """The split: by user, as in traffic.turns; without a user by the opening, so that no prompt is in both splits."""
    rules = TurnRules.of(ctx.settings)
    return F.when(F.col("user_id").isNotNull(), split_of("user_id", rules)).otherwise(
        split_of("opening", rules)
    ).alias("split")  # fmt: skip


def _kept_unsafe(ctx: JobContext, kept_rows: DataFrame) -> list[Result]:
    """Quality results on unsafe pairs that a setting lets in, by source, with the reason from the setting."""
    unsafe = (
        kept_rows.where("safety_category IS NOT NULL")
        .groupBy("source")
        .agg(F.countDistinct("pair_id").alias("pairs"))
    )
    reasons = _kept_sources(ctx)
    if not reasons:
        return []
    return [
        Result(
            f"keep_unsafe({row['source']}: {reasons[row['source']]})", "warning", True,
            json.dumps({"pairs": row["pairs"]}),
        )
        for row in sorted(unsafe.collect(), key=lambda row: str(row["source"]))
    ]  # fmt: skip
