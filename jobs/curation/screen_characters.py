"""Phase I for characters: name, traits and instructions are user-written and screened like any text (section 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from infra.contracts import contract
from jobs.curation.screen import Packaged
from models.screening.detection import Detectors, Question, examine
from models.screening.verdict import ScreeningPolicy, Verdict, character_cast, detectors_of, ruled

if TYPE_CHECKING:
    from jobs.context import JobContext

_CARRIED = ["character_id", "valid_from", "valid_to", "is_current", "state", "ds"]
_SCREENED = [*_CARRIED, "verdict", "reasons", "redacted_name", "redacted_traits", "redacted_instructions"]


def run(ctx: JobContext) -> None:
    """Judge every character version of the days, and those whose validity changed with them."""
    settings = ctx.settings.screening
    detectors_of(settings).load(settings.languages)
    policy = ScreeningPolicy.of(settings)
    current = ctx.read("traffic.characters", ctx.days)
    rows_in = {row["ds"]: row["count"] for row in current.groupBy("ds").count().collect()}
    # A late version ends an earlier one, so all versions of a changed character are written again.
    touched = current.select("character_id").distinct()
    versions = ctx.read("traffic.characters").join(touched, "character_id", "left_semi")
    frame = screen_characters(versions, policy, Packaged(settings))
    ctx.write("curation.screened_characters", frame, rows_in=rows_in)


def screen_characters(
    versions: DataFrame, policy: ScreeningPolicy, detectors: Callable[[], Detectors]
) -> DataFrame:
    """One row a version: redacted name, traits and instructions where all of them pass, NULL otherwise."""
    judged = versions.select(*_CARRIED, "name", "traits", "instructions").mapInArrow(
        _judging(policy, detectors), contract("curation.screened_characters").spark_schema(_SCREENED)
    )
    return judged.withColumn("policy_version", F.lit(policy.policy_version))


def _judging(
    policy: ScreeningPolicy, detectors: Callable[[], Detectors]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            verdicts = [_judged(row, policy, detectors()) for row in batch.to_pylist()]
            text, texts = pa.string(), pa.list_(pa.string())
            columns = {
                "verdict": text,
                "reasons": texts,
                "redacted_name": text,
                "redacted_traits": texts,
                "redacted_instructions": text,
            }
            yield pa.RecordBatch.from_arrays(
                [batch.column(name) for name in _CARRIED]
                + [pa.array([row[name] for row in verdicts], kind) for name, kind in columns.items()],
                [*_CARRIED, *columns],
            )

    return apply


def _judged(row: dict[str, Any], policy: ScreeningPolicy, detectors: Detectors) -> dict[str, Any]:
    """Judge the fields of one version, each by itself and all as one text, to find what only fields together show."""
    traits = [trait or "" for trait in row["traits"] or []]
    texts = [row["name"] or "", *traits, row["instructions"] or ""]
    together = "\n".join(texts)
    allowed = (row["name"],) if row["name"] else ()
    questions = [Question(text, allowed) for text in [*texts, together]]
    *found, found_together = examine(questions, policy.settings, detectors)
    people, parts = character_cast(texts, found, policy.settings, str(row.get("character_id")).encode())
    whole = ruled(together, found_together, policy.settings, people)
    verdicts = [*parts, whole]
    worst = _worst(parts, whole)
    passed = worst == "pass"
    return {
        "verdict": worst,
        "reasons": sorted(
            {
                reason
                for verdict in verdicts
                for reason in verdict.reasons
                if passed or "redacted" not in reason
            }
        ),
        "redacted_name": parts[0].redacted if passed and row["name"] is not None else None,
        "redacted_traits": [part.redacted for part in parts[1:-1]]
        if passed and row["traits"] is not None
        else None,
        "redacted_instructions": parts[-1].redacted if passed and row["instructions"] is not None else None,
    }


def _worst(parts: Sequence[Verdict], whole: Verdict) -> str:
    rulings = {verdict.verdict for verdict in [*parts, whole]}
    return next(ruling for ruling in ("reject", "review", "pass") if ruling in rulings)
