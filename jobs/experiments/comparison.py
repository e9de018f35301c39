"""From the moments of two arms to rows of a readout: estimates, lift, interval, p, status, verdict."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from jobs.experiments import statistics
from jobs.experiments.moments import Arm, CoMoments, Moments
from jobs.experiments.statistics import IntervalKind

METRICS = ("breadth", "depth", "share_engaged", "mean_exposed")
"""Equations 9-11; 12-13; the share of exposed users who engaged at all; the amount over all exposed users."""
AMOUNTS = ("depth", "mean_exposed")
"""Metrics of amounts, which winsorising cuts."""
METHODS = ("plain", "winsorised", "cuped", "always_valid")
_FEW = 30
"""Below so many users in an arm, Student's t stands for the normal."""
_CONSTANT = 1e-12
"""A standard deviation below this share of the mean is rounding, not variation."""


class Status(StrEnum):
    """Whether an arm's numbers allow an interval, and if not, why."""

    ok = "ok"
    no_users = "no_users"
    none_engaged = "none_engaged"
    insufficient = "insufficient"
    """Fewer than two users: no variance can be estimated."""
    no_variance = "no_variance"
    """All users of an arm are alike: the normal approximation would call any difference certain."""
    no_covariate = "no_covariate"
    """No pre-period, or nothing varied in it."""
    no_bound = "no_bound"
    """No bound to winsorise at."""
    not_finite = "not_finite"
    """A moment is NaN or infinite."""


class Verdict(StrEnum):
    """The conclusion of a comparison."""

    positive = "positive"
    negative = "negative"
    inconclusive = "inconclusive"
    not_final = "not_final"
    """A fixed-horizon method before the last day of the window."""
    blocked = "blocked"
    """The sample-ratio test failed: the arms are not comparable."""
    exploratory = "exploratory"
    """Outside the declared primary family: an interval, no verdict."""
    undetermined = "undetermined"
    """The status says why there is no interval."""


@dataclass(frozen=True)
class Comparison:
    """One metric of one test arm against control, by one method; percentages as `LiftInterval` has them."""

    metric: str
    method: str
    status: Status
    n_test: int
    n_control: int
    estimate_test: float | None = None
    estimate_control: float | None = None
    variance_of_mean_test: float | None = None
    variance_of_mean_control: float | None = None
    lift_pct: float | None = None
    low_pct: float | None = None
    high_pct: float | None = None
    gap_low_pct: float | None = None
    gap_high_pct: float | None = None
    interval_kind: IntervalKind = IntervalKind.undefined
    p_value: float | None = None
    p_adjusted: float | None = None
    verdict: Verdict = Verdict.exploratory


@dataclass(frozen=True)
class _Estimate:
    """An arm's mean over `n` users and its squared standard error."""

    n: int
    mean: float
    variance: float


def compare(test: Arm, control: Arm, *, fraction: float, confidence: float = 0.95) -> list[Comparison]:
    """Every metric by every method; verdicts come from `judge`, which sees all arms.

    Args:
        fraction: cumulative day / days of the window, which the always-valid interval depends on.
    """
    rows = []
    for metric in METRICS:
        sides = _plain(test, metric), _plain(control, metric)
        users = test.of_metric(metric).n, control.of_metric(metric).n
        rows.append(_row(metric, "plain", *sides, users, confidence))
        if metric in AMOUNTS:
            rows.append(
                _row(
                    metric,
                    "winsorised",
                    _winsorised(test, metric),
                    _winsorised(control, metric),
                    users,
                    confidence,
                )
            )
        rows.append(_row(metric, "cuped", *_adjusted(test, control, metric), users, confidence))
        rows.append(_row(metric, "always_valid", *sides, users, confidence, fraction))
    return rows


def judge(
    arms: Mapping[str, Sequence[Comparison]],
    primary: Collection[str],
    *,
    blocked: bool,
    final: bool,
    alpha: float = 0.05,
) -> dict[str, list[Comparison]]:
    """The comparisons of one readout with adjusted p and verdicts.

    The declared family is primary metrics x arms over the whole population; Holm corrects it within each
    method, missing tests counted. Intervals stay at their own level. For a segment give no primary metric:
    its lifts are exploratory.

    Args:
        arms: test arm -> its comparisons with the control.
        primary: metrics of the declared family.
        blocked: the sample-ratio test failed, so there is no verdict.
        final: this is the last day of the window; before it only the always-valid method has a verdict.
        alpha: of the family.
    """
    adjusted: dict[tuple[str, str, str], float] = {}
    for method in METHODS:
        family = [
            (arm, row)
            for arm, rows in arms.items()
            for row in rows
            if row.method == method and row.metric in primary
        ]
        corrected = statistics.holm([math.nan if row.p_value is None else row.p_value for _, row in family])
        for (arm, row), p in zip(family, corrected, strict=True):
            adjusted[arm, row.metric, method] = p
    return {
        arm: [
            _judged(row, adjusted.get((arm, row.metric, row.method)), blocked, final, alpha) for row in rows
        ]
        for arm, rows in arms.items()
    }


def _judged(row: Comparison, p: float | None, blocked: bool, final: bool, alpha: float) -> Comparison:
    if row.status is not Status.ok:
        return replace(row, verdict=Verdict.blocked if blocked else Verdict.undetermined)
    if blocked:
        verdict = Verdict.blocked
    elif p is None:
        verdict = Verdict.exploratory
    elif not final and row.method != "always_valid":
        verdict = Verdict.not_final
    elif p > alpha or row.estimate_test is None or row.estimate_control is None:
        verdict = Verdict.inconclusive
    else:
        verdict = Verdict.positive if row.estimate_test > row.estimate_control else Verdict.negative
    return replace(row, p_adjusted=p, verdict=verdict)


def _row(
    metric: str,
    method: str,
    test: _Estimate | Status,
    control: _Estimate | Status,
    users: tuple[int, int],
    confidence: float,
    fraction: float | None = None,
) -> Comparison:
    """One row; an estimate that is a status says why there is none.

    Args:
        fraction: given, the interval is the always-valid one.
    """
    status = next((side for side in (test, control) if isinstance(side, Status)), Status.ok)
    if isinstance(test, Status) or isinstance(control, Status):
        return Comparison(metric, method, status, *users)
    degrees = math.inf
    if min(test.n, control.n) < _FEW:
        ratio = test.mean / control.mean if control.mean else 1.0
        degrees = statistics.satterthwaite(test.variance, test.n, control.variance, control.n, ratio)
    numbers = test.mean, test.variance, control.mean, control.variance
    statistic = (test.mean - control.mean) / math.sqrt(test.variance + control.variance)
    critical = statistics.critical_value(confidence, degrees)
    p = statistics.two_sided_p_value(statistic, degrees)
    if fraction is not None:
        alpha = 1 - confidence
        critical = statistics.always_valid_critical(fraction, alpha)
        if not math.isinf(degrees):
            from scipy import stats  # two seconds, which whoever prints a readout need not wait

            # The boundary is for normal statistics: t is taken at the same tail probability.
            critical = float(stats.t.isf(stats.norm.sf(critical), degrees))
            statistic = float(stats.norm.isf(p / 2))
        p = statistics.always_valid_p_value(statistic, fraction, alpha)
    interval = statistics.lift_interval(*numbers, critical)
    return Comparison(
        metric, method, status, test.n, control.n, test.mean, control.mean,
        test.variance, control.variance,
        interval.lift, interval.low, interval.high, interval.gap_low, interval.gap_high, interval.kind, p,
    )  # fmt: skip


def _plain(arm: Arm, metric: str) -> _Estimate | Status:
    return _estimate(arm.of_metric(metric), arm if metric in AMOUNTS else None)


def _winsorised(arm: Arm, metric: str) -> _Estimate | Status:
    cut = arm.winsorised_depth if metric == "depth" else arm.winsorised_amount
    return Status.no_bound if cut is None else _estimate(cut, arm)


def _estimate(moments: Moments, arm: Arm | None = None) -> _Estimate | Status:
    """The mean of `moments`, or why it has no usable variance."""
    return _checked(moments.n, moments.mean, moments.variance_of_mean, arm)


def _checked(n: int, mean: float, variance: float, arm: Arm | None = None) -> _Estimate | Status:
    if arm is not None and arm.users and not arm.depth.n:
        return Status.none_engaged
    if n < 2:
        return Status.insufficient if n else Status.no_users
    if not (math.isfinite(mean) and math.isfinite(variance)):
        return Status.not_finite
    if math.sqrt(variance * n) <= _CONSTANT * abs(mean):
        return Status.no_variance
    return _Estimate(n, mean, variance)


def _adjusted(test: Arm, control: Arm, metric: str) -> tuple[_Estimate | Status, _Estimate | Status]:
    """Both arms adjusted for what was known before exposure (CUPED: Deng, Xu, Kohavi and Walker 2013).

    One slope for both arms, from their pooled within-arm moments; the covariate is centred at both arms' users
    together. Depth is a ratio of means, so its linearised residual is what is adjusted, over ALL exposed users:
    adjusting among the engaged would condition on what the treatment may have changed.
    """
    sides = _plain(test, metric), _plain(control, metric)
    if isinstance(sides[0], Status) or isinstance(sides[1], Status):
        return sides
    pairs = _beside_covariate(test, metric), _beside_covariate(control, metric)
    if pairs[0] is None or pairs[1] is None:
        return Status.no_covariate, Status.no_covariate
    both = pairs[0].covariate + pairs[1].covariate
    within = pairs[0].covariate.m2 + pairs[1].covariate.m2
    if math.sqrt(within) <= _CONSTANT * abs(both.mean):
        return Status.no_covariate, Status.no_covariate
    slope = (pairs[0].product + pairs[1].product) / within
    return _shifted(sides[0], pairs[0], slope, both.mean), _shifted(sides[1], pairs[1], slope, both.mean)


def _shifted(side: _Estimate, pair: CoMoments, slope: float, centre: float) -> _Estimate | Status:
    """An estimate less what its arm's covariate explains of it; its variance is the share that is left."""
    left = pair.outcome.m2 - 2 * slope * pair.product + slope * slope * pair.covariate.m2
    mean = side.mean - slope * (pair.covariate.mean - centre)
    return _checked(side.n, mean, side.variance * max(left, 0.0) / pair.outcome.m2)


def _beside_covariate(arm: Arm, metric: str) -> CoMoments | None:
    """The metric's outcome over all exposed users beside its covariate; of depth, the linearised residual."""
    if arm.before is None:
        return None
    if metric == "breadth":
        return arm.before.breadth
    if metric == "share_engaged":
        return arm.before.engaged
    if metric == "mean_exposed":
        return arm.before.amount
    share = arm.depth.n / arm.users
    product = arm.before.amount.product - arm.depth.mean * arm.before.engaged_amount.product
    # (S - depth * A) / share is 0 for who was not engaged: the engaged users' deviations are all of it.
    residual = Moments(arm.users, arm.depth.mean, arm.depth.m2 / share**2)
    return CoMoments(residual, arm.before.amount.covariate, product / share)
