"""Means, variances and co-moments of users, merged without loss, and what a readout needs of one arm.

Partial results merge by Chan, Golub and LeVeque (1983): no sum of squares is ever subtracted from another,
so a mean of 1e6 with a standard deviation of 1 keeps its variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one quantity; the empty set is all zeros."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """Of numbers, one a user."""
        array = np.asarray(values, dtype=float)
        if not array.size:
            return cls()
        mean = float(array.mean())
        return cls(array.size, mean, float(np.square(array - mean).sum()))

    def __add__(self, other: Moments) -> Moments:
        """Both sets of users together."""
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean - self.mean
        return Moments(
            n, self.mean + apart * other.n / n, self.m2 + other.m2 + apart * apart * self.n * other.n / n
        )

    def scaled(self, factor: float) -> Moments:
        """Of the quantity times `factor`."""
        return Moments(self.n, self.mean * factor, self.m2 * factor * factor)

    def with_zeros(self, count: int) -> Moments:
        """With `count` further users whose value is 0."""
        return self + Moments(count)

    @property
    def variance(self) -> float:
        """Sample variance (n - 1); NaN below two users."""
        return self.m2 / (self.n - 1) if self.n > 1 else math.nan

    @property
    def variance_of_mean(self) -> float:
        """Squared standard error of the mean (equation 15); NaN below two users."""
        return self.variance / self.n if self.n > 1 else math.nan


@dataclass(frozen=True)
class CoMoments:
    """An outcome beside a covariate of the same users; `product` is the sum of products of deviations."""

    outcome: Moments
    covariate: Moments
    product: float

    @classmethod
    def of(cls, outcomes: ArrayLike, covariates: ArrayLike) -> CoMoments:
        """Of two arrays of equal length, one entry a user."""
        y, x = np.asarray(outcomes, dtype=float), np.asarray(covariates, dtype=float)
        product = float(((y - y.mean()) * (x - x.mean())).sum()) if y.size else 0.0
        return cls(Moments.of(y), Moments.of(x), product)

    def __add__(self, other: CoMoments) -> CoMoments:
        """Both sets of users together."""
        a, b = self.outcome.n, other.outcome.n
        apart = (other.outcome.mean - self.outcome.mean) * (other.covariate.mean - self.covariate.mean)
        return CoMoments(
            self.outcome + other.outcome,
            self.covariate + other.covariate,
            self.product + other.product + (apart * a * b / (a + b) if a + b else 0.0),
        )


@dataclass(frozen=True)
class Before:
    """Outcomes of all exposed users beside what was known of them before their first exposure.

    Days go with days and amounts with amounts; `engaged` stands beside both, since depth is a ratio and its
    adjustment needs the covariance of its denominator too.
    """

    breadth: CoMoments
    """Share of days engaged, beside days engaged before."""
    engaged: CoMoments
    """Whether engaged at all, beside days engaged before."""
    engaged_amount: CoMoments
    """Whether engaged at all, beside the amount before."""
    amount: CoMoments
    """Amount (zero for who was not engaged), beside the amount before."""

    def __add__(self, other: Before) -> Before:
        """Both sets of users together."""
        return Before(
            self.breadth + other.breadth,
            self.engaged + other.engaged,
            self.engaged_amount + other.engaged_amount,
            self.amount + other.amount,
        )


@dataclass(frozen=True)
class Arm:
    """What a readout needs of one arm, in one segment, up to one day.

    Attributes:
        breadth: share of days engaged, of all exposed users (equation 9).
        depth: amount, of engaged users (equations 12-13).
        winsorised_depth: the same with amounts cut at a bound that was fixed over all arms together.
        before: co-moments with the pre-period; None where there is none.
    """

    breadth: Moments
    depth: Moments
    winsorised_depth: Moments | None = None
    before: Before | None = None

    @property
    def users(self) -> int:
        """Exposed users."""
        return self.breadth.n

    @property
    def engaged(self) -> Moments:
        """Whether a user engaged at all, of all exposed users."""
        return _indicator(self.users, self.depth.n)

    @property
    def amount(self) -> Moments:
        """Amount of all exposed users, zeros included."""
        return self.depth.with_zeros(self.users - self.depth.n)

    @property
    def winsorised_amount(self) -> Moments | None:
        """Amount cut at the bound, of all exposed users, zeros included."""
        cut = self.winsorised_depth
        return None if cut is None else cut.with_zeros(self.users - cut.n)

    def of_metric(self, metric: str) -> Moments:
        """What a metric of `comparison.METRICS` is the mean of, by its name."""
        if metric == "breadth":
            return self.breadth
        if metric == "depth":
            return self.depth
        return self.engaged if metric == "share_engaged" else self.amount

    def __add__(self, other: Arm) -> Arm:
        """Users of both together; what one of them lacks (a bound, a pre-period) the sum lacks too."""
        cut, others_cut = self.winsorised_depth, other.winsorised_depth
        before, others_before = self.before, other.before
        return Arm(
            self.breadth + other.breadth,
            self.depth + other.depth,
            None if cut is None or others_cut is None else cut + others_cut,
            None if before is None or others_before is None else before + others_before,
        )

    @classmethod
    def of_users(
        cls,
        days_engaged: ArrayLike,
        amount: ArrayLike,
        days: int,
        bound: float | None = None,
        days_before: ArrayLike | None = None,
        amount_before: ArrayLike | None = None,
    ) -> Arm:
        """From one entry a user: days engaged (of `days`), amount, and both of them before exposure."""
        breadth, sums = np.asarray(days_engaged, dtype=float) / days, np.asarray(amount, dtype=float)
        some = sums > 0
        before = None
        if days_before is not None and amount_before is not None:
            before = Before(
                CoMoments.of(breadth, days_before),
                CoMoments.of(some, days_before),
                CoMoments.of(some, amount_before),
                CoMoments.of(sums, amount_before),
            )
        cut = None if bound is None else Moments.of(np.minimum(sums[some], bound))
        return cls(Moments.of(breadth), Moments.of(sums[some]), cut, before)

    @classmethod
    def of_row(cls, row: Mapping[str, float | None], days: int) -> Arm:
        """From one row of aggregates over users; sums of squares and products are about their means.

        Columns (`_m2` is n times the population variance, `_product` n times the population covariance):
        `users`; `days_engaged_mean`, `_m2`; `engaged_users`; over engaged users `amount_mean`, `_m2` and
        `winsorised_mean`, `_m2`; over all users `days_before_mean`, `_m2`, `amount_before_mean`, `_m2`, and
        `days_engaged_days_before_product`, `engaged_days_before_product`, `engaged_amount_before_product`,
        `amount_amount_before_product`. A NULL or missing `winsorised_mean` or `days_before_mean` means that
        there is no bound or no pre-period.

        Args:
            days: calendar days of the window so far, the |D| of equation 9.
        """
        users, engaged = int(row["users"] or 0), int(row["engaged_users"] or 0)

        def moments(name: str, n: int) -> Moments:
            return Moments(n, float(row[f"{name}_mean"] or 0.0), float(row[f"{name}_m2"] or 0.0))

        # Days are averaged as whole numbers and divided here: sevenths have no exact binary form.
        breadth = moments("days_engaged", users).scaled(1 / days)
        depth = moments("amount", engaged)
        before = None
        if row.get("days_before_mean") is not None:
            some, sums = _indicator(users, engaged), depth.with_zeros(users - engaged)
            past_days, past_amount = moments("days_before", users), moments("amount_before", users)
            before = Before(
                CoMoments(breadth, past_days, float(row["days_engaged_days_before_product"] or 0.0) / days),
                CoMoments(some, past_days, float(row["engaged_days_before_product"] or 0.0)),
                CoMoments(some, past_amount, float(row["engaged_amount_before_product"] or 0.0)),
                CoMoments(sums, past_amount, float(row["amount_amount_before_product"] or 0.0)),
            )
        cut = None if row.get("winsorised_mean") is None else moments("winsorised", engaged)
        return cls(breadth, depth, cut, before)


def merged(arms: Iterable[Arm]) -> Arm:
    """Several disjoint sets of users as one."""
    return reduce(Arm.__add__, arms)


def _indicator(users: int, some: int) -> Moments:
    """Of 1 for `some` of `users` and 0 for the others."""
    return Moments(users, some / users, some * (users - some) / users) if users else Moments()
