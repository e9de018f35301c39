"""Drawing rows: recounted from what was drawn, and the same whatever the order of the candidates."""

from __future__ import annotations

import numpy as np
import pytest

from infra.errors import InfeasibleConstraints
from jobs.curation.constraints import ANY, NONE, OTHER, Constraint
from jobs.curation.draw import ONE_PER_CONVERSATION, Candidates, Request, draw


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
    levels = {
        "first_turn": np.array(firsts, dtype=object),
        "character": np.array(names, dtype=object),
        "locale_language": random.choice(
            np.array(["en-US/en", "es-MX/es"], dtype=object), len(ids), p=[0.8, 0.2]
        ),
        "depth_band": np.array(depths, dtype=object),
        "quality_band": np.where(quality < 0.25, "low", np.where(quality < 0.5, "middle", "high")).astype(
            object
        ),
    }
    return Candidates(np.array(ids, dtype=object), np.array(talks, dtype=object), levels, quality)


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
    talks = pool.conversation_id[drawn.selected]
    assert len(set(talks)) == 40
    assert (pool.levels["first_turn"][drawn.selected] == "first").sum() >= 12
    names, counts = np.unique(pool.levels["character"][drawn.selected].astype(str), return_counts=True)
    assert all(count <= 8 for name, count in zip(names, counts, strict=True) if name != NONE)
    assert (pool.levels["locale_language"][drawn.selected] == "es-MX/es").sum() == 16
    assert drawn.allocation.optimality_gap <= 1e-4


def test_inclusion_probability_is_the_share_of_its_stratum() -> None:
    pool = candidates(3, conversations=120, turns=4)
    drawn = draw(pool, Request(40, ASKED, 3))
    for stratum in {name for name in drawn.stratum if name is not None}:
        rows = drawn.stratum == stratum
        share = drawn.selected[rows].sum() / rows.sum()
        assert set(drawn.probability[rows]) == {share}
    outside = np.array([name is None for name in drawn.stratum])
    assert set(drawn.reason[outside]) == {ONE_PER_CONVERSATION}
    assert not drawn.selected[outside].any()
    assert all(reason is None for reason in drawn.reason[drawn.selected])
    assert all(reason is not None for reason in drawn.reason[~drawn.selected])


@pytest.mark.parametrize("seed", range(5))
def test_order_of_rows_changes_nothing(seed: int) -> None:
    pool = candidates(seed, conversations=60, turns=6)
    turned = np.random.default_rng(seed).permutation(len(pool))
    other = Candidates(
        pool.turn_id[turned],
        pool.conversation_id[turned],
        {name: column[turned] for name, column in pool.levels.items()},
        pool.quality[turned],
    )
    request = Request(30, ASKED, seed)
    first, second = draw(pool, request), draw(other, request)
    assert set(pool.turn_id[first.selected]) == set(other.turn_id[second.selected])
    assert first.stratum[turned].tolist() == second.stratum.tolist()
    assert set(pool.turn_id[first.selected]) != set(
        pool.turn_id[draw(pool, Request(30, ASKED, seed + 1)).selected]
    )


def test_first_turns_stand_for_their_conversation_when_the_floor_needs_them() -> None:
    """100 conversations of 10 turns: one candidate each by chance gives about 10 first turns; the floor wants 40."""
    pool = candidates(1, conversations=100, turns=10)
    drawn = draw(pool, Request(80, (Constraint("first_turn", "first", "floor", share=0.5),), 1))
    assert (pool.levels["first_turn"][drawn.selected] == "first").sum() >= 40
    assert len(set(pool.conversation_id[drawn.selected])) == 80
    standing = np.array([name is not None for name in drawn.stratum])
    assert standing.sum() == 100
    assert (pool.levels["first_turn"][standing] == "first").sum() < 100


def test_without_a_need_the_representative_is_chosen_by_hash_alone() -> None:
    pool = candidates(1, conversations=400, turns=5)
    drawn = draw(pool, Request(50, (Constraint("first_turn", "first", "floor", share=0.1),), 1))
    standing = np.array([name is not None for name in drawn.stratum])
    share = (pool.levels["first_turn"][standing] == "first").mean()
    assert 0.14 < share < 0.26


def test_several_turns_of_a_conversation_when_the_setting_allows() -> None:
    pool = candidates(2, conversations=10, turns=10)
    drawn = draw(pool, Request(50, (), 2, one_per_conversation=False))
    assert int(drawn.selected.sum()) == 50


def test_only_characters_above_the_cap_have_a_class_of_their_own() -> None:
    pool = candidates(4, conversations=200, turns=1)
    drawn = draw(pool, Request(50, (Constraint("character", ANY, "cap", share=0.2),), 4))
    classes = {dict(part.split("=") for part in name.split("|"))["character"] for name in set(drawn.stratum)}
    names, counts = np.unique(pool.levels["character"].astype(str), return_counts=True)
    big = {str(name) for name, count in zip(names, counts, strict=True) if name != NONE and count > 10}
    assert classes == big | {OTHER, NONE}


def test_conflicts_are_refused_or_answered_with_the_largest_size() -> None:
    """Conversations without a beginning in the window: 12 first turns at most, K = 60 wants 18, 40 wants 12."""
    pool = candidates(5, conversations=120, turns=3, first=0.1)
    beginnings = int((pool.levels["first_turn"] == "first").sum())
    asked = (Constraint("first_turn", "first", "floor", share=0.3),)
    with pytest.raises(InfeasibleConstraints, match="floor first_turn=first"):
        draw(pool, Request(60, asked, 5))
    drawn = draw(pool, Request(60, asked, 5, allow_smaller=True))
    assert drawn.size == int(drawn.selected.sum()) == int(beginnings / 0.3 + 1e-9)
    assert (pool.levels["first_turn"][drawn.selected] == "first").sum() == beginnings
