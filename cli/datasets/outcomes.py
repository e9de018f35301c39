"""Why one turn was or was not used."""

from __future__ import annotations

from typing import Any

from infra.errors import TurnUnknown
from infra.lake import Lake
from infra.sql import connect

_QUERY = """
SELECT 'day ' || CAST(ds AS VARCHAR) AS "where", outcome, reason, detail
FROM curation.outcomes WHERE turn_id = $turn
UNION ALL
SELECT 'dataset ' || dataset_id, outcome, reason, stratum
FROM curation.sample_outcomes WHERE turn_id = $turn
"""


def history(lake: Lake, turn_id: str) -> list[dict[str, Any]]:
    """The turn's daily outcome and its outcome in each dataset.

    Raises:
        TurnUnknown: no day that was curated has the turn.
    """
    with connect(lake, _QUERY) as connection:
        rows = connection.execute(_QUERY, {"turn": turn_id}).fetchall()
    if not rows:
        raise TurnUnknown(
            f"no curated day has turn {turn_id}", hint="flywheel plan says which days are not curated yet."
        )
    return [dict(zip(["where", "outcome", "reason", "detail"], row, strict=True)) for row in rows]
