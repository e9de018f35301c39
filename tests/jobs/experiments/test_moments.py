"""Moments by hand; merged in any order and any grouping they are those of all users at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.experiments.moments import Arm, CoMoments, Moments, merged

PARTS = st.lists(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 500), st.integers(0, 7), st.integers(0, 500)),
                          max_size=6), min_size=1, max_size=6)  # fmt: skip


def test_moments_by_hand() -> None:
    found = Moments.of([1, 2, 6])
    assert (found.n, found.mean, found.m2) == (3, 3.0, 14.0)
    assert (found.variance, found.variance_of_mean) == (7.0, pytest.approx(7 / 3))
    assert found.with_zeros(1) == Moments(4, 2.25, pytest.approx(14 + 9 * 0.75))
    assert Moments.of([]) + found == found
    assert found + Moments.of([]) == found
    assert np.isnan(Moments.of([5]).variance)
    pair = CoMoments.of([1, 2, 6], [2, 2, 5])
    assert pair.product == pytest.approx(-2 * -1 + -1 * -1 + 3 * 2)


def test_a_mean_of_a_million_keeps_a_variance_of_one() -> None:
    values = 1e6 + np.random.default_rng(7).standard_normal(10_000)
    parts = np.split(values, [1, 10, 500, 501, 7000])
    whole = sum((Moments.of(part) for part in parts), Moments())
    assert whole.variance == pytest.approx(np.var(values, ddof=1), rel=1e-9)
    # What sum of squares less square of sum leaves of it.
    naive = (np.sum(values**2) - np.sum(values) ** 2 / len(values)) / (len(values) - 1)
    assert abs(naive / whole.variance - 1) > 1e-7


@given(PARTS, st.randoms(use_true_random=False))
def test_arms_merge_in_any_order_to_all_users_at_once(
    parts: list[list[tuple[int, ...]]], order: object
) -> None:
    together = _arm([user for part in parts for user in part])
    arms = [_arm(part) for part in parts]
    order.shuffle(arms)  # type: ignore[attr-defined]
    _same(merged(arms), together)


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 500), st.integers(0, 7), st.integers(0, 500)), max_size=9
    )
)
def test_an_arm_of_aggregates_is_that_of_its_users(users: list[tuple[int, ...]]) -> None:
    table = np.array(users, dtype=float).reshape(-1, 4)
    days, amount, days_before, amount_before = table.T
    some = amount > 0

    def about(name: str, values: np.ndarray) -> dict[str, float | None]:
        found = Moments.of(values)
        return {f"{name}_mean": found.mean if found.n else None, f"{name}_m2": found.m2 if found.n else None}

    def product(x: np.ndarray, y: np.ndarray) -> float | None:
        return float(((x - x.mean()) * (y - y.mean())).sum()) if len(x) else None

    row: dict[str, float | None] = {
        "users": len(users), "engaged_users": int(some.sum()),
        **about("days_engaged", days), **about("amount", amount[some]),
        **about("winsorised", np.minimum(amount[some], 100.0)),
        **about("days_before", days_before), **about("amount_before", amount_before),
        "days_engaged_days_before_product": product(days, days_before),
        "engaged_days_before_product": product(some * 1.0, days_before),
        "engaged_amount_before_product": product(some * 1.0, amount_before),
        "amount_amount_before_product": product(amount, amount_before),
    }  # fmt: skip
    found = Arm.of_row(row, 7)
    if some.any():
        _same(found, _arm(users))
    else:
        assert (found.users, found.depth.n, found.amount.mean) == (len(users), 0, 0.0)
    without = {name: value for name, value in row.items() if "before" not in name and "winsor" not in name}
    assert (Arm.of_row(without, 7).before, Arm.of_row(without, 7).winsorised_depth) == (None, None)


def test_what_an_arm_implies_by_hand() -> None:
    arm = Arm.of_users([0, 1, 7, 2], [0, 3, 9, 300], 7, bound=100)
    assert arm.breadth.mean == pytest.approx(10 / 28)
    assert arm.engaged == Moments.of([0, 1, 1, 1])
    assert arm.depth == Moments.of([3, 9, 300])
    assert arm.amount.mean == pytest.approx(78)
    assert arm.winsorised_amount is not None
    assert arm.winsorised_amount.mean == pytest.approx(28)


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=60).filter(lambda sums: sum(s > 0 for s in sums) > 1)
)
def test_variance_of_depth_is_that_of_the_ratio_up_to_its_degrees_of_freedom(sums: list[int]) -> None:
    """Gap of equation 15: over engaged users it equals the delta method for sum S / sum A, over all users."""
    amount, n = np.array(sums, dtype=float), len(sums)
    some = amount > 0
    m, ratio = int(some.sum()), amount.sum() / some.sum()
    delta = np.var(amount - ratio * some, ddof=1) / some.mean() ** 2 / n
    depth = Arm.of_users(some, amount, 1).depth
    assert depth.variance_of_mean * n * (m - 1) / ((n - 1) * m) == pytest.approx(delta, rel=1e-9, abs=1e-12)


def _arm(users: list[tuple[int, ...]]) -> Arm:
    days, amount, days_before, amount_before = np.array(users, dtype=float).reshape(-1, 4).T
    return Arm.of_users(days, amount, 7, 100.0, days_before, amount_before)


def _same(one: Arm, other: Arm) -> None:
    def numbers(arm: Arm) -> list[float]:
        assert arm.before is not None
        assert arm.winsorised_depth is not None
        pairs = arm.before.breadth, arm.before.engaged, arm.before.engaged_amount, arm.before.amount
        moments = [arm.breadth, arm.depth, arm.winsorised_depth]
        for pair in pairs:
            moments += [pair.outcome, pair.covariate]
        flat = [x for each in moments for x in (each.n, each.mean, each.m2)]
        return [*flat, *(pair.product for pair in pairs)]

    assert numbers(one) == pytest.approx(numbers(other), rel=1e-9, abs=1e-9)
