"""Every turn of a day has exactly one outcome."""

from __future__ import annotations

from jobs.curation import OUTCOMES
from tests.jobs.curation.conftest import FIRST_DAY, Bench


def test_one_outcome_each_with_its_reason(bench: Bench) -> None:
    bench.put(
        "curation.screened",
        [
            bench.turn("greeting", "x", turn_index=0, message_ts=None, redacted_user_message=None),
            bench.turn("superseded", "x", is_final=False),
            bench.turn("internal", "x", source="internal", verdict="reject"),
            bench.turn("rejected", "x", verdict="reject", reasons=["unsafe:S10", "redacted:EMAIL_ADDRESS"]),
            bench.turn("review", "x", verdict="review", reasons=["uncertain:S1"]),
            bench.turn("kept", "x"),
            bench.turn("same", "x"),
            bench.turn("budget", "x"),
        ],
    )
    pruned = {
        "kept": (True, None, None),
        "same": (False, "near_duplicate", 0.97),
        "budget": (False, "diversity_budget", 0.4),
    }
    bench.put(
        "curation.pruned",
        [
            {"turn_id": t, "ds": FIRST_DAY, "kept": kept, "reason": reason, "similarity": value, "quality": 0.5,
             "kept_turn_id": None if kept else "kept"}
            for t, (kept, reason, value) in pruned.items()
        ],
    )  # fmt: skip
    bench.run(OUTCOMES)
    found = {
        row["turn_id"]: (row["outcome"], row["reason"], row["detail"])
        for row in bench.written["curation.outcomes"]
    }
    assert found == {
        "greeting": ("ineligible", "greeting", None),
        "superseded": ("ineligible", "superseded", None),
        "internal": ("ineligible", "internal", None),
        "rejected": ("rejected", "unsafe:S10", "unsafe:S10, redacted:EMAIL_ADDRESS"),
        "review": ("in_review", "uncertain:S1", "uncertain:S1"),
        "kept": ("eligible", None, None),
        "same": ("near_duplicate", "near_duplicate", "kept turn kept, similarity 0.9700"),
        "budget": ("diversity_budget", "diversity_budget", "kept turn kept, similarity 0.4000"),
    }
