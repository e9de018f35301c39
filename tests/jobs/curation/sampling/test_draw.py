"""Drawing rows: recounted from what was drawn, and the same whatever the order of the candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from infra.errors import InfeasibleConstraints
from jobs.curation.sampling.constraints import ANY, NONE, OTHER, Constraint
from jobs.curation.sampling.draw import ONE_PER_CONVERSATION, Drawn, Request, draw
from jobs.curation.sampling.infeasibility import shortfall
from jobs.curation.sampling.strata import Candidates
from tests.conftest import examples


def candidates(seed: int, conversations: int, turns: int, first: float = 1.0) -> Candidates:
    """Conversations of `turns` turns; a share `first` of them begins in the window."""
    random = np.random.default_rng(seed)
    ids, talks, firsts, depths, names = [], [], [], [], []
    for talk in range(conversations):
        name = NONE if random.random() < 0.1 else f"ch{int(random.zipf(1.5)) % 40}"
        begins = random.random() < first
        for turn in range(1, turns + 1):
            ids.append(f"t{talk:04}-{turn:02}")
            talks.append(f"c{talk:04}")
            firsts.append("first" if turn == 1 and begins else "later")
            depths.append("1" if turn == 1 else "2-5" if turn <= 5 else "6-20")
            names.append(name)
    quality = random.random(len(ids)).round(4)
    columns = {
        "turn_id": ids,
        "conversation_id": talks,
        "quality": quality,
        "first_turn": firsts,
        "character": names,
        "locale_language": random.choice(["en-US/en", "es-MX/es"], len(ids), p=[0.8, 0.2]),
        "depth_band": depths,
        "quality_band": np.where(quality < 0.25, "low", np.where(quality < 0.5, "middle", "high")),
    }
    return Candidates.of(pa.table(columns), DIMENSIONS)


DIMENSIONS = ("first_turn", "character", "locale_language", "depth_band", "quality_band")


def column(pool: Candidates, name: str) -> npt.NDArray[Any]:
    """(N,) values of a column of the candidates."""
    if name == "turn_id":
        return np.array(pool.turn_id.to_pylist())
    labels = pool.conversation_id if name == "conversation_id" else pool.levels[name]
    return np.array(labels.arrow().to_pylist())


def strata(drawn: Drawn) -> npt.NDArray[Any]:
    """(N,) stratum of each candidate, None without one."""
    return np.array(drawn.stratum.arrow().to_pylist(), dtype=object)


def table(pool: Candidates) -> pa.Table:
    names = ("turn_id", "conversation_id", *DIMENSIONS)
    return pa.table({name: column(pool, name) for name in names} | {"quality": pool.quality})


ASKED = (
    Constraint("first_turn", "first", "floor", share=0.3),
    Constraint("character", ANY, "cap", share=0.2),
    Constraint("locale_language", "en-US/en", "target", share=0.6),
    Constraint("locale_language", "es-MX/es", "target", share=0.4),
)


@pytest.mark.parametrize("seed", range(5))
def test_final_denominators(seed: int) -> None:
    pool = candidates(seed, conversations=120, turns=8)
    drawn = draw(pool, Request(40, ASKED, seed))
    assert int(drawn.selected.sum()) == 40
    talks = column(pool, "conversation_id")[drawn.selected]
    assert len(set(talks)) == 40
    assert (column(pool, "first_turn")[drawn.selected] == "first").sum() >= 12
    names, counts = np.unique(column(pool, "character")[drawn.selected], return_counts=True)
    assert all(count <= 8 for name, count in zip(names, counts, strict=True) if name != NONE)
    assert (column(pool, "locale_language")[drawn.selected] == "es-MX/es").sum() == 16
    assert drawn.allocation.optimality_gap <= 1e-4


def test_inclusion_probability_is_the_share_of_its_stratum() -> None:
    pool = candidates(3, conversations=120, turns=4)
    drawn = draw(pool, Request(40, ASKED, 3))
    named = strata(drawn)
    for stratum in set(named) - {None}:
        rows = named == stratum
        share = drawn.selected[rows].sum() / rows.sum()
        assert set(drawn.probability[rows]) == {share}
    outside = drawn.stratum.codes < 0
    reasons = np.array(drawn.reason.arrow().to_pylist(), dtype=object)
    assert set(reasons[outside]) == {ONE_PER_CONVERSATION}
    assert not drawn.selected[outside].any()
    assert set(reasons[drawn.selected]) == {None}
    assert None not in set(reasons[~drawn.selected])


@pytest.mark.parametrize("seed", range(5))
def test_order_of_rows_changes_nothing(seed: int) -> None:
    pool = candidates(seed, conversations=60, turns=6)
    turned = np.random.default_rng(seed).permutation(len(pool))
    other = Candidates.of(table(pool).take(turned), DIMENSIONS)
    request = Request(30, ASKED, seed)
    first, second = draw(pool, request), draw(other, request)
    chosen = set(column(pool, "turn_id")[first.selected])
    assert chosen == set(column(other, "turn_id")[second.selected])
    assert strata(first)[turned].tolist() == strata(second).tolist()
    assert chosen != set(column(pool, "turn_id")[draw(pool, replace(request, seed=seed + 1)).selected])


def test_first_turns_stand_for_their_conversation_when_the_floor_needs_them() -> None:
    """100 conversations of 10 turns: one candidate each by chance gives about 10 first turns; the floor wants 40."""
    pool = candidates(1, conversations=100, turns=10)
    drawn = draw(pool, Request(80, (Constraint("first_turn", "first", "floor", share=0.5),), 1))
    assert (column(pool, "first_turn")[drawn.selected] == "first").sum() >= 40
    assert len(set(column(pool, "conversation_id")[drawn.selected])) == 80
    standing = drawn.stratum.codes >= 0
    assert standing.sum() == 100
    assert (column(pool, "first_turn")[standing] == "first").sum() < 100


def test_without_a_need_the_representative_is_chosen_by_hash_alone() -> None:
    pool = candidates(1, conversations=400, turns=5)
    drawn = draw(pool, Request(50, (Constraint("first_turn", "first", "floor", share=0.1),), 1))
    standing = drawn.stratum.codes >= 0
    share = (column(pool, "first_turn")[standing] == "first").mean()
    assert 0.14 < share < 0.26


def test_several_turns_of_a_conversation_when_the_setting_allows() -> None:
    pool = candidates(2, conversations=10, turns=10)
    drawn = draw(pool, Request(50, (), 2, one_per_conversation=False))
    assert int(drawn.selected.sum()) == 50


def test_only_characters_above_the_cap_have_a_class_of_their_own() -> None:
    pool = candidates(4, conversations=200, turns=1)
    drawn = draw(pool, Request(50, (Constraint("character", ANY, "cap", share=0.2),), 4))
    classes = {dict(part.split("=") for part in name.split("|"))["character"] for name in set(strata(drawn))}
    names, counts = np.unique(column(pool, "character"), return_counts=True)
    big = {str(name) for name, count in zip(names, counts, strict=True) if name != NONE and count > 10}
    assert classes == big | {OTHER, NONE}


def test_conflicts_are_refused_or_answered_with_the_largest_size() -> None:
    """Conversations without a beginning in the window: 12 first turns at most, K = 60 wants 18, 40 wants 12."""
    pool = candidates(5, conversations=120, turns=3, first=0.1)
    beginnings = int((column(pool, "first_turn") == "first").sum())
    asked = (Constraint("first_turn", "first", "floor", share=0.3),)
    with pytest.raises(InfeasibleConstraints, match="floor first_turn=first"):
        draw(pool, Request(60, asked, 5))
    drawn = draw(pool, Request(60, asked, 5, allow_smaller=True))
    assert drawn.size == int(drawn.selected.sum()) == int(beginnings / 0.3 + 1e-9)
    assert (column(pool, "first_turn")[drawn.selected] == "first").sum() == beginnings


def test_a_smaller_sample_says_what_bound_and_by_how_much() -> None:
    """A cap of 0.1 % is no row of 300 a character: only turns without one are left, and nobody was told."""
    pool = candidates(5, conversations=400, turns=2)
    asked = (Constraint("character", ANY, "cap", share=0.001),)
    drawn = draw(pool, Request(300, asked, 5, allow_smaller=True))
    assert 0 < drawn.size < 100
    diagnosis = drawn.settled.shrunk_by
    assert diagnosis is not None
    assert diagnosis.size == 300
    told = shortfall(diagnosis, drawn.size)
    assert told.startswith(
        f"{drawn.size} rows instead of the 300 asked for ({drawn.size / 3:.0f} %). Bound by "
    )
    assert "cap character=" in told
    assert "more room" in told
    left = set(drawn.reason.arrow().filter(pa.array(~drawn.selected)).to_pylist())
    assert "size" not in left, "the size did not bind: it came down"
    assert any("cap character=" in reason for reason in left)
    # What is had in full is not warned of.
    assert draw(pool, Request(50, (), 5, allow_smaller=True)).settled.shrunk_by is None


def test_over_seeds_rows_are_drawn_as_often_as_their_probability_says() -> None:
    """Chi-square within strata: n of N rows without replacement vary (N-1)/N as much as independent draws."""
    pool = candidates(6, conversations=150, turns=1)
    seeds = 200
    drawn = [draw(pool, Request(40, ASKED, seed)) for seed in range(seeds)]
    times = np.sum([one.selected for one in drawn], axis=0)
    probability, stratum = drawn[0].probability, drawn[0].stratum.codes
    assert all(np.array_equal(one.probability, probability) for one in drawn)
    statistic, degrees = 0.0, 0
    for code in np.unique(stratum):
        rows = stratum == code
        share, size = probability[rows][0], int(rows.sum())
        if 0 < share < 1:
            spread = seeds * share * (1 - share) * size / (size - 1)
            statistic += float(((times[rows] - seeds * share) ** 2).sum() / spread)
            degrees += size - 1
        else:
            assert (times[rows] == seeds * share).all()
    assert degrees > 30
    assert 0.001 < chi2.sf(statistic, degrees) < 0.999


def test_weighted_totals_are_unbiased_given_the_representatives() -> None:
    """Horvitz-Thompson: the drawn rows' value/probability adds up to the total of the strata drawn from."""
    pool = candidates(7, conversations=90, turns=3)
    value = np.random.default_rng(1).lognormal(size=len(pool))
    errors = []
    for seed in range(200):
        drawn = draw(pool, Request(30, ASKED, seed))
        reached = (drawn.stratum.codes >= 0) & (drawn.probability > 0)
        estimate = (value[drawn.selected] / drawn.probability[drawn.selected]).sum()
        errors.append(estimate / value[reached].sum() - 1)
    assert abs(np.mean(errors)) < 3.3 * np.std(errors) / np.sqrt(len(errors))


def test_what_may_give_way_does_so_before_the_size_does() -> None:
    """12 beginnings or so for 18 first turns: with the floor in `relax` K stays; else it falls, when it may."""
    pool = candidates(5, conversations=120, turns=3, first=0.1)
    beginnings = int((column(pool, "first_turn") == "first").sum())
    floor = Constraint("first_turn", "first", "floor", share=0.3)
    request = Request(60, (floor,), 5, relax=("cap character", "floor first_turn"), allow_smaller=True)
    drawn = draw(pool, request)
    assert int(drawn.selected.sum()) == drawn.size == 60
    assert [(one.constraint, one.order, one.slack) for one in drawn.settled.relaxed] == [
        (floor, 2, 18 - beginnings)
    ]
    assert (column(pool, "first_turn")[drawn.selected] == "first").sum() == beginnings
    assert draw(pool, replace(request, relax=("cap character",))).size < 60
    # Nothing gives way that need not.
    assert draw(pool, replace(request, size=20)).settled.relaxed == ()


def test_a_floor_on_every_level_holds_for_a_level_that_no_representative_has_by_chance() -> None:
    """Every conversation has one Spanish turn among nineteen English ones; half of them must stand with it."""
    turns = [(talk, turn) for talk in range(40) for turn in range(20)]
    names = {
        "turn_id": [f"t{talk}-{turn}" for talk, turn in turns],
        "conversation_id": [f"c{talk}" for talk, _ in turns],
        "locale_language": ["es" if turn == 7 else "en" for _, turn in turns],
    }
    rest = {name: ["x"] * len(turns) for name in DIMENSIONS if name not in names}
    pool = Candidates.of(pa.table(names | rest | {"quality": np.full(len(turns), 0.5)}), DIMENSIONS)
    drawn = draw(pool, Request(20, (Constraint("locale_language", ANY, "floor", share=0.5),), 3))
    assert (column(pool, "locale_language")[drawn.selected] == "es").sum() == 10


def of_groups(talks: list[str]) -> Candidates:
    """A conversation for each word, a turn of its own locale for each letter of it."""
    turns = [(talk, letter) for talk, word in enumerate(talks) for letter in word]
    names = {
        "turn_id": [f"t{talk:03}-{letter}" for talk, letter in turns],
        "conversation_id": [f"c{talk:03}" for talk, _ in turns],
        "locale_language": [letter for _, letter in turns],
    }
    rest = {name: ["x"] * len(turns) for name in DIMENSIONS if name not in names}
    return Candidates.of(pa.table(names | rest | {"quality": np.full(len(turns), 0.5)}), DIMENSIONS)


def test_a_choice_that_only_looking_ahead_finds() -> None:
    """a is scarcest and hash order may give it the conversations that b cannot do without; there is one split only."""
    pool = of_groups(["ab"] * 4 + ["a"] * 3 + ["bc"] * 4)
    asked = (
        Constraint("locale_language", "a", "floor", count=3),
        Constraint("locale_language", "b", "floor", count=4),
        Constraint("locale_language", "c", "floor", count=4),
    )
    for seed in range(10):
        drawn = draw(pool, Request(11, asked, seed))
        found = column(pool, "locale_language")[drawn.selected].tolist()
        assert (found.count("a"), found.count("b"), found.count("c")) == (3, 4, 4)
        assert len(set(column(pool, "conversation_id")[drawn.selected])) == 11


@examples(30)
@given(st.integers(0, 10_000))
def test_what_can_be_met_with_one_turn_a_conversation_is_met(seed: int) -> None:
    random = np.random.default_rng(seed)
    talks = [
        "".join(random.choice(list("abcde"), int(random.integers(1, 4)), replace=False)) for _ in range(40)
    ]
    pool = of_groups(talks)
    witness = [str(random.choice(list(word))) for word in talks][: int(random.integers(5, 41))]
    asked = []
    for level in sorted({letter for word in talks for letter in word}):
        have = witness.count(level)
        asked.append(
            Constraint("locale_language", level, "floor", count=max(0, have - int(random.integers(0, 2))))
        )
        asked.append(Constraint("locale_language", level, "cap", count=have + int(random.integers(0, 2))))
    drawn = draw(pool, Request(len(witness), tuple(asked), seed))
    counts = Counter(column(pool, "locale_language")[drawn.selected].tolist())
    assert len(set(column(pool, "conversation_id")[drawn.selected])) == len(witness)
    for item in asked:
        want = item.wanted(len(witness))
        assert counts[item.level] >= want if item.kind == "floor" else counts[item.level] <= want
