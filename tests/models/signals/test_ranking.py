"""Areas under the curves: the library's own, ties and weights included, and intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from models.signals.ranking import auc, average_precision, by_cell, gain, ranked, within
from tests.conftest import examples

rows = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=30)


@given(rows.filter(lambda some: len({(yes) for _, yes, weight in some if weight}) == 2))
@examples(60)
def test_the_areas_are_the_library_s(some: list[tuple[int, bool, int]]) -> None:
    scores, happened = np.array([s for s, _, _ in some], float), np.array([yes for _, yes, _ in some])
    weights = np.array([w for _, _, w in some], float)
    ours = auc(scores, happened)(weights[None])[0]
    assert ours == pytest.approx(roc_auc_score(happened, scores, sample_weight=weights))
    ours = average_precision(scores, happened)(weights[None])[0]
    assert ours == pytest.approx(average_precision_score(happened, scores, sample_weight=weights))


def test_an_area_by_hand() -> None:
    """Of four pairs the score puts two right, one wrong, and one is a tie."""
    scores, happened = np.array([0.9, 0.4, 0.4, 0.7]), np.array([True, True, False, False])
    assert auc(scores, happened)(np.ones((1, 4)))[0] == pytest.approx(2.5 / 4)


def simulated(random: np.random.Generator, users: int = 60) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Responses of users whose scores share a part: AUC is Phi(1 / sqrt(2)) for a shift of one deviation."""
    sizes = random.integers(2, 12, users)
    user = np.repeat(np.arange(users), sizes)
    happened = random.random(len(user)) < 0.4
    own, rest = random.normal(0, np.sqrt(0.3), users), random.normal(0, np.sqrt(0.7), len(user))
    return own[user] + rest + happened, happened, [f"u{one}" for one in user]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random, truth, held = np.random.default_rng(5), float(norm.cdf(1 / np.sqrt(2))), 0
    for seed in range(120):
        scores, happened, users = simulated(random)
        found = ranked("all", scores, happened, users, seed).auc
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / 120 >= 0.95 - 0.06


def test_a_score_against_itself_gains_nothing_and_a_better_one_does() -> None:
    scores, happened, users = simulated(np.random.default_rng(6), 200)
    noise = np.random.default_rng(7).normal(size=len(scores))
    assert gain(scores, scores, happened, users, 1).high == 0.0
    better = gain(scores, noise, happened, users, 1)
    assert better.low is not None
    assert better.low > 0.1


def test_a_score_that_knows_the_group_alone_tells_nothing_within_it() -> None:
    """The shortcut of section 3.5.5: groups differ in their rate, and the score is the group."""
    random = np.random.default_rng(8)
    group = random.integers(0, 3, 3000)
    happened = random.random(3000) < np.array([0.1, 0.4, 0.8])[group]
    users = [f"u{n % 300}" for n in range(3000)]
    assert (ranked("all", group.astype(float), happened, users, 1).auc.value or 0) > 0.75
    inside = within(group.astype(float), happened, [str(one) for one in group], users, 1)
    assert inside.value == 0.5


def test_small_cells_say_so() -> None:
    scores, happened, users = simulated(np.random.default_rng(9), 40)
    jobs = ["planning" if n < 30 else "other" for n in range(len(scores))]
    found = {one.cell: one for one in by_cell(scores, happened, users, {"jtbd": jobs}, 1)}
    assert set(found) == {"all", "jtbd=planning", "jtbd=other"}
    assert found["jtbd=planning"].rows == 30
    assert not found["jtbd=planning"].has_estimate
    assert found["all"].has_estimate
