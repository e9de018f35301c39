"""Power calculations: the smallest lift that a planned experiment can detect, and the users that a lift needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats
from scipy.optimize import brentq

from jobs.experiments.comparison import AMOUNTS, METRICS
from jobs.experiments.moments import Arm


@dataclass(frozen=True)
class Plan:
    """One metric of a planned experiment.

    Attributes:
        mean, deviation: of the metric's users in the baseline period.
        users: users of one arm that the metric is a mean of: exposed ones, for depth engaged ones.
        detectable_pct: minimum detectable effect, in percent; None where no rise is detected with that power.
    """

    metric: str
    mean: float
    deviation: float
    users: int
    detectable_pct: float | None


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
        detectable = None
        if users > 1 and moments.mean > 0 and moments.variance > 0:
            detectable = minimum_detectable_effect(
                moments.mean, moments.variance, users, users,
                power=power, alpha=alpha / tests, ceiling=None if metric in AMOUNTS else 1.0,
            )  # fmt: skip
        deviation = math.sqrt(moments.variance) if moments.n > 1 else math.nan
        plans.append(Plan(metric, moments.mean, deviation, users, detectable))
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
) -> float | None:
    """Smallest rise, in percent, that the two-sided test finds with probability `power`.

    The test arm's variance moves with its mean. Without a `ceiling` its coefficient of variation stays (an
    amount that is multiplied); with one, its variance stays the same share of the largest that values between
    0 and the ceiling can have at that mean (shares of days, of users).

    Returns:
        None where no rise (under the ceiling) is found with that power.
    """
    reach, top = _reach(power, alpha), _highest_rise(mean, ceiling)

    def lacking(rise: float) -> float:
        error = math.sqrt(variance * (1 / n_control + _variance_growth(rise, top) / n_test))
        return float(mean * rise - reach * error)

    high = min(top, 1.0)
    while lacking(high) < 0:
        if high >= min(top, 1e6):
            return None
        high = min(2 * high, top)
    return float(100 * brentq(lacking, 0.0, high))


def users_needed(
    mean: float,
    variance: float,
    lift_pct: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    ceiling: float | None = None,
) -> int:
    """Users in each of two equal arms for which `lift_pct` is the minimum detectable effect.

    Raises:
        ValueError: the lift is not positive, or beyond the ceiling.
    """
    rise, top = lift_pct / 100, _highest_rise(mean, ceiling)
    if not 0 < rise <= top:
        raise ValueError("the lift is positive and stays under the ceiling")
    errors = _reach(power, alpha) / (mean * rise)
    return math.ceil(float(variance * (1 + _variance_growth(rise, top)) * errors**2))


def _reach(power: float, alpha: float) -> float:
    """Standard errors that a difference must have to be found with probability `power`."""
    return float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))


def _highest_rise(mean: float, ceiling: float | None) -> float:
    """Rise, as a share of the mean, that reaches the ceiling."""
    return math.inf if ceiling is None else ceiling / mean - 1


def _variance_growth(rise: float, top: float) -> float:
    """Factor of the variance at a rise of the mean; see `minimum_detectable_effect`."""
    return (1 + rise) ** 2 if math.isinf(top) else (1 + rise) * (1 - rise / top)
