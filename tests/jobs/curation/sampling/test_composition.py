"""Composition: every usable turn once a dimension, where it ended, by day and level."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from jobs.curation.sampling import composition as module
from jobs.curation.sampling.attributes import DIMENSIONS
from jobs.curation.sampling.composition import composition
from tests.jobs.curation.conftest import FIRST_DAY

NEXT_DAY = FIRST_DAY + timedelta(days=1)
ENDS = [
    # turn, day, jtbd, daily outcome and reason, outcome and reason in the dataset
    ("t1", FIRST_DAY, "(unjudged)", "rejected", "unsafe:S2", None, None),
    ("t2", FIRST_DAY, "advice", "near_duplicate", "near_duplicate", None, None),
    ("t3", FIRST_DAY, "advice", "eligible", None, "selected", None),
    ("t4", FIRST_DAY, "advice", "eligible", None, "not_sampled", "cap character=bob"),
    ("t5", NEXT_DAY, "other", "eligible", None, "split_leak", "t3"),
    ("t6", NEXT_DAY, "rare", "eligible", None, "not_sampled", "cap character=eve"),
]


@pytest.fixture
def counted(spark: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(module, "LEVELS_KEPT", 3)
    fixed = [name for name in DIMENSIONS if name != "jtbd"]
    attributes = spark.createDataFrame(
        [
            (
                turn,
                "u1" if turn in ("t1", "t2") else f"u-{turn}",
                "train",
                day,
                end,
                why,
                jtbd,
                *("x" for _ in fixed),
            )
            for turn, day, jtbd, end, why, *_ in ENDS
        ],
        "turn_id string, user_id string, split string, ds date, outcome string, reason string, jtbd string, "
        + ", ".join(f"{n} string" for n in fixed),
    )
    fates = spark.createDataFrame(
        [(turn, fate, why) for turn, *_, fate, why in ENDS if fate],
        "turn_id string, outcome string, reason string",
    )
    return [row.asDict() for row in composition(attributes, fates).collect()]


def test_levels_outcomes_and_reasons(counted: list[Any]) -> None:
    jobs = {
        (row["ds"], row["level"], row["outcome"], row["reason"]): row["turns"]
        for row in counted
        if row["dimension"] == "jtbd"
    }
    assert jobs == {
        (FIRST_DAY, "(unjudged)", "rejected", "unsafe:S2"): 1,
        (FIRST_DAY, "advice", "near_duplicate", ""): 1,
        (FIRST_DAY, "advice", "selected", ""): 1,
        # Neither the character nor the turn that a reason names makes a row of its own.
        (FIRST_DAY, "advice", "not_sampled", "cap character"): 1,
        (NEXT_DAY, "other", "split_leak", ""): 1,
        (NEXT_DAY, "(other)", "not_sampled", "cap character"): 1,  # the fourth level of the dimension
    }


def test_each_dimension_adds_up_to_all_usable_turns(counted: list[Any]) -> None:
    totals: Counter[str] = Counter()
    for row in counted:
        totals[row["dimension"]] += row["turns"]
    assert totals == dict.fromkeys(DIMENSIONS, len(ENDS))


def test_each_user_counts_once_a_day(counted: list[Any]) -> None:
    users = {
        (row["ds"], row["level"], row["outcome"]): row["users"]
        for row in counted
        if row["dimension"] == "jtbd"
    }
    assert users[FIRST_DAY, "(unjudged)", "rejected"] == users[FIRST_DAY, "advice", "near_duplicate"] == 0.5
    assert sum(value for (day, *_), value in users.items() if day == FIRST_DAY) == 3  # u1, u-t3, u-t4
