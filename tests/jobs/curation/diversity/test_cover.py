"""The cover, its order and its cut: computed by hand, then against an all-pairs oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.curation.diversity.cover import (
    Fold,
    Graph,
    Ranking,
    Side,
    Texts,
    Turns,
    close_pairs,
    close_pairs_among,
    kept_count,
    nearest,
    tile_rows,
)
from tests.conftest import examples

T = 0.95


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _world(seed: int, days: int, per_day: int) -> tuple[np.ndarray, Texts, list[Turns]]:
    """Families of near-duplicates, exact repeats and loners over some days."""
    rng = np.random.default_rng(seed)
    roots = _unit(rng.normal(size=(max(2, days * per_day // 4), 16)))
    n = days * per_day
    vectors = _unit(roots[rng.integers(0, len(roots), n)] + 0.07 * rng.normal(size=(n, 16)))
    day = np.repeat(np.arange(days), per_day)
    texts = Texts(day=day, hash_rank=rng.permutation(n), twin=np.arange(n))
    turns = []
    for d in range(days):
        own = np.flatnonzero(day == d)
        own = np.concatenate([own, rng.choice(own, size=per_day // 3)])  # some texts are said twice
        ids = [f"t{d}-{i:04d}" for i in range(len(own))]
        turns.append(Turns(ids, own, np.round(rng.random(len(own)), 1)))
    return vectors, texts, turns


def _graph(vectors: np.ndarray, texts: Texts) -> Graph:
    found = list(close_pairs(vectors, vectors, T, 64))
    a, b, s = (np.concatenate([f[i] for f in found]) for i in range(3))
    return Graph(texts, a.astype(np.int64), b.astype(np.int64), s)


def _fold(world: tuple[np.ndarray, Texts, list[Turns]], p: float, horizon: int = 2) -> list[Ranking]:
    vectors, texts, turns = world
    fold = Fold(texts, _graph(vectors, texts), horizon, p)
    return [fold.rank(d, t) for d, t in enumerate(turns)]


def test_three_in_a_chain_by_hand() -> None:
    angle = np.arccos(0.96)
    vectors = np.array([[np.cos(a), np.sin(a)] for a in (0, angle, 2 * angle)], dtype=np.float32)
    texts = Texts(np.zeros(3, dtype=np.int64), np.arange(3), np.arange(3))
    turns = Turns(["a", "b", "c"], np.arange(3), np.array([0.9, 0.5, 0.4]))
    ranking = Fold(texts, _graph(vectors, texts), 90, 2 / 3).rank(0, turns)
    # b is close to a and goes; c is close only to b, which is gone, so c stays.
    assert ranking.priority.tolist() == [0, 2, 1]
    assert ranking.kept.tolist() == [True, False, True]
    assert ranking.duplicate_of.tolist() == [None, "a", None]
    assert ranking.kept_turn.tolist() == [None, "a", None]
    assert ranking.similarity[1] == pytest.approx(0.96, abs=1e-6)


def test_what_is_removed_for_the_budget_is_not_called_a_duplicate() -> None:
    vectors = np.eye(4, dtype=np.float32)
    texts = Texts(np.zeros(4, dtype=np.int64), np.arange(4), np.arange(4))
    turns = Turns(["a", "b", "c", "d"], np.arange(4), np.array([0.1, 0.2, 0.3, 0.4]))
    ranking = Fold(texts, _graph(vectors, texts), 90, 0.5).rank(0, turns)
    assert ranking.kept.tolist() == [False, False, True, True]
    assert ranking.kept_turn.tolist() == [None] * 4


@examples(25)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_exact_size_coverage_and_labels(seed: int, p: float) -> None:
    world = vectors, _, turns = _world(seed, days=4, per_day=24)
    rankings = _fold(world, p)
    kept_by_day: dict[int, set[int]] = {}
    similarity = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    for day, (ranking, these) in enumerate(zip(rankings, turns, strict=True)):
        assert ranking.kept.sum() == kept_count(p, len(these.turn_id)) == round(p * len(these.turn_id))
        assert sorted(ranking.priority) == list(range(len(these.turn_id)))
        kept_by_day[day] = set(these.text[ranking.kept].tolist())
        reachable = sorted(set().union(*(kept_by_day[d] for d in range(max(0, day - 2), day + 1))))
        for i in np.flatnonzero(~ranking.kept):
            text = these.text[i]
            closest = max((1.0 if text == k else similarity[text, k] for k in reachable), default=-1.0)
            # Labelled near a kept turn exactly when the oracle finds one, and with the oracle's similarity.
            assert (ranking.kept_turn[i] is not None) == (closest >= T)
            if closest >= T:
                assert ranking.similarity[i] == pytest.approx(closest, abs=2e-6)


@examples(15)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_kept_sets_nest_in_p_within_a_day(seed: int, p: float, q: float) -> None:
    world = _world(seed, days=1, per_day=40)
    low, high = (_fold(world, min(p, q))[0], _fold(world, max(p, q))[0])
    assert not (low.kept & ~high.kept).any()
    assert low.duplicate_of.tolist() == high.duplicate_of.tolist()


@examples(15)
@given(st.integers(0, 10_000))
def test_order_of_rows_and_cut_of_the_range_change_nothing(seed: int) -> None:
    world = vectors, texts, turns = _world(seed, days=4, per_day=24)
    whole = _fold(world, 0.6)
    graph = _graph(vectors, texts)
    kept = np.empty(0, dtype=np.int64)
    names = np.empty(0, dtype=object)
    for day, these in enumerate(turns):
        fold = Fold(texts, graph, 2, 0.6)  # a fresh run of one day that knows only what was kept
        fold.remember(kept, names)
        shuffle = np.random.default_rng(seed).permutation(len(these.turn_id))
        shuffled = Turns([these.turn_id[i] for i in shuffle], these.text[shuffle], these.quality[shuffle])
        ranking = fold.rank(day, shuffled)
        assert ranking.priority.tolist() == whole[day].priority[shuffle].tolist()
        assert ranking.kept_turn.tolist() == whole[day].kept_turn[shuffle].tolist()
        assert ranking.duplicate_of.tolist() == whole[day].duplicate_of[shuffle].tolist()
        kept = np.array([i for i, name in enumerate(fold.kept_turn_of) if name], dtype=np.int64)
        names = fold.kept_turn_of[kept]


def test_nearest_respects_days_and_tiles() -> None:
    rng = np.random.default_rng(5)
    vectors = _unit(rng.normal(size=(90, 8)))
    side = Side(vectors, np.arange(90), np.arange(90) // 15, rng.permutation(90))
    expected = []
    similarity = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    for q in range(90):
        usable = [t for t in range(90) if t != q and 0 <= side.day[q] - side.day[t] <= 1]
        expected.append(max(usable, key=lambda t: (similarity[q, t], side.day[t], -side.hash_rank[t])))
    for tile in (16, 33, 90):
        found, values = nearest(side, side, 1, tile)
        assert found.tolist() == expected
        assert np.allclose(values, similarity[np.arange(90), expected])


@pytest.mark.parametrize("tile", [7, 64, 200])
def test_each_pair_of_one_set_is_found_once(tile: int) -> None:
    vectors = _world(3, days=1, per_day=150)[0]
    every = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    expected = [(i, j) for i in range(150) for j in range(i + 1, 150) if every[i, j] >= T]
    found = [
        (int(i), int(j)) for a, b, _ in close_pairs_among(vectors, T, tile) for i, j in zip(a, b, strict=True)
    ]
    assert sorted(found) == expected


def test_the_tile_fits_what_it_declares() -> None:
    b = tile_rows(256_000_000, 384)
    assert 8 * b * 384 + 96 * b * b <= 256_000_000
