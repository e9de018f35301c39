"""Floors of Phase III in Phase II's order: every prefix holds them as far as supply allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import ConstraintSettings, SamplingSettings
from jobs.curation.diversity.floors import Holding, expanded, holdings, protected_floors, with_floors
from jobs.curation.sampling.constraints import Constraint


def _levels(**columns: str) -> dict[str, np.ndarray]:
    return {name: np.array(list(text), dtype=object) for name, text in columns.items()}


def _floor(dimension: str, level: str, share: float) -> Constraint:
    return Constraint(dimension, level, "floor", share=share)


def test_a_floor_moves_its_best_turn_up_by_hand() -> None:
    levels = _levels(first_turn="lllllllfff")
    order = with_floors(np.arange(10), [_floor("first_turn", "f", 0.25)], levels)
    # ceil(.25 m) of the first m: one of 1..4, two of 5..8, three from 9 on.
    assert order.tolist() == [7, 0, 1, 2, 8, 3, 4, 5, 9, 6]


def test_an_order_that_holds_its_floors_stays_as_it_is() -> None:
    levels = _levels(first_turn="flllflll")
    assert with_floors(np.arange(8), [_floor("first_turn", "f", 0.25)], levels).tolist() == list(range(8))


@given(st.integers(0, 100_000), st.integers(1, 150), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_every_prefix_holds_every_floor_that_supply_allows(seed: int, n: int, percents: list[int]) -> None:
    rng = np.random.default_rng(seed)
    total = max(100, 1.25 * sum(percents))
    floors = [_floor(f"d{i}", "x", round(percent / total, 4)) for i, percent in enumerate(percents)]
    # Levels of one dimension exclude each other; of different ones they may overlap.
    level = rng.integers(0, len(floors) + 1, n)
    apart = rng.random() < 0.5
    levels = {
        one.dimension: np.where(level == i if apart else rng.random(n) < 0.3, "x", "y").astype(object)
        for i, one in enumerate(floors)
    }
    ranked = rng.permutation(n)
    order = with_floors(ranked, floors, levels)
    assert sorted(order.tolist()) == list(range(n))
    k, share = len(floors), sum(one.share or 0 for one in floors)
    first = 1 if k == 1 else int(2 * k / (1 - share)) + 1  # the first few cannot serve several floors at once
    short = [
        (one, size)
        for one in floors
        for size in range(first, n + 1)
        if (levels[one.dimension][order[:size]] == "x").sum()
        < min(one.wanted(size), (levels[one.dimension] == "x").sum())
    ]
    assert short == []


def test_settings_say_which_floors_are_protected() -> None:
    more = [
        {"dimension": "locale_language", "level": "*", "kind": "floor", "share": 0.01},
        {"dimension": "locale_language", "level": "hi_IN/hi", "kind": "floor", "share": 0.02},
        {"dimension": "locale_language", "level": "en_US/en", "kind": "floor", "count": 5},
        {"dimension": "locale_language", "level": "en_US/en", "kind": "cap", "share": 0.5},
        {"dimension": "jtbd", "level": "Roleplay", "kind": "floor", "share": 0.1},
    ]
    rules = SamplingSettings(constraints=tuple(ConstraintSettings(**one) for one in more))
    floors = protected_floors(rules)
    assert [(one.level, one.share) for one in floors] == [("first", 0.1), ("*", 0.01), ("hi_IN/hi", 0.02)]
    levels = {
        "first_turn": np.array(["first", "later"], dtype=object),
        "locale_language": np.array(["es_ES/es", "hi_IN/hi"], dtype=object),
    }
    found = {(one.level, one.share) for one in expanded(floors, levels)}
    assert found == {("first", 0.1), ("es_ES/es", 0.01), ("hi_IN/hi", 0.02)}


def test_a_shortfall_is_what_supply_could_not_give() -> None:
    floor = _floor("first_turn", "f", 0.5)
    (found,) = holdings([floor], _levels(first_turn="fflllll"), np.array([1, 0, 1, 1, 1, 0, 0], dtype=bool))
    assert found == Holding(floor, turns=7, members=2, kept=4, kept_members=1)
    assert (found.wanted, found.short) == (2, 1)
