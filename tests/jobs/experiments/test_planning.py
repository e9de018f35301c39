"""Minimum detectable effects against statsmodels, and their inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import zt_ind_solve_power

from jobs.experiments.moments import Arm
from jobs.experiments.planning import (
    minimum_detectable_difference,
    minimum_detectable_effect,
    plan,
    users_needed,
    users_needed_for_effect,
)


@pytest.mark.parametrize(("n_test", "n_control"), [(5000, 5000), (2000, 9000)])
@pytest.mark.parametrize("ceiling", [None, 1.0])
def test_the_detectable_effect_has_the_wanted_power(
    n_test: int, n_control: int, ceiling: float | None
) -> None:
    mean, variance = 0.3, 0.05
    rise = minimum_detectable_effect(mean, variance, n_test, n_control, ceiling=ceiling)
    assert rise is not None
    grown = 1 + rise / 100
    factor = grown**2 if ceiling is None else grown * (1 - mean * grown) / (1 - mean)
    # statsmodels knows one variance for both arms: give it the one with the same standard error.
    shared = variance * (factor / n_test + 1 / n_control) / (1 / n_test + 1 / n_control)
    power = zt_ind_solve_power(
        effect_size=mean * rise / 100 / math.sqrt(shared), nobs1=n_test, ratio=n_control / n_test, alpha=0.05
    )
    assert power == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("ceiling", [None, 1.0])
def test_a_detectable_fall_has_the_wanted_power(ceiling: float | None) -> None:
    mean, variance, users = 0.3, 0.05, 5000
    fall = minimum_detectable_effect(mean, variance, users, users, ceiling=ceiling, falls=True)
    rise = minimum_detectable_effect(mean, variance, users, users, ceiling=ceiling)
    assert fall is not None
    assert rise is not None
    # An arm that sends less varies less, so a smaller fall than rise is found.
    assert -rise < fall < 0
    left = 1 + fall / 100
    factor = left**2 if ceiling is None else left * (1 - mean * left) / (1 - mean)
    power = zt_ind_solve_power(
        effect_size=mean * fall / 100 / math.sqrt(variance * (factor + 1) / 2), nobs1=users, alpha=0.05
    )
    assert power == pytest.approx(0.8, abs=1e-5)
    assert users_needed(mean, variance, fall, ceiling=ceiling) == pytest.approx(users, abs=1)
    assert minimum_detectable_effect(0.3, 0.2, 3, 3, falls=True) is None


def test_users_by_hand() -> None:
    reach = (1.959964 + 0.8416212) ** 2
    assert users_needed(12, 400, 2) == math.ceil(reach * 400 * (1 + 1.02**2) / 0.24**2)
    assert users_needed(12, 400, -5) == math.ceil(reach * 400 * (1 + 0.95**2) / 0.6**2)
    assert users_needed_for_effect(12, 400, 0.24) == users_needed(12, 400, 2)
    # Without a positive mean both arms vary alike, and the sign of the effect does not matter.
    for mean in (0, -12):
        for effect in (0.6, -0.6):
            assert users_needed_for_effect(mean, 400, effect) == math.ceil(reach * 800 / 0.36)
    assert minimum_detectable_difference(400, 17_443) == pytest.approx(0.6, abs=1e-4)


@pytest.mark.parametrize(
    ("mean", "lift", "told"),
    [(0, 5, "no lift"), (-1, 5, "no lift"), (math.nan, 5, "no lift"), (12, 0, "lift of 0"), (12, -101, "most is 100 %"),
     (12, 1e-100, "no number of users")],
)  # fmt: skip
def test_what_no_users_can_find_is_said(mean: float, lift: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        users_needed(mean, 400, lift)


def test_users_needed_is_its_inverse() -> None:
    for ceiling in (None, 1.0):
        rise = minimum_detectable_effect(0.3, 0.05, 5000, 5000, ceiling=ceiling)
        assert rise is not None
        assert users_needed(0.3, 0.05, rise, ceiling=ceiling) == pytest.approx(5000, abs=1)
    with pytest.raises(ValueError, match="room for: the most is 25 %"):
        users_needed(0.8, 0.05, 30, ceiling=1.0)


def test_what_no_rise_could_show() -> None:
    # Three users of each arm: even a share of one is within the error.
    assert minimum_detectable_effect(0.5, 0.2, 3, 3, ceiling=1.0) is None
    nobody = plan(Arm.of_users([0, 0, 0], [0, 0, 0], 7), 1000)
    assert [row.detectable_pct for row in nobody] == [None] * 4


def test_a_plan_counts_engaged_users_for_depth_and_tests_of_the_family() -> None:
    rng = np.random.default_rng(7)
    days = rng.binomial(7, rng.beta(1, 3, 4000))
    baseline = Arm.of_users(days, days * rng.lognormal(0, 1, 4000), 7)
    one = {row.metric: row for row in plan(baseline, 10_000)}
    many = {row.metric: row for row in plan(baseline, 10_000, tests=18)}
    assert one["breadth"].users == 10_000
    assert one["depth"].users == int(10_000 * baseline.depth.n / 4000)
    for metric, row in one.items():
        other = many[metric].detectable_pct
        assert row.detectable_pct is not None
        assert other is not None
        # (z of .05/36 + z of .8) / (z of .025 + z of .8), a little more since variance grows with the rise.
        assert 1.3 < other / row.detectable_pct < 1.45
