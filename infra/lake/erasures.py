"""What the certificates of erasure (`ops.erasures`) say of a lake, for those who explain what is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime

from infra.errors import FlywheelError
from infra.lake.places import Lake

TABLE = "ops.erasures"


def last_erasure(lake: Lake) -> date | None:
    """Day (UTC) of the last certificate; None where nobody was erased, or the certificates cannot be read."""
    moment = erased_until(lake)
    return None if moment is None else moment.astimezone(UTC).date()


def how_to_restore(lake: Lake) -> str:
    """What to do about a table's lost or damaged files: no copy may bring rows of erased users back."""
    erased = last_erasure(lake)
    if erased is None:
        return "Restore the table's files from a backup, or make its days again (flywheel run JOB --days D --force)."
    return (
        "Make the table's days again (flywheel run JOB --days D --force), or restore its files from a later backup: "
        f"users were erased on {erased}, and a backup from before would bring their rows back."
    )


def erased_until(lake: Lake) -> datetime | None:
    """When the last certificate was written; None as of `last_erasure`."""
    from infra.lake import ledger

    try:
        if not lake.exists(TABLE):
            return None
        [(last,)] = ledger.query(lake, "SELECT max(completed_ts) FROM ops_erasures", [], [TABLE])
    except FlywheelError:
        return None
    moment: datetime | None = last
    return moment
