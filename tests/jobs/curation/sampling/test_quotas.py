"""Allocation: small cases by hand, then random instances recounted from the answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SettingsError
from jobs.curation.sampling.constraints import ANY, NONE, OTHER, Constraint, Strata, apportion, expand
from jobs.curation.sampling.quotas import Allocation, Solver, allocate
from tests.conftest import examples


def strata(rows: list[tuple[dict[str, str], int, float]]) -> Strata:
    """Strata from (levels, available, quality) rows."""
    names = sorted(rows[0][0])
    return Strata(
        {name: np.array([levels[name] for levels, _, _ in rows]) for name in names},
        np.array([available for _, available, _ in rows], dtype=np.int64),
        np.array([quality for _, _, quality in rows]),
    )


TURNS = strata(
    [
        ({"first_turn": "first", "character": "a"}, 3, 0.2),
        ({"first_turn": "later", "character": "a"}, 50, 0.9),
        ({"first_turn": "later", "character": "b"}, 50, 0.5),
        ({"first_turn": "later", "character": NONE}, 50, 0.1),
    ]
)


def recount(answer: Allocation, cells: Strata, constraint: Constraint) -> int:
    return int(answer.selected[cells.holds(constraint)].sum())


def test_without_constraints_the_best_rows_are_taken() -> None:
    answer = allocate(TURNS, 60, [])
    assert answer.selected.tolist() == [0, 50, 10, 0]
    assert answer.quality == pytest.approx(50 * 0.9 + 10 * 0.5)
    assert answer.optimality_gap == 0


def test_floor_rounds_up_cap_rounds_down_and_none_is_exempt() -> None:
    """K = 21: floor ceil(2.1) = 3 first turns, cap floor(8.4) = 8 of a character; the rest has none."""
    asked = [
        Constraint("first_turn", "first", "floor", share=0.1),
        Constraint("character", ANY, "cap", share=0.4),
    ]
    answer = allocate(TURNS, 21, asked)
    assert answer.selected.tolist() == [3, 5, 8, 5]
    by_name = {result.constraint.name: result for result in answer.achieved}
    assert by_name["floor first_turn=first"].wanted == 3
    assert by_name["floor first_turn=first"].slack == 0
    assert by_name["cap character=a"].achieved == by_name["cap character=a"].wanted == 8
    assert "cap character=a" in answer.binding
    assert "floor first_turn=first" in answer.binding
    assert answer.blocked_by[1] == "cap character=a"
    assert answer.blocked_by[3] == "size"


def test_shares_are_exact_decimals() -> None:
    """0.07 * 100 is 7.000000000000001 in binary; the floor is 7 all the same."""
    assert Constraint("x", "y", "floor", share=0.07).wanted(100) == 7
    assert Constraint("x", "y", "cap", share=0.29).wanted(100) == 29


def test_targets_come_before_quality() -> None:
    asked = [
        Constraint("character", "a", "target", share=0.2),
        Constraint("character", "b", "target", share=0.3),
        Constraint("character", NONE, "target", share=0.5),
    ]
    answer = allocate(TURNS, 20, asked)
    assert answer.selected.tolist() == [0, 4, 6, 10]
    assert answer.distance == 0


@pytest.mark.parametrize(("weights", "expected"), [((3, 1), [8, 2]), ((1, 3), [2, 8])])
def test_weights_decide_which_target_is_missed(weights: tuple[float, float], expected: list[int]) -> None:
    """x=1 and y=1 hold the same rows, so 8 of them and 2 of them cannot both be met."""
    cells = strata([({"x": "1", "y": "1"}, 10, 0.5), ({"x": "2", "y": "2"}, 10, 0.5)])
    asked = [
        Constraint("x", "1", "target", share=0.8, weight=weights[0]),
        Constraint("y", "1", "target", share=0.2, weight=weights[1]),
    ]
    assert allocate(cells, 10, asked).selected.tolist() == expected


def test_target_shares_are_apportioned_to_the_size() -> None:
    asked = [Constraint("x", level, "target", share=1 / 3) for level in "abc"]
    assert apportion(asked, 10) == (4, 3, 3)
    assert sum(apportion(asked, 11)) == 11


def test_what_one_level_lacks_is_spread_over_the_others_in_proportion() -> None:
    """Nobody speaks c: its 6 of 12 rows go 2:1 to a and b, not all to b, whose rows are better."""
    cells = strata([({"x": "a"}, 50, 0.1), ({"x": "b"}, 50, 0.9), ({"x": "c"}, 0, 0.5)])
    asked = [
        Constraint("x", "a", "target", share=1 / 3),
        Constraint("x", "b", "target", share=1 / 6),
        Constraint("x", "c", "target", share=1 / 2),
    ]
    answer = allocate(cells, 12, asked)
    assert answer.selected.tolist() == [8, 4, 0]
    assert answer.distance == 12
    assert [result.slack for result in answer.achieved] == [4, 2, 6]


def test_any_leaves_out_other_none_and_levels_of_their_own() -> None:
    cells = strata([({"c": level}, 5, 0.5) for level in ("a", "b", NONE, OTHER)])
    asked = [Constraint("c", ANY, "cap", share=0.5), Constraint("c", "b", "cap", share=0.9)]
    assert {(item.level, item.share) for item in expand(asked, cells.levels)} == {("a", 0.5), ("b", 0.9)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constraint("x", "y", "floor"),
        lambda: Constraint("x", "y", "floor", share=0.5, count=3),
        lambda: Constraint("x", "y", "cap", share=1.5),
        lambda: Constraint("x", "y", "cap", count=-1),
        lambda: Constraint("x", "y", "target", share=0.5, weight=0),
        lambda: allocate(TURNS, 0, []),
        lambda: allocate(TURNS, 5, [Constraint("unknown", "y", "cap", share=0.5)]),
        lambda: allocate(TURNS, 5, [Constraint("character", "a", "cap", share=0.5)] * 2),
    ],
)
def test_wrong_constraints_are_refused(make: object) -> None:
    with pytest.raises(SettingsError):
        make()  # type: ignore[operator]


def brute_force(cells: Strata, size: int, asked: list[Constraint]) -> tuple[float, float] | None:
    """(least distance, best quality at it) over every allocation, or None."""
    best: tuple[float, float] | None = None
    every = expand(asked, cells.levels)
    wanted = apportion(every, size)
    for rows in itertools.product(*(range(int(n) + 1) for n in cells.available)):
        if sum(rows) != size:
            continue
        chosen = np.array(rows)
        distance, legal = 0.0, True
        for item, want in zip(every, wanted, strict=True):
            have = int(chosen[cells.holds(item)].sum())
            legal &= not (item.kind == "floor" and have < want) and not (item.kind == "cap" and have > want)
            distance += item.weight * abs(have - want) if item.kind == "target" else 0.0
        if legal and (best is None or (distance, -float(cells.quality @ chosen)) < (best[0], -best[1])):
            best = (distance, float(cells.quality @ chosen))
    return best


@pytest.mark.parametrize("seed", range(25))
def test_answer_is_the_brute_force_optimum(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = strata(
        [
            ({"x": x, "y": y}, int(random.integers(0, 4)), round(float(random.random()), 3))
            for x in "ab"
            for y in "pqr"
        ]
    )
    size = max(1, int(cells.available.sum()) // 2)
    asked = [
        Constraint("x", "a", "floor", share=0.25),
        Constraint("y", "p", "cap", share=0.7),
        Constraint("y", "q", "target", share=0.5, weight=2),
        Constraint("x", "b", "target", share=0.6),
    ]
    expected = brute_force(cells, size, asked)
    if expected is None:
        from jobs.curation.sampling.infeasibility import ConflictingConstraints

        with pytest.raises(ConflictingConstraints):
            allocate(cells, size, asked)
        return
    answer = allocate(cells, size, asked)
    assert answer.distance == pytest.approx(expected[0], abs=1e-6)
    assert answer.quality == pytest.approx(expected[1], abs=1e-5)
    assert answer.optimality_gap <= 1e-4


def random_instance(seed: int) -> tuple[Strata, int, list[Constraint]]:
    """A feasible instance: bounds drawn around a random sample, which satisfies them."""
    random = np.random.default_rng(seed)
    names = {
        "first_turn": ["first", "later"],
        "character": [f"c{i}" for i in range(int(random.integers(2, 12)))] + [NONE],
        "locale_language": [f"l{i}" for i in range(int(random.integers(1, 5)))],
        "depth_band": ["1", "2-5", "6-20"],
        "quality_band": ["low", "middle", "high"],
    }
    width = int(random.integers(5, 200))
    columns = {name: random.choice(levels, width) for name, levels in names.items()}
    _, keep = np.unique(np.stack(list(columns.values())), axis=1, return_index=True)
    cells = Strata(
        {name: column[keep] for name, column in columns.items()},
        random.integers(0, 60, len(keep)),
        random.random(len(keep)),
    )
    total = int(cells.available.sum())
    size = int(random.integers(1, total + 1))
    witness = random.multivariate_hypergeometric(cells.available, size)
    asked: list[Constraint] = []
    for name, levels in names.items():
        for level in levels:
            have = int(witness[cells.levels[name] == level].sum())
            kind = random.choice(["floor", "cap", "target", "none"], p=[0.25, 0.25, 0.4, 0.1])
            if kind == "floor":
                asked.append(Constraint(name, level, "floor", count=int(random.integers(0, have + 1))))
            elif kind == "cap" and level != NONE:
                asked.append(Constraint(name, level, "cap", count=have + int(random.integers(0, 5))))
            elif kind == "target":
                share = round(float(random.random()), 3)
                asked.append(
                    Constraint(name, level, "target", share=share, weight=float(random.integers(1, 4)))
                )
    return cells, size, asked


@pytest.mark.parametrize("block", range(10))
def test_random_feasible_instances_have_no_violation(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        cells, size, asked = random_instance(seed)
        answer = allocate(cells, size, asked)
        assert int(answer.selected.sum()) == size
        assert np.all(answer.selected >= 0)
        assert np.all(answer.selected <= cells.available)
        for item in asked:
            have = recount(answer, cells, item)
            assert item.kind != "floor" or have >= item.wanted(size)
            assert item.kind != "cap" or have <= item.wanted(size)
        assert answer.optimality_gap <= 1e-4, (seed, answer.bound)


def test_the_stated_gap_holds_for_a_search_that_stops_early() -> None:
    """However far from the best a sample is, the best is no farther than the gap says: distance, then quality."""
    early = 0
    for seed in range(60):
        cells, size, asked = random_instance(seed)
        found = allocate(cells, size, asked, Solver(max_gap=1.0, pool=1))
        best = allocate(cells, size, asked)
        shares = zip(asked, apportion(asked, size), strict=True)
        aimed = sum(item.weight * want for item, want in shares if item.kind == "target")
        assert found.distance - best.distance <= found.optimality_gap * max(aimed, 1.0) + 1e-6
        assert best.quality * (1 - found.optimality_gap) <= found.quality + 1e-4
        early += found.optimality_gap > best.optimality_gap
    assert early > 0


@examples(25)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_order_of_strata_and_constraints_changes_nothing(seed: int, shuffler: object) -> None:
    cells, size, asked = random_instance(seed)
    order = np.random.default_rng(seed + 1).permutation(len(cells))
    turned = Strata(
        {name: column[order] for name, column in cells.levels.items()},
        cells.available[order],
        cells.quality[order],
    )
    first = allocate(cells, size, asked)
    second = allocate(turned, size, asked)
    assert first.selected[order].tolist() == second.selected.tolist()
    assert first.distance == pytest.approx(second.distance)


def test_a_million_candidates_by_counts() -> None:
    """1M candidates of 1,000 characters, K = 200k: no violation, and the gap that is promised.

    Only characters with more than the cap's 6,000 candidates have strata of their own.
    """
    random = np.random.default_rng(7)
    total, size = 1_000_000, 200_000
    popularity = 1 / np.arange(1, 1_001)
    character = random.choice(1_000, total, p=popularity / popularity.sum())
    big = np.flatnonzero(np.bincount(character) > 0.03 * size)
    assert len(big) == 22
    names: dict[str, tuple[list[str], list[float]]] = {
        "first_turn": (["first", "later"], [0.06, 0.94]),
        "locale_language": ([f"l{i}" for i in range(8)], [0.62, 0.12, 0.08, 0.06, 0.05, 0.04, 0.02, 0.01]),
        "jtbd": ([f"j{i}" for i in range(10)], [0.1] * 10),
        "depth_band": (["2-5", "6-20", "21+"], [0.4, 0.35, 0.25]),
        "quality_band": (["low", "middle", "high"], [0.2, 0.5, 0.3]),
    }
    codes = [np.where(np.isin(character, big), character, 22)]
    codes += [random.choice(len(levels), total, p=share) for levels, share in names.values()]
    shape = (23, *(len(levels) for levels, _ in names.values()))
    flat, counts = np.unique(np.ravel_multi_index(tuple(codes), shape), return_counts=True)
    parts = np.unravel_index(flat, shape)
    columns = {"character": np.array([*(f"c{i}" for i in big), OTHER])[parts[0]]}
    for (name, (levels, _)), part in zip(names.items(), parts[1:], strict=True):
        columns[name] = np.array(levels)[part]
    quality = np.asarray(np.round(random.random(len(flat)) * 0.3 + parts[-1] * 0.3, 6), dtype=np.float64)
    aims = {
        "locale_language": [0.5, 0.2, 0.1, 0.06, 0.05, 0.04, 0.03, 0.02],
        "jtbd": [0.1] * 10,
        "depth_band": [0.3, 0.3, 0.4],
    }
    asked = [
        Constraint("first_turn", "first", "floor", share=0.1),
        Constraint("character", ANY, "cap", share=0.03),
        *(
            Constraint(name, level, "target", share=share)
            for name, shares in aims.items()
            for level, share in zip(names[name][0], shares, strict=True)
        ),
    ]
    answer = allocate(Strata(columns, counts, quality), size, asked)
    assert answer.size == size
    assert all(result.slack >= 0 for result in answer.achieved if result.constraint.kind != "target")
    assert sum(result.constraint.kind == "cap" for result in answer.achieved) == 22
    assert answer.optimality_gap <= 1e-4
