"""Label sets of judged pairs on rows counted by hand, and what must not depend on order, repetition or position."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import TrainingRefused
from models.chat.preferences import all_labels, pairs, single_random, unanimous


def label(pair: str, annotator: str, winner: str, **other: Any) -> dict[str, Any]:
    return {
        "pair_id": pair, "annotator_id": annotator, "winner": winner, "batch": "240923", "mode": "static",
        "split": "train", "context": f"context of {pair}", "response_a": f"{pair} a", "response_b": f"{pair} b",
        **other,
    }  # fmt: skip


# Three agree on p1, p2 is disputed, all call p3 a tie, p4 is bad for one of three, p5 has one review.
TEN_AND_THREE = [
    *(label("p1", who, "b") for who in "xyz"),
    label("p2", "x", "a"), label("p2", "y", "a"), label("p2", "z", "b"),
    *(label("p3", who, "tie") for who in "xyz"),
    label("p4", "x", "a"), label("p4", "y", "both_bad"), label("p4", "z", "a"),
    label("p5", "x", "a"),
]  # fmt: skip


def test_pairs_counts_ties_and_keeps_every_decided_label() -> None:
    made = pairs(TEN_AND_THREE)
    assert made.counts == {"used": 9, "tie": 3, "both_bad": 1}
    assert Counter((p.pair_id, p.chosen[-1]) for p in made.pairs) == {
        ("p1", "b"): 3, ("p2", "a"): 2, ("p2", "b"): 1, ("p4", "a"): 2, ("p5", "a"): 1,
    }  # fmt: skip
    assert {(p.context, p.batch, p.mode, p.split) for p in made.pairs if p.pair_id == "p1"} == {
        ("context of p1", "240923", "static", "train")
    }


def test_the_sets_of_table_9() -> None:
    agreed, every = unanimous(TEN_AND_THREE), all_labels(TEN_AND_THREE)
    assert agreed.counts == {"used": 3, "tie": 3, "disagreement": 6, "too_few_reviews": 1}
    assert [(p.pair_id, p.chosen) for p in agreed.pairs] == [("p1", "p1 b")]
    assert every.counts == {"used": 8, "tie": 3, "both_bad": 1, "too_few_reviews": 1}
    drawn = single_random(TEN_AND_THREE, seed=7)
    assert drawn.counts["not_drawn"] == 8
    assert drawn.counts["too_few_reviews"] == 1
    assert {p.pair_id for p in drawn.pairs} <= {"p1", "p2", "p4"}
    assert len(drawn.pairs) == drawn.counts["used"]


def test_the_draw_is_fair() -> None:
    rows = [label(f"q{n}", who, "a" if who == "x" else "b") for n in range(3000) for who in "xyz"]
    share = sum(p.chosen.endswith("a") for p in single_random(rows, seed=1).pairs) / 3000
    assert abs(share - 1 / 3) < 4 * (2 / 9 / 3000) ** 0.5


_rows = st.lists(
    st.builds(
        label,
        st.sampled_from(["p1", "p2", "p3", "p4"]),
        st.sampled_from("uvwxyz"),
        st.sampled_from(["a", "b", "tie", "both_bad"]),
    ),
    max_size=24,
    unique_by=lambda row: (row["pair_id"], row["annotator_id"]),
)


@given(_rows, st.randoms(use_true_random=False), st.integers(0, 3))
def test_order_and_repetition_change_nothing_and_counts_add_up(
    rows: list[dict[str, Any]], random: Random, again: int
) -> None:
    shuffled = random.sample(rows, len(rows)) + rows[:again]
    random.shuffle(shuffled)
    for derive in (pairs, all_labels, unanimous, lambda given: single_random(given, 3)):
        once, twice = derive(rows), derive(shuffled)
        assert once.pairs == twice.pairs
        assert sum(once.counts.values()) == len(rows)
        assert sum(twice.counts.values()) == len(shuffled)


@given(_rows)
def test_swapping_positions_and_winners_changes_nothing(rows: list[dict[str, Any]]) -> None:
    other = {"a": "b", "b": "a"}
    swapped = [
        {
            **row,
            "response_a": row["response_b"],
            "response_b": row["response_a"],
            "winner": other.get(row["winner"], row["winner"]),
        }
        for row in rows
    ]
    for derive in (pairs, all_labels, unanimous, lambda given: single_random(given, 3)):
        assert derive(rows) == derive(swapped)


@pytest.mark.parametrize(
    "rows",
    [
        [label("p", "x", "a"), label("p", "x", "b")],
        [label("p", "x", "a"), label("p", "y", "a", context="another")],
        [label("p", "x", "a"), label("p", "y", "a", split="evaluation")],
        [label("p", "x", "better")],
        [label("p", "x", "a", context=None)],
    ],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(TrainingRefused):
        pairs(rows)
