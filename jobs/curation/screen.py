"""Phase I over a range of days: one verdict a turn, judged in its conversation (sections 2.2.1 and 2.6)."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.storagelevel import StorageLevel

from infra.contracts import contract
from infra.lake.facts import user_key
from infra.settings import ScreeningSettings
from models.screening.detection import Detectors
from models.screening.verdict import (
    ScreeningPolicy,
    Turn,
    TurnVerdict,
    content_hash,
    detectors_of,
    screen_conversations,
)

if TYPE_CHECKING:
    from jobs.context import JobContext

# Beyond W turns: the turns whose own verdicts a verdict looks at (follow-ups) and the word before a split number.
_MARGIN_TURNS = 5
# A conversation may begin under a character's last name but one.
_NAMES_KEPT = 2
_TURNS_A_BATCH = 2_000
_TURNS_A_TASK = 4_000
_READ = [
    "turn_id", "conversation_id", "character_id", "user_message", "response", "response_ts", "ds", "wanted", "near",
]  # fmt: skip
_VERDICT = (
    "turn_id", "ds", "verdict", "reasons", "privacy_spans", "safety_category", "safety_score", "redacted_user_message",
    "redacted_response", "content_hash",
)  # fmt: skip
# Of a judged turn: it is of the days of the run; it comes after one that is; it is judged, not only read for the people
# that it names; it holds a piece of a split identifier.
_REDACTED = ("redacted_user_message", "redacted_response")
_FLAGS = ("wanted", "follows", "near", "is_split")
_CARRIED = [
    "turn_id", "conversation_id", "session_id", "turn_index", "session_turn_index", "is_final", "user_id",
    "character_id", "model_version", "source", "surface", "locale", "language", "message_ts", "response_ts",
    "is_synthetic_time", "split", "ds",
]  # fmt: skip


@dataclass(frozen=True)
class Screening:
    """What a worker needs to judge: the policy, the key of content hashes, the character names by id.

    Attributes:
        names: character id to its names, each with the day since which it has it.
    """

    policy: ScreeningPolicy
    key: bytes
    names: dict[str, tuple[tuple[date, str], ...]]
    detectors: Callable[[], Detectors]


def run(ctx: JobContext) -> None:
    """Judge the days' turns; write the review queue, then the verdicts; mark the other days that a split touches."""
    settings = ctx.settings.screening
    # Loading here stops the job before it starts when a model is missing; workers load their own.
    detectors_of(settings).load(settings.languages)
    screening = Screening(
        ScreeningPolicy.of(settings),
        user_key(ctx.settings),
        character_names(ctx),
        Packaged(settings),
    )
    turns = ctx.read("traffic.turns", ctx.days)
    rows_in = {row["ds"]: row["count"] for row in turns.groupBy("ds").count().collect()}
    whole = ctx.read("traffic.turns")
    tasks = max(int(ctx.spark.sparkContext.defaultParallelism), -(-sum(rows_in.values()) // _TURNS_A_TASK))
    near = described(with_context(whole, ctx.days, settings), ctx.read("traffic.characters"))
    judged = judge(near, screening, tasks).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        decided = effective(
            judged.where("wanted"), ctx.read("curation.reviews"), screening.policy.policy_version
        )
        carried = turns.select(*_CARRIED).join(decided.drop("ds"), "turn_id")
        ctx.write("curation.review_queue", review_queue(carried, screening.policy), rows_in=rows_in)
        ctx.write("curation.screened", screened(carried, screening.policy), rows_in=rows_in)
        _mark_touched(ctx, judged)
    finally:
        judged.unpersist()


@dataclass(frozen=True)
class Packaged:
    """Names the detectors that the settings ask for without carrying them to workers: each loads its own, once."""

    settings: ScreeningSettings

    def __call__(self) -> Detectors:
        """The detectors of this process."""
        return detectors_of(self.settings)


def character_names(ctx: JobContext) -> dict[str, tuple[tuple[date, str], ...]]:
    """Names that each character has had, with the first day of each: a character's own name identifies no user.

    A turn is judged with the names known on its day, so that it does not matter when, or with which other days, it is
    judged.
    """
    rows = (
        ctx.read("traffic.characters")
        .where("name IS NOT NULL")
        .groupBy("character_id", "name")
        .agg(F.min("ds").alias("since"))
        .collect()
    )
    names: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for row in rows:
        names[row["character_id"]].append((row["since"], row["name"]))
    return {character: tuple(sorted(known)) for character, known in names.items()}


def with_context(turns: DataFrame, days: Sequence[date], settings: ScreeningSettings) -> DataFrame:
    """The days' turns (`wanted`), and all others of their conversations, whatever their day.

    Those up to W before and after (`near`) are judged with them; the others are read for the people that they name.
    """
    wanted = F.col("ds").isin(list(days))
    touched = turns.where(wanted).select("conversation_id").distinct()
    reach = settings.context_turns + _MARGIN_TURNS
    order = Window.partitionBy("conversation_id").orderBy("response_ts", "turn_id")
    near = order.rowsBetween(-reach, reach)
    return (
        turns.join(touched, "conversation_id", "left_semi")
        .withColumn("wanted", wanted)
        .withColumn("near", F.max(wanted.cast("int")).over(near) == 1)
        .select(*_READ)
    )


def described(turns: DataFrame, characters: DataFrame) -> DataFrame:
    """The turns; the first of each conversation with `character_texts`: name, traits and instructions at that time."""
    order = Window.partitionBy("conversation_id").orderBy("response_ts", "turn_id")
    none = F.lit("")
    texts = characters.select(
        F.col("character_id").alias("_id"), F.col("valid_from").alias("_from"), F.col("valid_to").alias("_to"),
        F.concat(
            F.array(F.coalesce("name", none)), F.coalesce("traits", F.array().cast("array<string>")),
            F.array(F.coalesce("instructions", none)),
        ).alias("character_texts"),
    )  # fmt: skip
    then = (
        F.col("_is_first") & (F.col("character_id") == F.col("_id")) & (F.col("_from") <= F.col("response_ts"))
        & (F.col("_to").isNull() | (F.col("response_ts") < F.col("_to")))
    )  # fmt: skip
    firsts = turns.withColumn("_is_first", F.row_number().over(order) == 1)
    return firsts.join(texts, then, "left").drop("_is_first", "_id", "_from", "_to")


def judge(turns: DataFrame, screening: Screening, tasks: int) -> DataFrame:
    """One row a wanted turn, and one a context turn whose own verdict the wanted ones may change; depends on no order.

    Those are the turns that `follows` says come after a wanted one, and holders of a piece of a split identifier.
    """
    return (
        turns.repartition(tasks, "conversation_id")
        .sortWithinPartitions("conversation_id", "response_ts", "turn_id")
        .mapInArrow(_judging(screening), _judged_spark())
    )


def _judging(screening: Screening) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        rows = (row for batch in batches for row in batch.to_pylist())
        waiting: list[list[dict[str, Any]]] = []
        size = 0
        for _, group in groupby(rows, key=lambda row: row["conversation_id"]):
            waiting.append(list(group))
            size += len(waiting[-1])
            if size >= _TURNS_A_BATCH:
                yield _judged(waiting, screening)
                waiting, size = [], 0
        if waiting:
            yield _judged(waiting, screening)

    return apply


def _judged(conversations: Sequence[Sequence[dict[str, Any]]], screening: Screening) -> pa.RecordBatch:
    verdicts = screen_conversations(
        [
            [
                Turn(
                    row["turn_id"],
                    row["user_message"],
                    row["response"] or "",
                    _names_known(screening, row),
                    tuple(text or "" for text in row.get("character_texts") or ()),
                    is_judged=row["near"],
                )
                for row in rows
            ]
            for rows in conversations
        ],
        screening.policy,
        detectors=screening.detectors(),
        keys=[_conversation_key(screening, rows[0]["conversation_id"]) for rows in conversations],
    )
    out = []
    for rows, these in zip(conversations, verdicts, strict=True):
        follows = False
        for row, verdict in zip(rows, these, strict=True):
            if row["wanted"] or verdict.is_split or follows:
                flags = {"follows": follows and not row["wanted"], "near": row["near"]}
                out.append(_row(row, verdict, screening.key) | flags)
            follows = follows or row["wanted"]
    return pa.RecordBatch.from_pylist(out, schema=_judged_arrow())


def _conversation_key(screening: Screening, conversation_id: str) -> bytes:
    """The secret from which the invented names of a conversation are drawn."""
    return hmac.new(screening.key, b"names of " + conversation_id.encode(), hashlib.sha256).digest()


def _names_known(screening: Screening, row: dict[str, Any]) -> tuple[str, ...]:
    """The character's latest names: somebody who renames it each day must not collect a list of names."""
    known = [name for since, name in screening.names.get(row["character_id"] or "", ()) if since <= row["ds"]]
    return tuple(sorted(known[-_NAMES_KEPT:]))


def _judged_arrow() -> pa.Schema:
    """A judged turn: columns of `curation.screened` and `curation.review_queue`, and the flags."""
    doubt = contract("curation.review_queue").arrow_schema(("uncertainty",))
    flags = [pa.field(name, pa.bool_()) for name in _FLAGS]
    return pa.schema([*contract("curation.screened").arrow_schema(_VERDICT), *doubt, *flags])


def _judged_spark() -> StructType:
    """The same for Spark."""
    schema = contract("curation.screened").spark_schema(_VERDICT)
    schema.add("uncertainty", contract("curation.review_queue").spark_schema(("uncertainty",))[0].dataType)
    for name in _FLAGS:
        schema.add(name, "boolean")
    return schema


def _row(row: dict[str, Any], verdict: TurnVerdict, key: bytes) -> dict[str, Any]:
    spans = [
        {"field": name, "start": s.start, "end": s.end, "type": s.type, "score": round(s.score, 6)}
        for name, part in (("user_message", verdict.user_message), ("response", verdict.response))
        for s in part.spans
    ]
    return {
        "turn_id": row["turn_id"],
        "ds": row["ds"],
        "wanted": row["wanted"],
        "is_split": verdict.is_split,
        "verdict": verdict.verdict,
        "reasons": list(verdict.reasons),
        "privacy_spans": spans,
        "safety_category": verdict.safety_category,
        "safety_score": None if verdict.safety_score is None else round(verdict.safety_score, 6),
        "redacted_user_message": None if row["user_message"] is None else verdict.user_message.redacted,
        "redacted_response": verdict.response.redacted,
        "uncertainty": round(verdict.uncertainty, 6),
        "content_hash": content_hash(key, row["user_message"], row["response"]),
    }


def effective(judged: DataFrame, reviews: DataFrame, policy_version: str) -> DataFrame:
    """Verdicts after the reviewers: the last decision on this policy and content turns review into pass or reject.

    A rejection by the detectors stands: only what they were unsure of is a reviewer's to decide.
    """
    latest_first = (F.coalesce("sequence", F.lit(-1)).desc(), F.desc("decided_ts"), F.desc("decision"))
    last = Window.partitionBy("turn_id", "content_hash").orderBy(*latest_first)
    decisions = (
        reviews.where(F.col("policy_version") == policy_version)
        .withColumn("_rank", F.row_number().over(last))
        .where("_rank = 1")
        .select("turn_id", "content_hash", "decision")
    )
    open_verdict = F.col("verdict") == "review"
    approved = open_verdict & (F.col("decision") == "approve")
    refused = open_verdict & (F.col("decision") == "reject")
    verdict = F.when(approved, "pass").when(refused, "reject").otherwise(F.col("verdict"))
    reasons = (
        F.when(approved, F.concat(F.array(F.lit("approved_by_reviewer")), "reasons"))
        .when(refused, F.concat(F.array(F.lit("rejected_by_reviewer")), "reasons"))
        .otherwise(F.col("reasons"))
    )
    return (
        judged.join(decisions, ["turn_id", "content_hash"], "left")
        .withColumns({"verdict": verdict, "reasons": reasons})
        .drop("decision", *_FLAGS)
    )


def review_queue(decided: DataFrame, policy: ScreeningPolicy) -> DataFrame:
    """What waits for a person, without any text."""
    return decided.where("verdict = 'review'").select(
        "turn_id",
        "uncertainty",
        "reasons",
        "language",
        "content_hash",
        F.lit(policy.policy_version).alias("policy_version"),
        F.col("response_ts").alias("queued_ts"),
        "ds",
    )


def screened(decided: DataFrame, policy: ScreeningPolicy) -> DataFrame:
    """The verdicts with redacted text for those that pass and for no other."""
    versions = [F.lit(part) for pair in sorted(policy.detector_versions.items()) for part in pair]
    passed = F.col("verdict") == "pass"
    # A pass without text would be a contradiction: a turn that lost its redaction cannot pass.
    return decided.withColumns(
        {
            "redacted_user_message": F.when(passed, F.col("redacted_user_message")),
            "redacted_response": F.when(passed, F.col("redacted_response")),
            "policy_version": F.lit(policy.policy_version),
            "detector_versions": F.create_map(*versions),
        }
    ).drop("uncertainty")


def _mark_touched(ctx: JobContext, judged: DataFrame) -> None:
    """Mark days outside the run whose verdicts these turns change.

    A turn that completes an identifier changes the turns that hold its other pieces; a turn that came late, or is
    judged otherwise than before, changes what the turns after it are judged in.
    """
    outside = judged.where("NOT wanted").select(
        "turn_id", "ds", "is_split", "follows", "near", F.col("reasons").alias("_reasons"),
        *(F.col(name).alias(f"_{name}") for name in _REDACTED),
    )  # fmt: skip
    days = [row["ds"] for row in outside.select("ds").distinct().collect()]
    if not days:
        return
    stored = ctx.read("curation.screened", days).select("turn_id", "reasons", "policy_version", *_REDACTED)
    split_now = F.expr("near AND is_split AND NOT exists(reasons, r -> r LIKE 'split:%')")
    otherwise = F.expr("near AND follows") & (_own_reasons("reasons") != _own_reasons("_reasons"))
    # A turn that came late, or is judged otherwise, may name somebody before the ones that were counted.
    renamed = F.expr(" OR ".join(f"{name} != _{name}" for name in _REDACTED))
    # Under another policy the day is due anyway.
    same_policy = F.col("policy_version") == ScreeningPolicy.of(ctx.settings.screening).policy_version
    compared = outside.join(stored, "turn_id").where(same_policy)
    for changed, cause in (
        (split_now, "an identifier split over several turns was completed"),
        (otherwise & ~split_now, "earlier messages were screened again"),
        (renamed & ~split_now & ~otherwise, "the people of a conversation are counted otherwise"),
    ):
        if touched := [row["ds"] for row in compared.where(changed).select("ds").distinct().collect()]:
            ctx.mark_stale("curation.screen", touched, cause)


def _own_reasons(column: str) -> Column:
    """What the detectors said of a turn, without reviewers' words and without splits, which later turns complete."""
    return F.expr(f"sort_array(filter({column}, r -> r NOT LIKE 'split:%' AND r NOT LIKE '%_by_reviewer'))")
