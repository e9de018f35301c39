"""Reviews: the queue in order of doubt, decisions that bind to policy and content, raw text on request only."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from infra.contracts import contract
from infra.errors import ContractError, SettingsError
from infra.lake import Lake, ledger
from infra.settings import Settings
from jobs.curation.reviews import RawTurn, decide, list_queue, show
from models.screening.verdict import content_hash
from tests.conftest import put

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _row(table: str, **given: Any) -> dict[str, Any]:
    filler: dict[str, Any] = {
        "STRING": "x",
        "BOOLEAN": False,
        "INT": 1,
        "TIMESTAMP": NOON,
        "DATE": DAY,
        "DOUBLE": 0.5,
    }
    return {
        column.name: given.get(column.name, None if column.nullable else filler.get(column.type, []))
        for column in contract(table).columns
    }


@pytest.fixture
def queued(lake: Lake, settings: Settings) -> Lake:
    """Two turns that wait, one more doubtful than the other."""
    turns, waiting = [], []
    for turn_id, doubt in (("t1", 0.2), ("t2", 0.9)):
        turns.append(
            _row(
                "traffic.turns",
                turn_id=turn_id,
                user_message=f"secret of {turn_id}",
                response="hm",
                split="train",
            )
        )
        key = content_hash(settings.user_key(), f"secret of {turn_id}", "hm")
        waiting.append(
            _row(
                "curation.review_queue",
                turn_id=turn_id,
                uncertainty=doubt,
                reasons=["unsure:S10"],
                content_hash=key,
                policy_version="p1",
            )
        )
    put(lake, "traffic.turns", turns)
    put(lake, "curation.review_queue", waiting)
    return lake


def test_the_most_doubtful_turn_is_first(queued: Lake, settings: Settings) -> None:
    """The queue is ordered by doubt and holds no text."""
    waiting = list_queue(settings)
    assert [turn.turn_id for turn in waiting] == ["t2", "t1"]
    assert "secret" not in repr(waiting)
    assert len(list_queue(settings, limit=1)) == 1


def test_a_decision_is_kept_and_makes_the_day_stale(queued: Lake, settings: Settings) -> None:
    """Who, what, when and on which content is appended; the turn leaves the list; the day must run again."""
    assert decide(settings, "t2", "approve", "ada", "a joke") == DAY
    (row,) = queued.open("curation.reviews").to_pyarrow_table().to_pylist()
    assert (row["turn_id"], row["decision"], row["reviewer"], row["note"]) == (
        "t2",
        "approve",
        "ada",
        "a joke",
    )
    assert (row["policy_version"], row["turn_ds"]) == ("p1", DAY)
    assert [turn.turn_id for turn in list_queue(settings)] == ["t1"]
    assert [(mark.job, mark.ds) for mark in ledger.open_marks(queued)] == [("curation.screen", DAY)]


def test_raw_text_is_shown_after_the_access_is_on_record(
    queued: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ops.raw_reads` names who saw what, never the text; what cannot be recorded is not shown."""
    assert show(settings, "t1", "ada") == RawTurn("secret of t1", "hm", ("unsure:S10",))
    [read] = queued.open("ops.raw_reads").to_pyarrow_table().to_pylist()
    assert (read["turn_id"], read["reader"], read["turn_ds"]) == ("t1", "ada", DAY)
    assert "secret" not in str(read)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ledger, "append", full)
    with pytest.raises(OSError, match="space"):
        show(settings, "t1", "ada")


def test_what_cannot_be_decided_is_refused(queued: Lake, settings: Settings) -> None:
    """No such turn, no such decision, no reviewer, another text: nothing is written."""
    with pytest.raises(ContractError):
        decide(settings, "t9", "approve", "ada")
    with pytest.raises(SettingsError):
        decide(settings, "t1", "maybe", "ada")
    with pytest.raises(SettingsError):
        decide(settings, "t1", "approve", " ")
    changed = _row("curation.review_queue", turn_id="t3", reasons=[], content_hash="old")
    turn = _row("traffic.turns", turn_id="t3", user_message="new", response="hm", split="train")
    put(queued, "curation.review_queue", [changed])
    put(queued, "traffic.turns", [turn])
    with pytest.raises(ContractError, match="changed"):
        decide(settings, "t3", "approve", "ada")
    assert queued.open("curation.reviews").to_pyarrow_table().num_rows == 0
