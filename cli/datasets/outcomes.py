"""`flywheel outcomes`: why one turn was or was not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, print_rows
from cli.query import query

if TYPE_CHECKING:
    from infra.lake import Lake

_QUERY = """
SELECT 'day ' || CAST(ds AS VARCHAR) AS "where", outcome, reason, detail
FROM curation.outcomes WHERE turn_id = $turn
UNION ALL
SELECT 'dataset ' || dataset_id, outcome, reason, stratum
FROM curation.sample_outcomes WHERE turn_id = $turn
"""


def outcomes(
    turn_id: Annotated[str, typer.Argument(help="turn_id: of the lake, or of the product.")],
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Show why a turn was or was not used.

    Shows its outcome on its day and in each dataset. Reads curation.outcomes and curation.sample_outcomes.

    \b
    Example:
      flywheel outcomes 5f0c9e
    """
    from infra.errors import FlywheelError, TurnUnknown
    from infra.lake import Lake
    from infra.lake.facts import id_in_lake
    from infra.settings import load_settings
    from models.screening.reasons import outcome_in_words

    settings = load_settings()
    lake = Lake.of(settings)
    try:
        rows = history(lake, turn_id)
    except TurnUnknown as unknown:
        try:
            rows = history(lake, id_in_lake(settings, "turn", turn_id))
        except FlywheelError:  # also without the key: who mistyped an id is told about the id that they typed
            raise unknown from None
    if format is Format.table:
        rows = [outcome_in_words(row) for row in rows]
    print_rows(rows, ["where", "outcome", "reason", "detail"], format)


def history(lake: Lake, turn_id: str) -> list[dict[str, Any]]:
    """The turn's daily outcome and its outcome in each dataset.

    Raises:
        TurnUnknown: no curated day has the turn.
    """
    from infra.errors import TurnUnknown

    _, rows = query(lake, _QUERY, {"turn": turn_id})
    if not rows:
        raise TurnUnknown(
            f"no curated day has turn {turn_id}", hint="flywheel plan shows which days are not curated yet."
        )
    return rows
