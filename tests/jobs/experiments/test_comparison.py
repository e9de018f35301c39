"""Readout rows: every metric by hand and against statsmodels and tea-tasting; statuses, CUPED, Holm, verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import tea_tasting
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from tea_tasting.aggr import Aggregates

from jobs.experiments.comparison import METRICS, Comparison, Status, Verdict, compare, judge
from jobs.experiments.moments import Arm, Moments

DAYS, BOUND = 7, 60.0
USERS = 2000


class Users:
    """Simulated users of one arm: days engaged, amount, and both before exposure."""

    def __init__(self, seed: int, users: int = USERS, lift: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        keen = rng.beta(1, 2, users)
        self.days_before, self.days = rng.binomial(DAYS, keen), rng.binomial(DAYS, np.minimum(keen * lift, 1))
        rate = rng.lognormal(1, 0.7, users)
        self.amount_before = rng.poisson(self.days_before * rate) + (self.days_before > 0)
        self.amount = rng.poisson(self.days * rate * lift) + (self.days > 0)

    @property
    def arm(self) -> Arm:
        return Arm.of_users(self.days, self.amount, DAYS, BOUND, self.days_before, self.amount_before)

    def columns(self) -> dict[str, np.ndarray]:
        engaged = (self.amount > 0).astype(float)
        return {
            "breadth": self.days / DAYS, "engaged": engaged, "amount": self.amount.astype(float),
            "days_before": self.days_before.astype(float), "amount_before": self.amount_before.astype(float),
        }  # fmt: skip

    def aggregates(self) -> Aggregates:
        columns = self.columns()
        return Aggregates(
            USERS,
            {name: float(values.mean()) for name, values in columns.items()},
            {name: float(values.var(ddof=1)) for name, values in columns.items()},
            {
                (one, other): float(np.cov(columns[one], columns[other])[0, 1])
                for one in columns
                for other in columns
                if one < other
            },
        )


TEST, CONTROL = Users(1, lift=1.03), Users(2)
ROWS = {(row.metric, row.method): row for row in compare(TEST.arm, CONTROL.arm, fraction=1.0)}


def test_metrics_by_hand() -> None:
    test = Arm.of_users([7, 0, 3, 4], [20, 0, 6, 10], 7, 10)
    control = Arm.of_users([0, 1, 0, 6], [0, 4, 0, 8], 7, 10)
    rows = {(row.metric, row.method): row for row in compare(test, control, fraction=1.0)}
    means = {
        metric: (rows[metric, "plain"].estimate_test, rows[metric, "plain"].estimate_control)
        for metric in METRICS
    }
    assert means == {
        "breadth": pytest.approx((0.5, 0.25)), "depth": pytest.approx((12, 6)),
        "share_engaged": pytest.approx((0.75, 0.5)), "mean_exposed": pytest.approx((9, 3)),
    }  # fmt: skip
    assert [rows[metric, "plain"].n_test for metric in METRICS] == [4, 3, 4, 4]
    depth = rows["depth", "plain"]
    # Over engaged users: (8^2 + 6^2 + 2^2) / 2 of 3 users, and (2^2 + 2^2) / 1 of 2.
    assert (depth.variance_of_mean_test, depth.variance_of_mean_control) == pytest.approx((104 / 6, 8 / 2))
    assert rows["depth", "winsorised"].estimate_test == pytest.approx(26 / 3)
    assert rows["mean_exposed", "winsorised"].estimate_test == pytest.approx(6.5)
    assert depth.lift_pct == pytest.approx(100)


@pytest.mark.parametrize("metric", METRICS)
def test_p_values_are_those_of_statsmodels(metric: str) -> None:
    test, control = (_outcomes(users, metric) for users in (TEST, CONTROL))
    expected = CompareMeans(DescrStatsW(test), DescrStatsW(control)).ztest_ind(usevar="unequal")[1]
    assert ROWS[metric, "plain"].p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator"),
    [("breadth", "breadth", None), ("share_engaged", "engaged", None), ("mean_exposed", "amount", None),
     ("depth", "amount", "engaged")],
)  # fmt: skip
def test_lifts_are_those_of_tea_tasting(metric: str, numerator: str, denominator: str | None) -> None:
    theirs = tea_tasting.RatioOfMeans(numerator, denominator, use_t=False, equal_var=False)
    found = theirs.analyze_aggregates(CONTROL.aggregates(), TEST.aggregates())
    ours = ROWS[metric, "plain"]
    assert (ours.estimate_test, ours.estimate_control) == pytest.approx((found.treatment, found.control))
    assert ours.lift_pct == pytest.approx(100 * found.rel_effect_size)
    # Of depth they take the delta method's degrees of freedom, over all users.
    exact = 1e-9 if metric != "depth" else 5e-3
    assert ours.p_value == pytest.approx(found.pvalue, rel=exact)
    # Theirs is symmetric in the logarithm, which Fieller's is to first order.
    assert (ours.low_pct, ours.high_pct) == pytest.approx(
        (100 * found.rel_effect_size_ci_lower, 100 * found.rel_effect_size_ci_upper), abs=0.05
    )


@pytest.mark.parametrize(
    ("metric", "names"),
    [("breadth", ("breadth", None, "days_before", None)), ("share_engaged", ("engaged", None, "days_before", None)),
     ("mean_exposed", ("amount", None, "amount_before", None)),
     ("depth", ("amount", "engaged", "amount_before", None))],
)  # fmt: skip
def test_cuped_is_that_of_tea_tasting(metric: str, names: tuple[str | None, ...]) -> None:
    theirs = tea_tasting.RatioOfMeans(*names, use_t=False, equal_var=False)  # type: ignore[arg-type]
    found = theirs.analyze_aggregates(CONTROL.aggregates(), TEST.aggregates())
    ours = ROWS[metric, "cuped"]
    # Their slope is from all users together, ours from within the arms.
    assert (ours.estimate_test, ours.estimate_control) == pytest.approx(
        (found.treatment, found.control), rel=2e-3
    )
    assert ours.p_value == pytest.approx(found.pvalue, rel=0.02)


@pytest.mark.parametrize("metric", METRICS)
def test_cuped_leaves_one_less_the_squared_correlation_of_the_variance(metric: str) -> None:
    both = [
        np.concatenate([TEST.columns()[name], CONTROL.columns()[name]])
        for name in ("days_before", "amount_before")
    ]
    covariate = both[0] if metric in ("breadth", "share_engaged") else both[1]
    outcome = np.concatenate([_residual(users, metric) for users in (TEST, CONTROL)])
    left = 1 - np.corrcoef(outcome, covariate)[0, 1] ** 2
    plain, adjusted = ROWS[metric, "plain"], ROWS[metric, "cuped"]
    assert _variance(adjusted) / _variance(plain) == pytest.approx(left, rel=0.02)


def test_cuped_without_a_use_for_the_covariate_is_the_plain_estimate() -> None:
    rng = np.random.default_rng(3)
    days, amount = rng.integers(1, 8, 200), rng.integers(1, 50, 200)
    noise = np.tile([0.0, 1.0], 50)
    # Each value of the outcome meets both values of the covariate: their co-moments are exactly zero.
    arm = Arm.of_users(np.repeat(days[:50], 2), np.repeat(amount[:50], 2), DAYS, None, noise, noise)
    other = Arm.of_users(np.repeat(days[50:100], 2), np.repeat(amount[50:100], 2), DAYS, None, noise, noise)
    rows = {(row.metric, row.method): row for row in compare(arm, other, fraction=1.0)}
    for metric in ("breadth", "depth", "mean_exposed"):
        plain, adjusted = rows[metric, "plain"], rows[metric, "cuped"]
        assert adjusted.estimate_test == pytest.approx(plain.estimate_test)
        assert _variance(adjusted) == pytest.approx(_variance(plain))


def test_a_bound_of_winsorising_changes_amounts_only() -> None:
    assert {metric for metric, method in ROWS if method == "winsorised"} == {"depth", "mean_exposed"}
    plain, cut = ROWS["depth", "plain"], ROWS["depth", "winsorised"]
    assert cut.estimate_test == pytest.approx(np.minimum(TEST.amount[TEST.amount > 0], BOUND).mean())
    assert _variance(cut) < _variance(plain)


def test_the_always_valid_interval_is_the_wider() -> None:
    for metric in METRICS:
        plain, always = ROWS[metric, "plain"], ROWS[metric, "always_valid"]
        assert always.lift_pct == plain.lift_pct
        assert plain.low_pct is not None
        assert plain.high_pct is not None
        assert always.low_pct is not None
        assert always.high_pct is not None
        assert always.low_pct < plain.low_pct < plain.high_pct < always.high_pct
        assert always.p_value is not None
        assert (always.p_value < 0.05) == (always.low_pct > 0 or always.high_pct < 0)


def test_few_users_take_students_t() -> None:
    test, control = Users(5, 12), Users(6, 9)
    row = {(r.metric, r.method): r for r in compare(test.arm, control.arm, fraction=1.0)}["breadth", "plain"]
    x, y = test.days / DAYS, control.days / DAYS
    ratio, v, w = x.mean() / y.mean(), x.var(ddof=1) / 12, y.var(ddof=1) / 9
    degrees = (v + ratio**2 * w) ** 2 / (v**2 / 11 + ratio**4 * w**2 / 8)
    assert row.p_value == pytest.approx(2 * stats.t.sf(abs(x.mean() - y.mean()) / math.sqrt(v + w), degrees))
    # Its interval is of the same t: lift 0 lies on the end exactly at the level of p.
    level = {
        (r.metric, r.method): r
        for r in compare(test.arm, control.arm, fraction=1, confidence=1 - row.p_value)
    }
    ends = level["breadth", "plain"].low_pct, level["breadth", "plain"].high_pct
    assert min(abs(end) for end in ends if end is not None) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("days", "amount", "metric", "status"),
    [
        ([], [], "breadth", "no_users"),
        ([], [], "depth", "no_users"),
        ([0, 0, 0], [0, 0, 0], "depth", "none_engaged"),
        ([0, 0, 0], [0, 0, 0], "mean_exposed", "none_engaged"),
        ([0, 0, 0], [0, 0, 0], "breadth", "no_variance"),
        ([0, 0, 0], [0, 0, 0], "share_engaged", "no_variance"),
        ([7, 7, 7], [3, 4, 5], "breadth", "no_variance"),
        ([7, 7, 7], [3, 4, 5], "share_engaged", "no_variance"),
        ([1, 2, 3], [4, 4, 4], "depth", "no_variance"),
        ([5], [9], "breadth", "insufficient"),
        ([5, 0, 0], [9, 0, 0], "depth", "insufficient"),
    ],
)
@pytest.mark.parametrize("as_test", [True, False])
def test_what_cannot_be_estimated_says_why(
    days: list[int], amount: list[float], metric: str, status: str, as_test: bool
) -> None:
    odd, usual = Arm.of_users(days, amount, 7, BOUND, np.zeros(len(days)), np.zeros(len(days))), CONTROL.arm
    rows = compare(odd, usual, fraction=1.0) if as_test else compare(usual, odd, fraction=1.0)
    found = [row for row in rows if row.metric == metric]
    assert {row.status for row in found if row.method != "winsorised"} == {status}
    for row in judge({"test": rows}, ("breadth", "depth"), blocked=False, final=True)["test"]:
        if row.status is not Status.ok:
            assert (row.interval_kind, row.low_pct, row.high_pct, row.p_value) == (
                "undefined",
                None,
                None,
                None,
            )
            assert row.verdict is Verdict.undetermined


def test_a_missing_pre_period_or_bound_says_so_and_nan_is_no_number() -> None:
    bare = Arm.of_users(CONTROL.days, CONTROL.amount, DAYS)
    rows = {(row.metric, row.method): row.status for row in compare(bare, bare, fraction=1.0)}
    assert {rows[metric, "cuped"] for metric in METRICS} == {"no_covariate"}
    assert rows["depth", "winsorised"] == "no_bound"
    broken = Arm(Moments.of([1, 2, 3]), Moments(3, math.inf, math.nan))
    assert {row.status for row in compare(broken, bare, fraction=1.0) if row.metric == "depth"} == {
        "not_finite", "no_bound",
    }  # fmt: skip


def test_holm_over_the_declared_family_of_all_arms() -> None:
    arms = {
        "b": [_row("breadth", 0.012), _row("depth", 0.04), _row("share_engaged", 0.001)],
        "c": [_row("breadth", 0.02, better=False), _row("depth", None), _row("share_engaged", 0.5)],
    }
    judged = judge(arms, ("breadth", "depth"), blocked=False, final=True)
    # Four tests, the missing one among them: 4 x .012, 3 x .02, 2 x .04.
    assert [row.p_adjusted for row in judged["b"]] == [pytest.approx(0.048), pytest.approx(0.08), None]
    assert [row.verdict for row in judged["b"]] == ["positive", "inconclusive", "exploratory"]
    assert [row.p_adjusted for row in judged["c"]] == [pytest.approx(0.06), None, None]
    assert [row.verdict for row in judged["c"]] == ["inconclusive", "undetermined", "exploratory"]
    alone = judge({"c": arms["c"]}, ("breadth",), blocked=False, final=True)["c"]
    assert alone[0].verdict == "negative"


def test_when_nothing_may_be_said() -> None:
    arms = {"b": [_row("breadth", 0.001), _row("breadth", 0.001, method="always_valid")]}

    def verdicts(**state: bool) -> list[str]:
        return [row.verdict for row in judge(arms, ("breadth",), **state)["b"]]

    assert verdicts(blocked=False, final=True) == ["positive", "positive"]
    assert verdicts(blocked=False, final=False) == ["not_final", "positive"]
    assert verdicts(blocked=True, final=True) == ["blocked", "blocked"]
    segment = judge(arms, (), blocked=False, final=True)["b"]
    assert [(row.verdict, row.p_adjusted) for row in segment] == [("exploratory", None)] * 2


def _row(metric: str, p: float | None, *, better: bool = True, method: str = "plain") -> Comparison:
    status = Status.ok if p is not None else Status.insufficient
    return Comparison(metric, method, status, 9, 9, 2.0 if better else 0.5, 1.0, 0.1, 0.1, p_value=p)


def _outcomes(users: Users, metric: str) -> np.ndarray:
    columns = users.columns()
    if metric == "depth":
        return columns["amount"][columns["amount"] > 0]
    return columns[{"breadth": "breadth", "share_engaged": "engaged", "mean_exposed": "amount"}[metric]]


def _residual(users: Users, metric: str) -> np.ndarray:
    """Deviations of the metric over all exposed users; of depth, those of the linearised ratio."""
    if metric != "depth":
        outcomes = _outcomes(users, metric)
        return outcomes - outcomes.mean()
    columns = users.columns()
    return columns["amount"] - columns["amount"].sum() / columns["engaged"].sum() * columns["engaged"]


def _variance(row: Comparison) -> float:
    parts: Sequence[float | None] = (row.variance_of_mean_test, row.variance_of_mean_control)
    return sum(part for part in parts if part is not None)
