"""Reviewers' decisions as labels, for turns that the safety detectors were unsure of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.lake import Lake
from infra.lake.arrow import queryable
from infra.settings import Settings
from models.screening.hazards import CATEGORIES
from models.screening.safety.corpus import LabelledText
from models.screening.safety.train import LabelledRow

TABLES = ("curation.reviews", "curation.screened", "traffic.turns")
"""Tables that are read."""
_DECISIONS = """
SELECT t.user_message, t.response, t.language, t.user_id, t.split, r.decision, s.safety_category
FROM (
  SELECT * FROM reviews
  QUALIFY row_number() OVER (
    PARTITION BY turn_id, content_hash ORDER BY coalesce(sequence, -1) DESC, decided_ts DESC, run_id DESC
  ) = 1
) r
JOIN screened s ON s.turn_id = r.turn_id AND s.content_hash = r.content_hash
JOIN turns t ON t.turn_id = r.turn_id AND t.ds = r.turn_ds
WHERE s.safety_category IS NOT NULL AND coalesce(s.safety_score, 0) >= ?
ORDER BY r.turn_id, r.content_hash
"""


def reviewed_rows(settings: Settings, versions: Mapping[str, int] | None = None) -> list[LabelledRow]:
    """One labelled row a decided turn, by its last decision on its present text: approved is safe, rejected unsafe.

    Turns that were queued for an identifier alone have no safety label and are left out. The split is the turn's own,
    so users of the evaluation split are never trained on.

    Args:
        versions: table to the version to read; the latest version of every other table.
    """
    lake = Lake.of(settings)
    return [
        LabelledRow(
            LabelledText(
                "\n".join(part for part in (row["user_message"], row["response"]) if part),
                row["decision"] == "reject",
                row["safety_category"]
                if row["decision"] == "reject" and row["safety_category"] in CATEGORIES
                else None,
                row["language"],
                row["user_id"],
            ),
            row["split"] == "evaluation",
        )
        for row in _decided(lake, settings.screening.review_at, versions or {})
    ]


def _decided(lake: Lake, review_at: float, versions: Mapping[str, int]) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect() as connection:
        for table in TABLES:
            delta = lake.open(table, versions.get(table))
            connection.register(table.split(".")[1], queryable(delta))
        result = connection.execute(_DECISIONS, [review_at])
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]
