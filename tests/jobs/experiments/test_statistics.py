"""Fieller sets by hand, of every kind; verdict = unpooled z-test; sample ratios, Holm, always-valid values."""

from __future__ import annotations

import math
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.multitest import multipletests

from jobs.experiments import statistics
from jobs.experiments.statistics import IntervalKind, LiftInterval, lift_interval, sample_ratio_p_value

Z = 1.959964


def test_a_bounded_set_by_hand() -> None:
    # a = 25 - 4 * 4 = 9, b = 30, discriminant 4 * (9 * 9 + 36 * 4) = 900: ratios (30 -+ 30) / 9.
    found = lift_interval(6, 9, 5, 4, critical=2)
    assert found.kind == "bounded"
    assert (found.lift, found.low, found.high) == pytest.approx((20, -100, 100 * (60 / 9 - 1)))
    assert not found.significant
    assert (found.gap_low, found.gap_high) == (None, None)


def test_a_complement_says_what_is_ruled_out_and_has_no_ends() -> None:
    # a = 1 - 4 = -3, b = 5, discriminant 4 * (7 * -3 + 25) = 16: ratios (5 -+ 4) / -3 = -3 and -1/3.
    found = lift_interval(5, 7, 1, 1, critical=2)
    assert (found.kind, found.low, found.high) == ("complement", None, None)
    assert (found.gap_low, found.gap_high) == pytest.approx((-400, -400 / 3))
    assert not found.significant
    # Nothing varies in the test arm: (5 -+ 10) / -3; lift 0 is now in the gap.
    sure = lift_interval(5, 0, 1, 1, critical=2)
    assert (sure.gap_low, sure.gap_high) == pytest.approx((-600, 200 / 3))
    assert sure.significant


def test_the_whole_line_rules_nothing_out() -> None:
    for numbers in ((1, 1, 1, 1), (0, 1, 0, 1), (0, 1, 1, 1), (0, 0, 0, 1)):
        found = lift_interval(*numbers, critical=2)
        assert (found.kind, found.low, found.high, found.significant) == ("whole_line", None, None, False)


def test_g_of_exactly_one_is_a_half_line() -> None:
    # a = 0: -2 b r + c <= 0 with b = 6, c = 9 - 4.
    up = lift_interval(3, 1, 2, 1, critical=2)
    assert (up.kind, up.high, up.significant) == ("half_line", None, False)
    assert up.low == pytest.approx(100 * (5 / 12 - 1))
    down = lift_interval(-3, 1, 2, 1, critical=2)
    assert (down.kind, down.low, down.significant) == ("half_line", None, True)
    assert down.high == pytest.approx(100 * (-5 / 12 - 1))
    assert lift_interval(0, 1, 2, 1, critical=2).kind == "whole_line"
    # A hundredth of a percent to either side the set is another one, and the verdict the same.
    assert lift_interval(3, 1, 2.0002, 1, critical=2).kind == "bounded"
    assert lift_interval(3, 1, 1.9998, 1, critical=2).kind == "complement"


def test_zero_and_negative_means() -> None:
    no_test = lift_interval(0, 0.01, 1, 0.01)
    assert (no_test.kind, no_test.lift, no_test.significant) == ("bounded", -100, True)
    assert sum(_ends(no_test)) == pytest.approx(-200)
    no_control = lift_interval(3, 1, 0, 1)
    assert (no_control.kind, no_control.lift, no_control.significant) == ("complement", None, True)
    # Both signs turned: the same ratio. One turned: the ratio's sign turns, and the ends change places.
    assert lift_interval(-1.1, 0.001, -1, 0.001) == lift_interval(1.1, 0.001, 1, 0.001)
    low, high = _ends(lift_interval(1.1, 0.001, 1, 0.001))
    assert _ends(lift_interval(1.1, 0.001, -1, 0.001)) == pytest.approx((-200 - high, -200 - low))


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 0, 1, 0),
        (1, 1, 0, 0),
        (math.nan, 1, 1, 1),
        (1, math.nan, 1, 1),
        (1, 1, math.nan, 1),
        (1, 1, 1, math.nan),
        (math.inf, 1, 1, 1),
        (None, 1, 1, 1),
        (1, 1, None, None),
        (1, -1, 1, 1),
    ],
)
def test_what_determines_no_set_is_undefined(numbers: tuple[float | None, ...]) -> None:
    found = lift_interval(*numbers)
    assert (found.kind, found.low, found.high, found.significant) == ("undefined", None, None, False)


@pytest.mark.parametrize("power", [-150, -75, 75, 150])
def test_the_scale_of_the_outcome_does_not_matter(power: int) -> None:
    scale = 10.0**power
    for numbers in ((6, 9, 5, 4), (5, 7, 1, 1), (3, 1, 2, 1), (1.0042, 1e-9, 1, 1e-9)):
        mt, vt, mc, vc = numbers
        here = lift_interval(mt, vt, mc, vc, critical=2)
        there = lift_interval(mt * scale, vt * scale**2, mc * scale, vc * scale**2, critical=2)
        assert (there.kind, there.significant) == (here.kind, here.significant)
        assert _numbers(there) == pytest.approx(_numbers(here), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("above", [1e-14, 1e-12, 1e-9])
def test_the_near_end_keeps_its_digits_where_the_far_one_runs_away(above: float) -> None:
    # As g nears 1 the upper end goes to infinity and the lower to that of the half line. The textbook root
    # would be a difference of nearly equal numbers over a number near 0.
    low, high = _ends(lift_interval(3, 1, 2 + above, 1, critical=2))
    assert low == pytest.approx(100 * (5 / 12 - 1), rel=1e-8)
    assert high > 1e9


@given(
    st.floats(-5, 5), st.floats(0, 4), st.floats(-5, 5), st.floats(0, 4),
    st.integers(-30, 30), st.integers(-30, 30), st.floats(0.5, 4),
)  # fmt: skip
def test_the_verdict_is_the_unpooled_z_test_in_every_kind(
    mt: float, vt: float, mc: float, vc: float, scale: int, apart: int, z: float
) -> None:
    # Means alike in scale as well as far apart, so that all kinds come up.
    mt, vt = mt * 2.0**apart, vt * 4.0**apart
    mt, vt, mc, vc = mt * 2.0**scale, vt * 4.0**scale, mc * 2.0**scale, vc * 4.0**scale
    found = lift_interval(mt, vt, mc, vc, z)
    if found.kind is IntervalKind.undefined:
        assert not found.significant
        return
    squared, bound = (mt - mc) ** 2, z**2 * (vt + vc)
    assume(abs(squared - bound) > 1e-9 * (squared + bound))
    assert found.significant == (squared > bound)
    assert _holds(found, 0.0) == (not found.significant)


@given(st.floats(-3, 3), st.floats(0.01, 4), st.floats(-3, 3), st.floats(0.01, 4), st.floats(-8, 8))
def test_the_set_is_that_of_equation_16(mt: float, vt: float, mc: float, vc: float, ratio: float) -> None:
    found = lift_interval(mt, vt, mc, vc)
    distance = (mt - ratio * mc) ** 2 - Z**2 * (vt + ratio**2 * vc)
    assume(abs(distance) > 1e-6)
    assert _holds(found, 100 * (ratio - 1)) == (distance < 0)


@given(st.floats(0.1, 10), st.floats(0.001, 0.2), st.floats(0.1, 10), st.floats(0.001, 0.2))
def test_ends_solve_equation_16_and_the_upper_arm_is_the_longer(
    mt: float, cv_test: float, mc: float, cv_control: float
) -> None:
    vt, vc = (cv_test * mt) ** 2, (cv_control * mc) ** 2
    found = lift_interval(mt, vt, mc, vc)
    assert found.kind == "bounded"
    (low_end, high_end), lift = _ends(found), 100 * (mt / mc - 1)
    assert high_end - lift >= (lift - low_end) * (1 - 1e-9)

    def over(r: float) -> float:
        return abs(mt - r * mc) / math.sqrt(vt + r * r * vc) - Z

    centre = mt / mc
    low = optimize.brentq(over, -10 * centre, centre, xtol=1e-15, rtol=1e-14)
    high = optimize.brentq(over, centre, 20 * centre, xtol=1e-15, rtol=1e-14)
    assert (low_end / 100 + 1, high_end / 100 + 1) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


def test_sample_ratio_by_hand() -> None:
    # (30^2 / 530) * 2 = 3.396 with one degree of freedom.
    assert sample_ratio_p_value([500, 560], [1, 1]) == pytest.approx(0.065346, abs=1e-6)
    assert sample_ratio_p_value([500, 560], [0.1, 0.1]) == sample_ratio_p_value([500, 560], [50, 50])
    assert sample_ratio_p_value([100, 200, 300], [1, 2, 3]) == 1.0
    assert sample_ratio_p_value([5000, 5400], [1, 1]) < 0.001
    assert sample_ratio_p_value([0, 0], [1, 1]) == 1.0
    assert sample_ratio_p_value([10], [1]) == 1.0
    assert sample_ratio_p_value([10, 1], [1, 0]) == 1.0
    assert sample_ratio_p_value([10, 12, 0], [1, 1, 0]) == sample_ratio_p_value([10, 12], [1, 1])
    # A published case: the 900 take no part. 2 * 100^2 / 1100 = 18.1818, and erfc(sqrt(18.1818 / 2)) = 2.0079e-5.
    published = sample_ratio_p_value([1000, 1200, 900], [0.5, 0.5, 0])
    assert published == pytest.approx(math.erfc(math.sqrt(100 / 11)), rel=1e-12)
    assert f"{published:.4e}" == "2.0079e-05"


@pytest.mark.parametrize(
    ("observed", "weights"), [([1, 2], [1]), ([-1, 2], [1, 1]), ([1, math.nan], [1, 1]), ([1, 2], [0, 0])]
)
def test_sample_ratio_refuses_nonsense(observed: list[float], weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"shares|positive|finite"):
        sample_ratio_p_value(observed, weights)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.01, math.nan, 0.03]) == pytest.approx([0.03, 1.0, 0.06])
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    with patch("gc.collect"):  # statsmodels collects the whole process's garbage on each call
        wanted = list(multipletests(p_values, method="holm")[1])
    assert statistics.holm(p_values) == pytest.approx(wanted)


def test_the_always_valid_boundary_is_lowest_at_the_planned_end() -> None:
    boundary = {f: statistics.always_valid_critical(f) for f in (1 / 7, 0.5, 0.9, 1.0, 1.1, 2.0)}
    assert min(boundary, key=boundary.__getitem__) == 1.0
    # At the optimum 1 + g = z^2 and z^2 = log(z^2 / alpha^2) + 1.
    z = boundary[1.0]
    assert z * z == pytest.approx(math.log(z * z / 0.05**2) + 1)
    # Seven looks at no less than this: within 5 % by Bonferroni alone, however days depend on each other.
    assert 7 * statistics.two_sided_p_value(z) < 0.05
    for fraction, critical in boundary.items():
        assert statistics.always_valid_p_value(critical, fraction) == pytest.approx(0.05)
    assert statistics.always_valid_p_value(0.0, 1.0) == 1.0


def _ends(found: LiftInterval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def _holds(found: LiftInterval, lift: float) -> bool:
    """Whether the set contains `lift`."""
    if found.kind is IntervalKind.complement:
        assert found.gap_low is not None
        assert found.gap_high is not None
        return not found.gap_low < lift < found.gap_high
    assert found.kind is not IntervalKind.undefined
    low = -math.inf if found.low is None else found.low
    high = math.inf if found.high is None else found.high
    return low <= lift <= high


def _numbers(found: LiftInterval) -> list[float]:
    ends = found.lift, found.low, found.high, found.gap_low, found.gap_high
    return [math.inf if end is None else end for end in ends]
