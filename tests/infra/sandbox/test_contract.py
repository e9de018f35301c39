"""What the sandbox lands is read by the landing contract as gold says: nothing else is refused."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from infra.ids import is_plain_id
from infra.sandbox.faults import HUGE
from jobs.landing.zone import landing_days, landing_files
from jobs.traffic.parse import LandingRules, parse_file
from tests.infra.sandbox.conftest import Run

REASONS = {
    "truncated_json": {"malformed_json"},
    "wrong_type": {"wrong_type:payload"},
    "missing_field": {"missing_field:event_id", "missing_field:event_ts", "missing_field:event_type"},
    "bad_utf8": {"not_utf8"},
    "bad_timestamp": {"bad_timestamp"},
    HUGE: {"too_large"},
}
LIMIT_DAYS = 30


def test_lines_are_refused_when_and_only_when_gold_says(sandbox_run: Run) -> None:
    rules = LandingRules(
        sandbox_run.settings.planted.huge_line_bytes, timedelta(days=LIMIT_DAYS), timedelta(minutes=5), b"key"
    )
    refused: dict[tuple[str, int], str] = {}
    reasons: Counter[str] = Counter()
    kept = 0
    for day in landing_days(str(sandbox_run.landing)):
        for file in landing_files(str(sandbox_run.landing), day):
            for landed in parse_file(file, rules):
                if landed.event is not None:
                    kept += 1
                    ids = landed.event.event_id, landed.event.turn_id, landed.event.conversation_id
                    assert all(one is None or is_plain_id(one) for one in ids), "truth names the same ids"
                    continue
                assert landed.reason is not None
                refused[f"received_ds={day}/{file.name.rsplit('/', 1)[-1]}", landed.line] = landed.reason
                reasons[landed.reason] += 1
    faults = sandbox_run.gold("event_faults")
    # Delivery takes a moment too, so that thirty days late is over the limit of thirty days.
    late = sum(1 for row in faults if row["kind"] == "late" and row["days_late"] >= LIMIT_DAYS)
    assert reasons["too_late"] == late > 0
    assert reasons["future"] == sum(1 for row in faults if row["kind"] == "future") > 0
    malformed = sandbox_run.gold("malformed")
    for row in malformed:
        reason = refused[row["file"], row["line"]]
        assert reason in REASONS[row["kind"]], (row["kind"], reason)
    assert len(refused) == len(malformed) + reasons["too_late"] + reasons["future"]
    assert kept + len(refused) == sandbox_run.lines
