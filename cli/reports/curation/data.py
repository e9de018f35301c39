"""What the curation report shows, read from the lake's tables without a JVM: counts, and redacted text only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from infra.lake import Lake
from infra.lake.sql import connect, named_rows

Row = dict[str, Any]

DIMENSIONS = {
    "first_turn": "First turn",
    "character": "Character",
    "locale_language": "Locale and language",
    "jtbd": "Job to be done",
    "depth_band": "Conversation depth",
    "quality_band": "Prompt quality",
    "difficulty_band": "Prompt difficulty",
}
_WINDOW = re.compile(r"-(\d{8})-(\d{8})-[0-9a-f]+$")
_SHOWN_CHARACTERS = 240
_TEXTS = ("removed", "kept", "message")


@dataclass(frozen=True)
class Report:
    """Everything on the page. Lists hold one dict a row; `dataset_id` is None when no dataset was ever built."""

    dataset_id: str | None
    first_day: date | None
    last_day: date | None
    outcomes: Sequence[Row]
    fates: Sequence[Row]
    constraints: Sequence[Row]
    duplicates: Sequence[Row]
    days: Sequence[Row]
    drift: Sequence[Row]
    levels: Sequence[Row]
    prompts: Sequence[Row]
    runs: Sequence[Row]
    costs: Sequence[Row]
    quality: Sequence[Row]


def read(lake: Lake, examples: int, map_points: int) -> Report:
    """The last dataset that was built and its window; without one, all curated days.

    Args:
        examples: near-duplicate pairs to show.
        map_points: prompts to read with their vectors, for the embedding map.
    """
    with connect(lake) as database:

        def rows(query: str, **values: Any) -> list[Row]:
            return named_rows(database, query, values)

        last = rows(
            "SELECT scope FROM ops.runs WHERE job = 'curation.sample' AND state = 'succeeded' AND scope IS NOT NULL "
            "ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, scope LIMIT 1"
        )
        dataset = last[0]["scope"] if last else None
        first_day, last_day = _window(dataset) or _all_days(rows)
        window = {"first": first_day, "last": last_day}
        return Report(
            dataset_id=dataset,
            first_day=first_day,
            last_day=last_day,
            outcomes=rows(_OUTCOMES, **window),
            fates=rows(_FATES, dataset=dataset),
            constraints=rows(_CONSTRAINTS, dataset=dataset),
            duplicates=[_shortened(row) for row in rows(_DUPLICATES, **window, examples=examples)],
            days=rows(_DAYS, dataset=dataset),
            drift=rows(_DRIFT, dataset=dataset),
            levels=rows(_LEVELS, dataset=dataset),
            prompts=[_shortened(row) for row in rows(_PROMPTS, **window, points=map_points)],
            runs=rows(_RUNS),
            costs=rows("SELECT * FROM views.stage_costs"),
            quality=rows(_QUALITY),
        )


def _window(dataset: str | None) -> tuple[date, date] | None:
    match = _WINDOW.search(dataset or "")
    if match is None:
        return None
    first, last = (datetime.strptime(day, "%Y%m%d").date() for day in match.groups())
    return first, last


def _all_days(rows: Any) -> tuple[date | None, date | None]:
    span = rows("SELECT min(ds) AS first, max(ds) AS last FROM curation.outcomes")[0]
    return span["first"], span["last"]


def _shortened(row: Row) -> Row:
    """The row with its redacted texts cut to what a reader takes in."""

    def short(text: str) -> str:
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS].rstrip()} …"

    return {**row, **{name: short(row[name] or "") for name in _TEXTS if name in row}}


_OUTCOMES = """
SELECT outcome, coalesce(reason, '') AS reason, count(*) AS turns
FROM curation.outcomes WHERE ds BETWEEN $first AND $last
GROUP BY ALL ORDER BY turns DESC, outcome, reason
"""
_FATES = """
SELECT split, outcome,
  CASE WHEN outcome = 'not_sampled' THEN coalesce(reason, '') ELSE '' END AS reason, count(*) AS turns
FROM curation.sample_outcomes WHERE dataset_id = $dataset
GROUP BY ALL ORDER BY turns DESC, split, outcome, reason
"""
_CONSTRAINTS = """
SELECT split, dimension, level, kind, wanted, used, relax_order, available, "before", achieved, slack, sample_size,
  optimality_gap
FROM curation.constraints WHERE dataset_id = $dataset
ORDER BY split, dimension, level, kind
"""
# The least similar first: exact repeats teach the reader nothing. One example for each kept turn.
_DUPLICATES = """
SELECT p.similarity, p.check_kind, p.ds, r.language, r.redacted_user_message AS removed,
  k.redacted_user_message AS kept
FROM curation.pruned p
JOIN curation.screened r ON r.turn_id = p.turn_id
JOIN curation.screened k ON k.turn_id = p.kept_turn_id
WHERE p.reason = 'near_duplicate' AND p.ds BETWEEN $first AND $last
  AND r.verdict = 'pass' AND k.verdict = 'pass'
QUALIFY row_number() OVER (PARTITION BY p.kept_turn_id ORDER BY p.similarity, p.turn_id) = 1
ORDER BY lower(r.redacted_user_message) = lower(k.redacted_user_message), md5(p.turn_id)
LIMIT $examples
"""
_DAYS = """
SELECT split, ds, dimension, level, usable, selected, usable_pct, selected_pct, target_pct
FROM views.dataset_days WHERE dataset_id = $dataset
ORDER BY split, dimension, ds, level
"""
_DRIFT = """
SELECT split, ds, dimension, users, psi, excess, status
FROM views.drift WHERE dataset_id = $dataset
ORDER BY split, dimension, ds
"""
_LEVELS = """
SELECT split, dimension, level, outcome, sum(turns) AS turns
FROM views.level_funnel WHERE dataset_id = $dataset
GROUP BY ALL ORDER BY split, dimension, level, outcome
"""
# A seeded sample of ranked turns of the encoder that reads most of them.
_PROMPTS = """
WITH ranked AS (
  SELECT p.turn_id, p.text_hash, p.recipe, p.encoder, p.kept, p.reason
  FROM curation.pruned p
  WHERE p.ds BETWEEN $first AND $last AND p.encoder IS NOT NULL
), largest AS (
  SELECT encoder, count(*) AS turns FROM ranked GROUP BY encoder ORDER BY turns DESC, encoder LIMIT 1
), chosen AS (
  SELECT r.* FROM ranked r JOIN largest l ON l.encoder = r.encoder ORDER BY md5(r.turn_id) LIMIT $points
)
SELECT c.encoder, coalesce(c.reason, 'kept') AS fate, s.redacted_user_message AS message, e.embedding
FROM chosen c
JOIN curation.embeddings e ON e.text_hash = c.text_hash AND e.recipe = c.recipe AND e.encoder = c.encoder
JOIN curation.screened s ON s.turn_id = c.turn_id AND s.verdict = 'pass'
ORDER BY c.turn_id
"""
_RUNS = """
SELECT job, table_name, ds, scope, state, rows_in, rows_out, seconds, peak_memory_bytes, ended_ts, run_id, error
FROM ops.runs
QUALIFY row_number() OVER (
  PARTITION BY job, table_name, ds, scope ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, run_id DESC
) = 1
ORDER BY ended_ts, job, table_name, ds
"""
_QUALITY = """
SELECT table_name, expectation, severity, success, CAST(checked_ts AS DATE) AS checked
FROM ops.quality
QUALIFY row_number() OVER (PARTITION BY table_name, expectation ORDER BY checked_ts DESC, run_id DESC) = 1
ORDER BY success, table_name, expectation
"""
