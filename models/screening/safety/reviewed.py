"""Reviewers' decisions as labels: what a person said of a turn that the safety detectors were unsure of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.lake import Lake
from infra.settings import Settings
from models.screening.safety.corpus import LabelledText
from models.screening.safety.interface import CATEGORIES
from models.screening.safety.train import LabelledRow

TABLES = ("curation.reviews", "curation.screened", "traffic.turns")
"""What is read."""
_DECISIONS = """
SELECT t.user_message, t.response, t.language, t.user_id, t.split, r.decision, s.safety_category
FROM (
  SELECT * FROM reviews
  QUALIFY row_number() OVER (PARTITION BY turn_id, content_hash ORDER BY decided_ts DESC, run_id DESC) = 1
) r
JOIN screened s ON s.turn_id = r.turn_id AND s.content_hash = r.content_hash
JOIN turns t ON t.turn_id = r.turn_id AND t.ds = r.turn_ds
WHERE s.safety_category IS NOT NULL AND coalesce(s.safety_score, 0) >= ?
ORDER BY r.turn_id, r.content_hash
"""


def reviewed_rows(settings: Settings, versions: Mapping[str, int] | None = None) -> list[LabelledRow]:
    """One labelled row a decided turn, by its last decision on its present text: approved is safe, rejected unsafe.

    Turns that were queued for an identifier alone say nothing of safety and are left out. The split is the turn's own:
    a user whose turns evaluate is never trained on.

    Args:
        versions: table to the version to read; the latest of those that are not named.
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
            connection.register(table.split(".")[1], delta.to_pyarrow_dataset())
        found = connection.execute(_DECISIONS, [review_at])
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]
