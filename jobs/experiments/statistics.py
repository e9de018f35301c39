"""Estimators of a readout: Fieller's interval for a lift, sample ratios, corrections, critical values.

Plain functions of numbers; no table, no engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np


class IntervalKind(StrEnum):
    """What kind of set the lifts compatible with the data form (equation 16 solved for every sign)."""

    bounded = "bounded"
    """All between `low` and `high`."""
    complement = "complement"
    """All except those strictly between `gap_low` and `gap_high`: the control mean is too near zero."""
    half_line = "half_line"
    """All from `low` up, or all up to `high`; the other end is None."""
    whole_line = "whole_line"
    """Every lift: the data rule none out."""
    undefined = "undefined"
    """No set: a number is missing, nothing varies, or the control mean is zero for certain."""


@dataclass(frozen=True)
class LiftInterval:
    """A lift in percent and the set of lifts that the data do not rule out.

    Attributes:
        lift: equation 14; None where the control mean is zero or a number is missing. Under a negative control
            mean a positive lift is a fall of the test mean, as that equation has it.
        low, high: ends of the set where it has such ends, else None; never swapped, never sorted into shape.
        kind: which set it is.
        significant: whether lift 0 is outside the set, which is the verdict of the unpooled test of the
            difference at the same critical value, in every kind.
        gap_low, gap_high: of a complement, the ends of what IS ruled out: lifts at most `gap_low` and lifts at
            least `gap_high` are compatible with the data, those strictly between are not. They are no interval
            around `lift`.
    """

    lift: float | None
    low: float | None
    high: float | None
    kind: IntervalKind
    significant: bool
    gap_low: float | None = None
    gap_high: float | None = None


def lift_interval(
    mean_test: float | None,
    variance_of_mean_test: float | None,
    mean_control: float | None,
    variance_of_mean_control: float | None,
    critical: float = 1.959964,
) -> LiftInterval:
    """Fieller's confidence set for the lift of a test mean over a control mean (equations 14-18).

    Args:
        mean_test, mean_control: means of independent arms; None and NaN are missing.
        variance_of_mean_test, variance_of_mean_control: their squared standard errors (equation 15).
        critical: of the standard normal or Student's t, two-sided.

    Raises:
        ValueError: `critical` is not positive.
    """
    if not 0 < critical < math.inf:
        raise ValueError("the critical value is positive and finite")
    given = (mean_test, variance_of_mean_test, mean_control, variance_of_mean_control)
    mean_test, variance_of_mean_test, mean_control, variance_of_mean_control = (
        math.nan if x is None else float(x) for x in given
    )
    lift = _lift(mean_test, mean_control)
    if not _determined(mean_test, variance_of_mean_test, mean_control, variance_of_mean_control):
        return LiftInterval(lift, None, None, IntervalKind.undefined, False)
    # Every quantity is scaled to at most 1, so that no square under- or overflows.
    error_test, error_control = math.sqrt(variance_of_mean_test), math.sqrt(variance_of_mean_control)
    scale_test, scale_control = max(abs(mean_test), error_test), max(abs(mean_control), error_control)
    if not scale_test:
        scale_test = 1.0
    ratio = scale_test / scale_control
    mt, st = mean_test / scale_test, critical * error_test / scale_test
    mc, sc = mean_control / scale_control, critical * error_control / scale_control
    significant = abs(mean_test - mean_control) > critical * math.hypot(error_test, error_control)
    # a r^2 - 2 b r + c <= 0; differences of squares as products, which lose nothing to cancellation.
    a, b, c = (abs(mc) - sc) * (abs(mc) + sc), mt * mc, (abs(mt) - st) * (abs(mt) + st)
    quarter = st * st * a + mt * mt * sc * sc

    def percent(r: float) -> float:
        return 100 * (r * ratio - 1)

    if abs(a) <= 4 * np.finfo(float).eps:
        if not b:
            return LiftInterval(lift, None, None, IntervalKind.whole_line, significant)
        end = percent(c / (2 * b))
        low, high = (end, None) if b > 0 else (None, end)
        return LiftInterval(lift, low, high, IntervalKind.half_line, significant)
    if a < 0 and quarter <= 0:
        return LiftInterval(lift, None, None, IntervalKind.whole_line, significant)
    # The root further from zero first; the other from their product, where a subtraction would cancel.
    far = b + math.copysign(math.sqrt(quarter), b)
    roots = (far / a, c / far) if far else (0.0, 0.0)
    low, high = (percent(r) for r in sorted(roots))
    if a < 0:
        return LiftInterval(lift, None, None, IntervalKind.complement, significant, low, high)
    return LiftInterval(lift, low, high, IntervalKind.bounded, significant)


def two_sided_p_value(statistic: float, degrees: float = math.inf) -> float:
    """Of a standard normal statistic, or of Student's t with `degrees`."""
    if math.isinf(degrees):
        return math.erfc(abs(statistic) / math.sqrt(2))
    from scipy import stats

    return float(2 * stats.t.sf(abs(statistic), degrees))


@lru_cache(maxsize=64)
def critical_value(confidence: float = 0.95, degrees: float = math.inf) -> float:
    """Two-sided critical value of Student's t; infinite degrees are the normal."""
    from scipy import stats

    return float(stats.t.isf((1 - confidence) / 2, degrees))


def satterthwaite(
    variance_of_mean_test: float,
    n_test: int,
    variance_of_mean_control: float,
    n_control: int,
    ratio: float = 1.0,
) -> float:
    """Degrees of freedom of `mean_test - ratio * mean_control` under unequal variances."""
    test, control = variance_of_mean_test, ratio * ratio * variance_of_mean_control
    return (test + control) ** 2 / (test**2 / (n_test - 1) + control**2 / (n_control - 1))


def sample_ratio_p_value(observed: Sequence[float], weights: Sequence[float]) -> float:
    """p of the chi-squared test that users fell into the arms in the declared shares.

    An arm of share 0 takes no part: the test stands on the users of the others, and says whether those were divided as
    declared. That anybody is in such an arm is a fault of its own, whatever the others look like.

    Args:
        observed: users by arm.
        weights: declared shares in the same order, on any scale.

    Returns:
        1.0 where there is nothing to contradict the shares (no user, or a single arm with a share).

    Raises:
        ValueError: lengths differ, or a number is negative or not finite, or no share is positive.
    """
    counts, shares = np.asarray(observed, dtype=float), np.asarray(weights, dtype=float)
    if counts.shape != shares.shape or counts.ndim != 1:
        raise ValueError(f"{counts.size} counts for {shares.size} shares")
    if not (np.isfinite(counts).all() and np.isfinite(shares).all()) or min(counts.min(), shares.min()) < 0:
        raise ValueError("counts and shares are finite and not negative")
    if not shares.sum():
        raise ValueError("no share is positive")
    counts, shares = counts[shares > 0], shares[shares > 0]
    if not counts.sum() or counts.size < 2:
        return 1.0
    from scipy import stats

    return float(stats.chisquare(counts, counts.sum() * shares / shares.sum()).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p of one family; a missing p (NaN) counts as 1, since its test was declared too.

    Equal to `statsmodels.stats.multitest.multipletests(..., method="holm")`, which collects the whole process's
    garbage on each call: in a driver that took half of a readout's time.
    """
    known = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(known)
    steps = np.maximum.accumulate(known[order] * np.arange(known.size, 0, -1))
    adjusted = np.empty(known.size)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(p) for p in adjusted]


def always_valid_critical(fraction: float, alpha: float = 0.05) -> float:
    """Critical value that holds at every look together, `fraction` of the way through the planned window.

    Robbins' normal mixture as an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6),
    2024, theorem 2.2), which is the boundary of the mixture sequential probability ratio test (Johari, Koomen,
    Pekelis and Walsh, "Always valid inference", Operations Research 70(3), 2022). With g the information so far
    in units of the mixture's, it is sqrt((1 + 1/g) log((1 + g) / alpha^2)); the mixture is fixed beforehand so
    that the boundary is lowest at the end of the planned window (3.03 at 95 %).

    Args:
        fraction: share of the planned information, above 0; beyond 1 where a window is extended.
        alpha: chance that any look ever excludes the truth.
    """
    g = fraction * _mixture(alpha)
    return math.sqrt((1 + 1 / g) * math.log((1 + g) / alpha**2))


def always_valid_p_value(z: float, fraction: float, alpha: float = 0.05) -> float:
    """p that stays valid at every look together: smallest level whose boundary |z| crosses at this look.

    Args:
        alpha: the level that the mixture is tuned to, as in `always_valid_critical`.
    """
    g = fraction * _mixture(alpha)
    return min(1.0, math.sqrt(1 + g) * math.exp(-z * z * g / (2 * (1 + g))))


@lru_cache(maxsize=8)
def _mixture(alpha: float) -> float:
    """Planned information in units of the mixture's for which the boundary is lowest at the planned end."""
    from scipy.special import lambertw

    return float(-lambertw(-(alpha**2) / math.e, -1).real - 1)


def _determined(mt: float, vt: float, mc: float, vc: float) -> bool:
    """Whether the numbers determine a set of lifts at all."""
    if not all(math.isfinite(x) for x in (mt, vt, mc, vc)) or min(vt, vc) < 0:
        return False
    return (vt > 0 or vc > 0) and (mc != 0 or vc > 0)


def _lift(mean_test: float, mean_control: float) -> float | None:
    if not mean_control:
        return None
    lift = 100 * (mean_test - mean_control) / mean_control
    return lift if math.isfinite(lift) else None
