"""What the certificates of erasure (`ops.erasures`) say of a lake, for those who explain what is missing."""

from __future__ import annotations

from datetime import date

from infra.errors import FlywheelError
from infra.lake.places import Lake

TABLE = "ops.erasures"


def last_erasure(lake: Lake) -> date | None:
    """Day of the last certificate; None where nobody was erased, or the certificates cannot be read."""
    from infra.lake import ledger

    try:
        if not lake.exists(TABLE):
            return None
        [(last,)] = ledger.query(lake, "SELECT max(ds) FROM ops_erasures", [], [TABLE])
    except FlywheelError:
        return None
    return None if last is None else date.fromisoformat(str(last))
