"""What an infeasible request is told: the conflict that was injected, its slack, and the size that would do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from jobs.curation.sampling.bounds import HardBounds
from jobs.curation.sampling.constraints import ANY, NONE, SIZE, Constraint, Strata
from jobs.curation.sampling.infeasibility import ConflictingConstraints, Diagnosis
from jobs.curation.sampling.infeasibility import diagnose as diagnosed
from jobs.curation.sampling.quotas import allocate


def cells(*rows: tuple[str, str, int]) -> Strata:
    """Strata of (first_turn, character, available)."""
    return Strata(
        {
            "first_turn": np.array([first for first, _, _ in rows]),
            "character": np.array([character for _, character, _ in rows]),
        },
        np.array([available for _, _, available in rows], dtype=np.int64),
        np.full(len(rows), 0.5),
    )


def diagnose(supply: Strata, size: int, asked: Sequence[Constraint]) -> Diagnosis:
    return diagnosed(HardBounds.of(supply, asked), size)


def feasible(supply: Strata, size: int, asked: Sequence[Constraint], exact_size: bool = True) -> bool:
    bounds = HardBounds.of(supply, asked)
    return bounds.hold(size, bounds.all, exact_size=exact_size)


def test_short_supply_names_the_floor_alone() -> None:
    """100 rows, floor 10 % = 10, but 6 first turns: slack 4, and 60 is the largest size (floor 6)."""
    supply = cells(("first", "a", 6), ("later", "a", 200))
    found = diagnose(supply, 100, [Constraint("first_turn", "first", "floor", share=0.1)])
    assert [(m.name, m.wanted, m.available, m.slack) for m in found.conflict] == [
        ("floor first_turn=first", 10, 6, 4)
    ]
    assert found.largest_size == 60


def test_caps_too_tight_for_the_size() -> None:
    """Five characters at 10 % of 20 = 2 rows each, none without: 10 of 20. Each cap must give 2 more."""
    supply = cells(*(("later", name, 50) for name in "abcde"))
    found = diagnose(supply, 20, [Constraint("character", ANY, "cap", share=0.1)])
    assert {m.name: m.slack for m in found.conflict} == {"size": 10, "cap character=*": 2}
    assert found.largest_size is None


def test_slack_of_a_cap_is_not_held_back_by_levels_below_it() -> None:
    """20, 20 and five single rows, K = 20, cap 2: each cap must give way to 8 (8 + 8 + 5 >= 20, 7 + 7 + 5 < 20)."""
    supply = cells(("later", "a", 20), ("later", "b", 20), *(("later", name, 1) for name in "cdefg"))
    found = diagnose(supply, 20, [Constraint("character", ANY, "cap", share=0.1)])
    assert {m.name: m.slack for m in found.conflict} == {"size": 11, "cap character=*": 6}


def test_turns_without_a_character_relieve_the_cap() -> None:
    supply = cells(*(("later", name, 50) for name in "abcde"), ("later", NONE, 10))
    assert feasible(supply, 20, [Constraint("character", ANY, "cap", share=0.1)])
    assert not feasible(supply, 21, [Constraint("character", ANY, "cap", share=0.1)])


def test_floors_that_exceed_the_whole() -> None:
    supply = cells(("first", "a", 100), ("later", "b", 100))
    asked = [
        Constraint("first_turn", "first", "floor", share=0.6),
        Constraint("first_turn", "later", "floor", share=0.5),
        Constraint("character", "a", "cap", share=0.9),
    ]
    found = diagnose(supply, 100, asked)
    assert {m.name: m.slack for m in found.conflict} == {
        "size": None,
        "floor first_turn=first": 10,
        "floor first_turn=later": 10,
    }
    assert found.largest_size is None


def test_too_few_candidates_names_the_size() -> None:
    found = diagnose(cells(("later", "a", 30)), 50, [])
    assert [(m.name, m.slack) for m in found.conflict] == [("size", 20)]
    assert found.largest_size == 30


def test_the_error_names_numbers_and_says_what_to_do() -> None:
    supply = cells(("first", "a", 6), ("later", "a", 200))
    with pytest.raises(ConflictingConstraints) as caught:
        allocate(supply, 100, [Constraint("first_turn", "first", "floor", share=0.1)])
    text = str(caught.value)
    assert "floor first_turn=first (10 of 6 available, slack needed 4)" in text
    assert "largest feasible size is 60" in text


@pytest.mark.parametrize("seed", range(100))
def test_injected_conflicts_are_named(seed: int) -> None:
    """A feasible instance plus one conflict of a known kind: the injected constraints are in the answer,
    nothing feasible is, and without any one member the rest holds."""
    random = np.random.default_rng(seed)
    width = int(random.integers(4, 40))
    supply = cells(
        *(
            (str(random.choice(["first", "later"])), f"c{random.integers(0, 8)}", int(random.integers(1, 30)))
            for _ in range(width)
        )
    )
    total = int(supply.available.sum())
    size = int(random.integers(max(1, total // 4), max(2, total // 2)))
    first = int(supply.available[supply.levels["first_turn"] == "first"].sum())
    witness = random.multivariate_hypergeometric(supply.available, size)
    background = [
        Constraint(
            "character", level, "floor", count=int(witness[supply.levels["character"] == level].sum()) // 2
        )
        for level in sorted(set(supply.levels["character"]))
    ]
    assert feasible(supply, size, background)
    if seed % 2:
        injected = [Constraint("first_turn", "first", "floor", count=first + 1 + int(random.integers(0, 5)))]
    else:
        injected = [
            Constraint("first_turn", "first", "cap", count=0),
            Constraint("first_turn", "later", "cap", count=max(0, size - 1 - int(random.integers(0, 3)))),
        ]
    asked = [*background, *injected]
    found = diagnose(supply, size, asked)
    names = {member.name for member in found.conflict}
    assert names & {item.name for item in injected}
    # The conflict cannot hold together; without any one member it can.
    by_name = {item.name: item for item in asked}
    chosen = [by_name[name] for name in names - {SIZE}]
    assert not feasible(supply, size, chosen, exact_size=SIZE in names)
    for item in chosen:
        rest = [other for other in chosen if other is not item]
        assert feasible(supply, size, rest, exact_size=SIZE in names)
    assert SIZE not in names or feasible(supply, size, chosen, exact_size=False)
    # Without the correction everything holds; with any one member of it, it does not.
    giving = {member.name for member in found.correction}
    assert feasible(supply, size, [item for item in asked if item.name not in giving])
    for name in giving:
        assert not feasible(supply, size, [item for item in asked if item.name not in giving - {name}])
    slacks = {member.name: member.slack or 0 for member in found.correction}
    given = [item.giving_way(size, slacks[item.name]) if item.name in slacks else item for item in asked]
    assert feasible(supply, size, given)


def test_two_conflicts_at_once_are_corrected_together() -> None:
    """12 first turns are wanted and 6 are there; of character b 9 are wanted and 4 are there: one conflict each."""
    supply = cells(("first", "a", 6), ("later", "a", 200), ("later", "b", 4))
    asked = [
        Constraint("first_turn", "first", "floor", count=12),
        Constraint("character", "b", "floor", count=9),
        Constraint("character", "a", "cap", share=1.0),
    ]
    found = diagnose(supply, 100, asked)
    assert [member.name for member in found.conflict] == ["floor character=b"]
    assert {member.name: member.slack for member in found.correction} == {
        "floor first_turn=first": 6,
        "floor character=b": 5,
    }
