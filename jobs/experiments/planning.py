"""Power calculations: the smallest lift that a planned experiment can detect, and the users that a lift needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats
from scipy.optimize import brentq

from jobs.experiments.comparison import AMOUNTS, METRICS
from jobs.experiments.moments import Arm

_MOST_USERS = 1e12


@dataclass(frozen=True)
class Plan:
    """One metric of a planned experiment.

    Attributes:
        mean, deviation: of the metric's users in the baseline period.
        users: users of one arm that the metric is a mean of: exposed ones, for depth engaged ones.
        detectable_pct: minimum detectable effect, in percent; None where no rise is detected with that power.
        detectable_fall_pct: the same for a fall, as a negative number.
    """

    metric: str
    mean: float
    deviation: float
    users: int
    detectable_pct: float | None
    detectable_fall_pct: float | None


def plan(
    baseline: Arm, users_per_arm: int, *, tests: int = 1, power: float = 0.8, alpha: float = 0.05
) -> list[Plan]:
    """Every metric's minimum detectable effect with `users_per_arm` exposed users in each arm.

    Args:
        baseline: moments of comparable users over a window of the same length, before the start.
        tests: of the declared family (primary metrics x test arms); the first step of Holm's correction is
            planned for, which is Bonferroni's.
    """
    plans = []
    for metric in METRICS:
        moments = baseline.of_metric(metric)
        share = baseline.depth.n / baseline.users if metric == "depth" and baseline.users else 1.0
        users = int(users_per_arm * share)
        rise = fall = None
        if users > 1 and moments.mean > 0 and moments.variance > 0:
            rise, fall = (
                minimum_detectable_effect(
                    moments.mean, moments.variance, users, users, power=power, alpha=alpha / tests,
                    ceiling=None if metric in AMOUNTS else 1.0, falls=falls,
                )
                for falls in (False, True)
            )  # fmt: skip
        deviation = math.sqrt(moments.variance) if moments.n > 1 else math.nan
        plans.append(Plan(metric, moments.mean, deviation, users, rise, fall))
    return plans


def minimum_detectable_effect(
    mean: float,
    variance: float,
    n_test: int,
    n_control: int,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    ceiling: float | None = None,
    falls: bool = False,
) -> float | None:
    """Smallest rise, in percent, that the two-sided test finds with probability `power`; or fall, as a negative number.

    The test arm's variance moves with its mean. Without a `ceiling` its coefficient of variation stays (an
    amount that is multiplied); with one, its variance stays the same share of the largest that values between
    0 and the ceiling can have at that mean (shares of days, of users).

    Returns:
        None where no rise (under the ceiling), or no fall (to zero), is found with that power.
    """
    reach, top = _reach(power, alpha), _highest_rise(mean, ceiling)
    sign, furthest = (-1.0, 1.0) if falls else (1.0, top)

    def lacking(change: float) -> float:
        error = math.sqrt(variance * (1 / n_control + _variance_growth(sign * change, top) / n_test))
        return float(mean * change - reach * error)

    high = min(furthest, 1.0)
    while lacking(high) < 0:
        if high >= min(furthest, 1e6):
            return None
        high = min(2 * high, furthest)
    return sign * float(100 * brentq(lacking, 0.0, high))


def users_needed(
    mean: float,
    variance: float,
    lift_pct: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    ceiling: float | None = None,
) -> int:
    """Users in each of two equal arms for which `lift_pct` is the minimum detectable effect; a fall is negative.

    Raises:
        ValueError: the mean is not positive, the lift is zero or a fall of more than 100 %, or beyond the ceiling, or
            no number of users that can be written down is enough.
    """
    if not mean > 0:
        raise ValueError(f"a lift is relative to the mean, and a mean of {mean:g} has no lift")
    rise, top = lift_pct / 100, _highest_rise(mean, ceiling)
    if not rise:
        raise ValueError("no number of users finds a lift of 0")
    if rise < -1:
        raise ValueError(f"a fall of {-lift_pct:g} % is more than there is: the most is 100 %")
    if rise > top:
        raise ValueError(
            f"a rise of {lift_pct:g} % is more than there is room for: the most is {100 * top:.3g} %"
        )
    return _users(variance * (1 + _variance_growth(rise, top)), mean * rise, power, alpha)


def users_needed_for_effect(
    mean: float, variance: float, effect: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Users in each of two equal arms that find an absolute difference of the means, whatever the sign of the mean.

    Of a positive mean it is the lift that it makes; of another, both arms are taken to vary alike.

    Raises:
        ValueError: as of `users_needed`.
    """
    if mean > 0:
        return users_needed(mean, variance, 100 * effect / mean, power=power, alpha=alpha)
    if not effect:
        raise ValueError("no number of users finds an effect of 0")
    return _users(2 * variance, effect, power, alpha)


def minimum_detectable_difference(
    variance: float, n: int, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest absolute difference of the means of two arms of n users that vary alike."""
    return _reach(power, alpha) * math.sqrt(2 * variance / n)


def _users(variances: float, effect: float, power: float, alpha: float) -> int:
    """Users in each arm, for the sum of both arms' variances."""
    try:
        users = float(variances * (_reach(power, alpha) / effect) ** 2)
    except (OverflowError, ZeroDivisionError):
        users = math.inf
    if not users <= _MOST_USERS:
        raise ValueError("no number of users is enough to find so small a difference")
    return max(2, math.ceil(users))


def _reach(power: float, alpha: float) -> float:
    """Standard errors that a difference must have to be found with probability `power`."""
    return float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))


def _highest_rise(mean: float, ceiling: float | None) -> float:
    """Rise, as a share of the mean, that reaches the ceiling."""
    return math.inf if ceiling is None else ceiling / mean - 1


def _variance_growth(rise: float, top: float) -> float:
    """Factor of the variance at a rise of the mean; see `minimum_detectable_effect`."""
    return (1 + rise) ** 2 if math.isinf(top) else (1 + rise) * (1 - rise / top)
