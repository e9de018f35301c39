"""Intervals of shares and differences: the textbook's, a second library's, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from models.reward.intervals import _Design, accuracy, difference


def test_without_clusters_they_are_the_textbook_s() -> None:
    found = accuracy([1] * 81 + [0] * 182)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)  # Newcombe 1998, method 3
    assert accuracy([]).n == 0
    assert math.isnan(accuracy([]).value)
    assert str(accuracy([1] * 4)).startswith("1.000 [0.510, 1.000]")
    gain = difference([1, 1, 0, 1], [0, 1, 0, 1])
    assert gain.value == 0.25
    assert gain.low < 0.25 < gain.high


def test_by_hand_and_by_statsmodels() -> None:
    hits, users = [1, 1, 1, 0, 0, 1], ["a", "a", "a", "b", "b", "c"]
    # Deviations from 2/3 add up to 1, -4/3 and 1/3; their squares to 26/9; times 3/2 over 4/3.
    assert _Design.of(np.array(hits, dtype=float), users).effect == pytest.approx(26 / 9 * 1.5 / (4 / 3))
    fit = sm.OLS(hits, np.ones(6)).fit(cov_type="cluster", cov_kwds={"groups": [0, 0, 0, 1, 1, 2]})
    alone = np.var(hits) / 6
    # statsmodels also corrects for its one coefficient: (n - 1) / (n - 1).
    assert _Design.of(np.array(hits, dtype=float), users).effect == pytest.approx(fit.bse[0] ** 2 / alone)


def test_few_users_who_all_agree_are_few_and_one_says_nothing() -> None:
    many = accuracy([1] * 100, [f"u{n}" for n in range(100)])
    few = accuracy([1] * 100, [f"u{n % 5}" for n in range(100)])
    assert few.low < accuracy([1] * 5).low < many.low
    assert few.high == 1.0
    one = accuracy([1, 0, 1], ["u"] * 3)
    assert (one.low, one.high) == (0.0, 1.0)
    assert (difference([1, 1], [0, 0], clusters=["u", "u"]).low) == -1.0


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_order_and_names_do_not_matter_and_clusters_never_narrow(hits: list[float], draw: object) -> None:
    users = [f"u{n % 4}" for n in range(len(hits))]
    found = accuracy(hits, users)
    assert found.low <= found.value <= found.high
    order = sorted(range(len(hits)), key=lambda n: (users[n], hits[n]))
    again = accuracy([hits[n] for n in order], [users[n].upper() for n in order])
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    alone = accuracy(hits, [""] * len(hits))
    assert (alone.low, alone.high) == pytest.approx((accuracy(hits).low, accuracy(hits).high))
    assert found.high - found.low >= alone.high - alone.low - 1e-9


def test_they_hold_the_truth_as_often_as_they_say() -> None:
    """Thirty users of four to sixteen pairs, whose own rates differ: coverage near 95 %, plain Wilson far below."""
    draw, truth = np.random.default_rng(3), 0.65
    covered = {"clustered": 0, "plain": 0, "difference": 0}
    runs = 800
    for _ in range(runs):
        sizes = draw.integers(4, 17, 30)
        users = np.repeat([f"u{n}" for n in range(30)], sizes).tolist()
        rates = np.repeat(draw.beta(0.65 * 4, 0.35 * 4, 30), sizes)
        hits, old = (draw.random(len(users)) < rates, draw.random(len(users)) < 0.5)
        for name, found in (("clustered", accuracy(hits, users)), ("plain", accuracy(hits))):
            covered[name] += found.low <= truth <= found.high
        gain = difference(hits, old, clusters=users)
        covered["difference"] += gain.low <= truth - 0.5 <= gain.high
    share = {name: n / runs for name, n in covered.items()}
    assert share["clustered"] == pytest.approx(0.95, abs=0.025)
    assert share["difference"] == pytest.approx(0.95, abs=0.025)
    assert share["plain"] < 0.85
