"""Decisions as labels: only doubts of safety, the last decision on the present text, the split of the user."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.lake import Lake
from infra.settings import Settings
from models.screening.safety.reviewed import reviewed_rows
from tests.conftest import DAY, put


def test_decisions_on_safety_are_labels(lake: Lake, settings: Settings) -> None:
    """Turn a: rejected, then approved; b: rejected, evaluation; c: queued for an identifier; d: the text changed."""
    turns = [
        {"turn_id": t, "user_message": f"say {t}", "response": "ok", "user_id": t, "split": "train"}
        for t in "abcd"
    ]
    turns[1]["split"] = "evaluation"
    put(lake, "traffic.turns", turns)
    doubt = {"safety_category": "S9", "safety_score": 0.5, "verdict": "review"}
    judged = [{"turn_id": t, "content_hash": f"h{t}"} | doubt for t in "abcd"]
    judged[2] |= {"safety_category": None, "safety_score": None}
    put(lake, "curation.screened", judged)
    decided = [{"turn_id": t, "content_hash": f"h{t}", "decision": "reject", "turn_ds": DAY} for t in "abc"]
    later = decided[0] | {"decision": "approve", "decided_ts": datetime(2026, 11, 21, tzinfo=UTC)}
    changed = decided[1] | {"turn_id": "d", "content_hash": "old"}
    put(lake, "curation.reviews", [later, *decided, changed])
    rows = {row.text.source: row for row in reviewed_rows(settings)}
    assert {u: (r.text.unsafe, r.text.category, r.held_out) for u, r in rows.items()} == {
        "a": (False, None, False),
        "b": (True, "S9", True),
    }
    assert rows["b"].text.text == "say b\nok"
