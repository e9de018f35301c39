"""Human review of turns that the detectors were unsure of: the queue, the raw text of a turn, the decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import duckdb

from infra.errors import ContractError, SettingsError
from infra.lake import Lake, ledger
from infra.lake.arrow import queryable
from infra.lake.facts import id_in_lake, user_key
from infra.lake.raw_reads import record
from infra.settings import Settings
from infra.write.decisions import deciding
from models.screening.verdict import content_hash

_DECISIONS = ("approve", "reject")


@dataclass(frozen=True)
class Waiting:
    """A turn that waits for a decision, without its text."""

    turn_id: str
    ds: date
    uncertainty: float
    language: str
    reasons: tuple[str, ...]
    policy_version: str
    content_hash: str


@dataclass(frozen=True)
class RawTurn:
    """The raw texts of a turn that waits for a decision, and why it waits."""

    user_message: str | None
    response: str
    reasons: tuple[str, ...]


def list_queue(settings: Settings, limit: int = 20) -> list[Waiting]:
    """Turns that wait for a decision, the most uncertain first. Turns decided since the last run are left out."""
    lake = Lake.of(settings)
    decided = {
        (row["turn_id"], row["policy_version"], row["content_hash"])
        for row in _rows(lake, "curation.reviews")
    }
    waiting = [
        Waiting(
            row["turn_id"],
            row["ds"],
            row["uncertainty"],
            row["language"],
            tuple(row["reasons"]),
            row["policy_version"],
            row["content_hash"],
        )
        for row in _rows(lake, "curation.review_queue")
    ]
    waiting = [w for w in waiting if (w.turn_id, w.policy_version, w.content_hash) not in decided]
    return sorted(waiting, key=lambda w: (-w.uncertainty, w.ds, w.turn_id))[:limit]


def show(settings: Settings, turn_id: str, reviewer: str) -> RawTurn:
    """The raw text of a queued turn. The reading is recorded in `ops.raw_reads` first.

    Raises ContractError when the turn is in no queue.
    """
    _check_reviewer(reviewer)
    lake = Lake.of(settings)
    waiting = _queued(settings, lake, turn_id)
    turn_id = waiting["turn_id"]
    turn = _turn(lake, turn_id, waiting["ds"])
    record(lake, "review", reviewer, [turn_id], waiting["ds"])
    return RawTurn(turn["user_message"], turn["response"], tuple(waiting["reasons"]))


def decide(settings: Settings, turn_id: str, decision: str, reviewer: str, note: str = "") -> date:
    """Append a decision on a queued turn and mark its day stale; returns the day.

    The decision binds to the policy version under which the turn was queued and to its content.

    Raises:
        SettingsError: the decision is neither approve nor reject, or no reviewer is named.
        ContractError: the turn is not in the queue, or its text changed since it was queued.
        LockHeld: another decision is being written.
    """
    if decision not in _DECISIONS:
        raise SettingsError(f"decision must be one of {', '.join(_DECISIONS)}", setting="decision")
    _check_reviewer(reviewer)
    lake = Lake.of(settings)
    waiting = _queued(settings, lake, turn_id)
    turn_id = waiting["turn_id"]
    day = cast(date, waiting["ds"])
    turn = _turn(lake, turn_id, day)
    if content_hash(user_key(settings), turn["user_message"], turn["response"]) != waiting["content_hash"]:
        raise ContractError(
            "the turn's text changed since it was queued",
            table="curation.review_queue",
            day=day,
            hint="Run curation.screen for the day again, then review it.",
        )
    with deciding(settings, "curation.review", "curation.reviews") as run:
        now = ledger.now()
        row = {
            "turn_id": turn_id,
            "policy_version": waiting["policy_version"],
            "decided_ts": now,
            "decision": decision,
            "reviewer": reviewer,
            "note": note or None,
            "content_hash": waiting["content_hash"],
            "turn_ds": day,
            "ds": now.date(),
            "sequence": lake.version("curation.reviews"),  # under the table's lock
        }
        run.record([row])
        cause = "a reviewer decided on a turn of the day"
        ledger.mark_stale(lake, "curation.screen", [day], cause, run.run_id)
    return day


def _check_reviewer(reviewer: str) -> None:
    if not reviewer.strip():
        raise SettingsError(
            "a decision needs a reviewer's name", setting="reviewer", hint="Give --reviewer NAME."
        )


def _rows(
    lake: Lake, table: str, turn_id: str | None = None, day: date | None = None
) -> list[dict[str, Any]]:
    """Rows of a table, by turn and day if given, read through Arrow."""
    dataset = queryable(lake.open(table), [("ds", "=", str(day))] if day else None)
    connection = duckdb.connect()
    try:
        connection.register("rows", dataset)
        where = " WHERE turn_id = ?" if turn_id else ""
        result = connection.execute(f"SELECT * FROM rows{where}", [turn_id] if turn_id else [])
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]
    finally:
        connection.close()


def _queued(settings: Settings, lake: Lake, turn_id: str) -> dict[str, Any]:
    """The turn in the queue, by its id in the lake or in the product."""
    rows = _rows(lake, "curation.review_queue", turn_id) or _rows(
        lake, "curation.review_queue", id_in_lake(settings, "turn", turn_id)
    )
    if not rows:
        raise ContractError(
            "the turn is not in the review queue",
            table="curation.review_queue",
            hint="See: flywheel review list",
        )
    return rows[0]


def _turn(lake: Lake, turn_id: str, day: date) -> dict[str, Any]:
    rows = _rows(lake, "traffic.turns", turn_id, day)
    if not rows:
        raise ContractError(
            "the turn no longer exists", table="traffic.turns", day=day, hint="Run curation.screen again."
        )
    return rows[0]
