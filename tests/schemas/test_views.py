"""Analyst views against answers worked out by hand, and the drift index against a simulation with known truth."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from infra.lake import Lake
from infra.lake.sql import connect
from tests.conftest import DAY, put

YESTERDAY = DAY - timedelta(days=1)


def view(lake: Lake, query: str) -> list[dict[str, Any]]:
    with connect(lake, query) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def counted(level: str, outcome: str, turns: int, day: date = DAY, **more: Any) -> dict[str, Any]:
    row = {
        "dataset_id": "d", "split": "train", "dimension": "jtbd", "level": level, "outcome": outcome, "reason": "",
        "turns": turns, "users": float(turns), "ds": day,
    }  # fmt: skip
    return row | more


def test_every_day_has_what_was_aimed_at_and_what_came(lake: Lake) -> None:
    put(
        lake,
        "curation.composition",
        [
            counted("advice", "rejected", 2), counted("advice", "not_sampled", 3), counted("advice", "selected", 1),
            counted("other", "near_duplicate", 10), counted("other", "selected", 3),
            counted("other", "selected", 4, YESTERDAY),
        ],
    )  # fmt: skip
    target = {"dataset_id": "d", "split": "train", "dimension": "jtbd", "sample_size": 8, "kind": "target"}
    put(lake, "curation.constraints", [target | {"level": "advice", "wanted": 2.0}])
    rows = view(lake, "SELECT * FROM views.dataset_days ORDER BY ds, level")
    assert [(row["level"], row["usable"], row["eligible"], row["selected"]) for row in rows] == [
        ("other", 4, 4, 4), ("advice", 6, 4, 1), ("other", 13, 3, 3),
    ]  # fmt: skip
    advice = rows[1]
    assert advice["usable_pct"] == pytest.approx(100 * 6 / 19, abs=0.005)
    assert advice["eligible_pct"] == pytest.approx(100 * 4 / 7, abs=0.005)
    assert (advice["selected_pct"], advice["target_pct"]) == (25.0, 25.0)
    assert rows[0]["target_pct"] is None


def test_what_waits_for_reviewers_by_language_and_category(lake: Lake) -> None:
    waiting = {"outcome": "in_review", "language": "en", "reason": "unsure:S9"}
    put(
        lake,
        "curation.outcomes",
        [
            waiting, waiting, waiting | {"language": "hi", "reason": "uncertain:PERSON"},
            waiting | {"outcome": "rejected", "reason": "unsafe:S9"},
        ],
    )  # fmt: skip
    rows = view(lake, "SELECT language, kind, category, in_review FROM views.review_causes ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [
        ("en", "unsure", "S9", 2), ("hi", "uncertain", "PERSON", 1),
    ]  # fmt: skip


def test_a_stratum_says_where_its_turns_went(lake: Lake) -> None:
    rejected = counted("advice", "rejected", 1, reason="unsafe:S2")
    put(
        lake,
        "curation.composition",
        [rejected, rejected | {"ds": YESTERDAY}, counted("advice", "selected", 6)],
    )
    rows = view(lake, "SELECT * FROM views.level_funnel ORDER BY turns")
    assert [(row["outcome"], row["reason"], row["turns"], row["share_pct"]) for row in rows] == [
        ("rejected", "unsafe:S2", 2, 25.0), ("selected", "", 6, 75.0),
    ]  # fmt: skip


def test_the_drift_index_by_hand(lake: Lake) -> None:
    put(
        lake,
        "curation.composition",
        [
            counted("a", "selected", 30), counted("b", "selected", 10),
            counted("a", "selected", 10, YESTERDAY), counted("c", "selected", 30, YESTERDAY),
        ],
    )  # fmt: skip
    today, yesterday = view(lake, "SELECT * FROM views.drift ORDER BY ds DESC")
    shares = [(30.5 / 41.5, 10.5 / 41.5), (10.5 / 41.5, 0.5 / 41.5), (0.5 / 41.5, 30.5 / 41.5)]
    expected = sum((day - rest) * math.log(day / rest) for day, rest in shares)
    assert today["psi"] == pytest.approx(expected, abs=1e-4)
    assert today["psi"] == yesterday["psi"]  # of two days each is the other's reference
    assert today["users"] == 40  # in these rows every turn is another user's
    assert today["chance"] == pytest.approx(2 * (1 / 40 + 1 / 40), abs=1e-4)
    assert (today["turns"], today["levels"], today["status"]) == (40, 3, "alarm")


def test_chatty_users_and_rare_levels_are_no_drift_and_a_shift_is(lake: Lake) -> None:
    """Simulated users keep to one level and write 1 to 60 turns: counted as turns they would look like drift."""
    draws = np.random.default_rng(5)
    rare = np.full(40, 0.1 / 40)
    usual, moved = np.concatenate([[0.7, 0.2], rare]), np.concatenate([[0.2, 0.7], rare])
    rows = []
    for number in range(150):
        name = f"{'moved' if number >= 100 else 'still'}-{number}"
        for day, shares in ((DAY, moved if number >= 100 else usual), (YESTERDAY, usual)):
            levels = draws.choice(len(shares), size=200, p=shares)
            turns = np.minimum(draws.geometric(0.1, size=200), 60)
            rows += [
                counted(f"l{level}", "selected", int(turns[levels == level].sum()), day, dataset_id=name)
                | {"users": float((levels == level).sum())}
                for level in np.unique(levels)
            ]
    put(lake, "curation.composition", rows)
    found = view(
        lake, f"SELECT dataset_id, excess, status, users, levels FROM views.drift WHERE ds = DATE '{DAY}'"
    )
    still = [row for row in found if row["dataset_id"].startswith("still")]
    excess = np.array([float(row["excess"]) for row in still])
    assert abs(excess.mean()) < 3 * excess.std(ddof=1) / math.sqrt(len(excess))
    assert {row["status"] for row in still} == {"steady"}
    assert {(row["users"], row["levels"]) for row in still} == {(200.0, 3)}
    assert {row["status"] for row in found if row["dataset_id"].startswith("moved")} == {"alarm"}


def test_a_run_over_many_days_is_paid_for_once(lake: Lake) -> None:
    ran = {"job": "curation.screen", "state": "succeeded", "peak_memory_bytes": 2_000_000_000, "scope": None}
    end = datetime(2026, 11, 20, 12, tzinfo=UTC)
    both = [
        ran
        | {"run_id": "r1", "ds": day, "rows_in": 500, "seconds": 10.0, "ended_ts": end, "table_name": table}
        for day in (YESTERDAY, DAY)
        for table in ("curation.review_queue", "curation.screened")
    ]
    again = ran | {
        "run_id": "r2", "ds": DAY, "rows_in": 500, "seconds": 4.0, "ended_ts": end + timedelta(hours=1),
        "table_name": "curation.screened",
    }  # fmt: skip
    put(lake, "ops.runs", [*both, again])
    (row,) = view(lake, "SELECT * FROM views.stage_costs")
    assert (row["days"], row["rows_in"], row["seconds"], row["peak_memory_mb"]) == (2, 1000, 14.0, 2000)
    assert (row["rows_a_second"], row["seconds_a_thousand_rows"]) == (pytest.approx(71.4), 14.0)


def test_a_day_that_was_read_out_again_shows_the_last(lake: Lake) -> None:
    row = {
        "experiment_id": "x", "as_of_ds": DAY, "arm": "test", "metric": "breadth", "segment": "all", "method": "plain",
    }  # fmt: skip
    put(
        lake,
        "experiments.readouts",
        [
            row | {"input_versions": "1", "lift_pct": 1.0, "run_id": "20261121T010000-a"},
            row | {"input_versions": "2", "lift_pct": 2.0, "run_id": "20261122T010000-a"},
            row | {"as_of_ds": YESTERDAY, "lift_pct": 3.0, "run_id": "20261120T010000-a"},
        ],
    )
    rows = view(lake, "SELECT * FROM views.experiment_readouts ORDER BY as_of_ds")
    assert [row["lift_pct"] for row in rows] == [3.0, 2.0]
