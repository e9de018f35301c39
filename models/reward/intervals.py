"""Shares of pairs and their differences with intervals that know that the pairs of one user are not independent.

The variance of a mean over clusters is that of the sums of its clusters' deviations, times G/(G - 1) (the sandwich with
one coefficient; Liang and Zeger 1986). Its ratio to the variance of independent pairs, at least 1, is the design
effect: n divided by it is the number of independent pairs that say as much, and goes into Wilson's or Agresti and Min's
interval with Student's quantile on G - 1 degrees of freedom (Korn and Graubard 1998). Without clusters they are plain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """A share of pairs with its 95 % interval; a pair on which both responses score the same counts half."""

    n: int
    correct: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """NaN where there is no pair."""
        return self.correct / self.n if self.n else math.nan

    def __str__(self) -> str:
        """`.71 [.66, .75]`."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.n else "no pairs"


def accuracy(hits: npt.ArrayLike, clusters: Sequence[str] = ()) -> Accuracy:
    """A share with its Wilson interval.

    Args:
        hits: (n,) in [0, 1].
        clusters: (n,) whose pair each is; an empty name is a cluster of its own. () = all are.
    """
    values = np.asarray(hits, dtype=np.float64)
    n, correct = len(values), float(values.sum())
    if not n:
        return Accuracy(0, 0.0, math.nan, math.nan)
    design = _Design.of(values, clusters)
    if design.clusters < 2 <= n:
        return Accuracy(n, correct, 0.0, 1.0)  # one user says nothing about others
    alpha = 2 * norm.sf(design.quantile(0.95))
    low, high = proportion_confint(correct / design.effect, n / design.effect, alpha=alpha, method="wilson")
    # At 0 and 1 an end of the interval is that value itself, but for rounding.
    return Accuracy(n, correct, min(float(low), correct / n), max(float(high), correct / n))


@dataclass(frozen=True)
class Difference:
    """How much more often one model is right than another on the same pairs, with its interval.

    Adjusted as Agresti and Min (2005) do for paired proportions, so that few pairs on which both agree are no
    certainty.
    """

    n: int
    value: float
    low: float
    high: float


def difference(
    new: npt.ArrayLike, old: npt.ArrayLike, confidence: float = 0.95, clusters: Sequence[str] = ()
) -> Difference:
    """Of hits of two models on the same pairs; `clusters` as in `accuracy`."""
    gain = np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64)
    n = len(gain)
    if not n:
        return Difference(0, math.nan, math.nan, math.nan)
    design = _Design.of(gain, clusters)
    if design.clusters < 2 <= n:
        return Difference(n, float(gain.mean()), -1.0, 1.0)
    won, lost = (np.clip(sign * gain, 0, None).sum() / design.effect + 0.5 for sign in (1, -1))
    of = n / design.effect + 2
    middle = (won - lost) / of
    reach = design.quantile(confidence) * math.sqrt(won + lost - (won - lost) ** 2 / of) / of
    return Difference(n, float(gain.mean()), float(middle - reach), float(middle + reach))


@dataclass(frozen=True)
class _Design:
    """How many clusters there are, and by how much they widen the variance of the mean."""

    clusters: int
    effect: float
    is_plain: bool

    @classmethod
    def of(cls, values: Floats, clusters: Sequence[str]) -> _Design:
        n = len(values)
        names = [name or f"\0{row}" for row, name in enumerate(clusters)] or [str(row) for row in range(n)]
        if len(names) != n:
            raise ValueError(f"{len(names)} clusters for {n} values")
        unique_names, place = np.unique(names, return_inverse=True)
        groups = len(unique_names)
        if groups == n or groups < 2:
            return cls(groups, 1.0, groups == n)
        apart = values - values.mean()
        alone = float((apart**2).sum())
        if alone == 0:
            # All alike: clusters, of which none differs, are what was seen.
            return cls(groups, n / groups, False)
        together = float((np.bincount(place, apart) ** 2).sum()) * groups / (groups - 1)
        return cls(groups, max(1.0, together / alone), False)

    def quantile(self, confidence: float) -> float:
        """Two-sided."""
        share = (1 + confidence) / 2
        return float(norm.ppf(share) if self.is_plain else t.ppf(share, self.clusters - 1))
