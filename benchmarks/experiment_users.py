"""Users of an experiment, simulated so that every truth has a closed form, or real players of one that was run."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from jobs.experiments.moments import Arm, Moments

Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Population:
    """Days engaged are beta-binomial; the amount is those days times a lognormal rate.

    Attributes:
        share: mean share of days engaged.
        concentration: of the beta distribution of shares (the sum of its parameters).
        days: of the window.
        log_mean, log_deviation: of the amount a day; the deviation sets how heavy the tail is.
    """

    share: float = 0.3
    concentration: float = 2.0
    days: int = 7
    log_mean: float = 1.0
    log_deviation: float = 1.0

    def treated(self, breadth_lift: float, amount_lift: float) -> Population:
        """The same users with both multiplied by 1 + lift; few and many amounts alike."""
        log_mean = self.log_mean + float(np.log1p(amount_lift))
        return replace(self, share=self.share * (1 + breadth_lift), log_mean=log_mean)

    @cached_property
    def chances(self) -> Column:
        """Probability of 0 .. `days` days engaged."""
        a, b, k = (
            self.share * self.concentration,
            (1 - self.share) * self.concentration,
            np.arange(self.days + 1),
        )
        return np.asarray(stats.betabinom.pmf(k, self.days, a, b))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Column, Column]:
        """Days engaged and amounts of fresh users."""
        days = np.searchsorted(np.cumsum(self.chances)[:-1], rng.random(shape), side="right").astype(float)
        return days, days * np.exp(self.log_mean + self.log_deviation * rng.standard_normal(shape))

    def depth(self, bound: float | None = None) -> tuple[float, float]:
        """Mean amount of the engaged, cut at `bound`, and its mean square (uncut: of no use below a bound)."""
        k, p = np.arange(1, self.days + 1), self.chances[1:] / self.chances[1:].sum()
        mean = np.exp(self.log_mean + self.log_deviation**2 / 2)
        square = float((p * k**2).sum() * np.exp(2 * self.log_mean + 2 * self.log_deviation**2))
        if bound is None:
            return float((p * k).sum() * mean), square
        reach = (np.log(bound / k) - self.log_mean) / self.log_deviation
        below = k * mean * stats.norm.cdf(reach - self.log_deviation)
        return float((p * (below + bound * stats.norm.sf(reach))).sum()), square

    def bound(self, quantile: float) -> float:
        """That quantile of the amounts of the engaged."""
        k, p = np.arange(1, self.days + 1), self.chances[1:] / self.chances[1:].sum()
        low, high = 0.0, 1e9
        for _ in range(100):
            middle = (low + high) / 2
            reach = (np.log(middle / k) - self.log_mean) / self.log_deviation
            low, high = (middle, high) if (p * stats.norm.cdf(reach)).sum() < quantile else (low, middle)
        return high

    def arm(self, users: int = 10**9) -> Arm:
        """Exact moments, as a baseline of planning."""
        k = np.arange(self.days + 1) / self.days
        breadth = float((k * self.chances).sum())
        spread = float((np.square(k - breadth) * self.chances).sum())
        engaged = int(users * (1 - self.chances[0]))
        mean, square = self.depth()
        return Arm(
            Moments(users, breadth, spread * (users - 1)),
            Moments(engaged, mean, (square - mean**2) * (engaged - 1)),
        )


@dataclass(frozen=True)
class Pool:
    """Users to be split again and again; one entry a user, none of them treated."""

    name: str
    window: int
    days: Column
    amount: Column
    days_before: Column | None = None
    amount_before: Column | None = None


def simulated_pool(rng: np.random.Generator, users: int, population: Population) -> Pool:
    """Users of `population` with a pre-period of the same length: keenness and part of the rate persist."""
    a, b = population.share * population.concentration, (1 - population.share) * population.concentration
    keen, own = rng.beta(a, b, users), rng.standard_normal(users)

    def period() -> tuple[Column, Column]:
        days = rng.binomial(population.days, keen).astype(float)
        noise = 0.8 * own + 0.6 * rng.standard_normal(users)
        return days, np.ceil(days * np.exp(population.log_mean + population.log_deviation * noise))

    (days_before, amount_before), (days, amount) = period(), period()
    return Pool(f"{users:,} simulated users", population.days, days, amount, days_before, amount_before)


def real_pool(data: Path, rng: np.random.Generator, users: int) -> Pool | None:
    """Players of `cookie_cats_ab` (days 1 and 7 are its window, rounds its amount), or None where it is absent."""
    path = data / "cookie_cats_ab" / "cookie_cats.csv.gz"
    if not path.exists():
        return None
    with gzip.open(path, "rt") as file:
        players: Any = pd.read_csv(file)
    players = players.iloc[np.sort(rng.choice(len(players), min(users, len(players)), replace=False))]
    days = players["retention_1"].astype(float) + players["retention_7"].astype(float)
    return Pool(
        f"{len(players):,} real players", 2, days.to_numpy(), players["sum_gamerounds"].to_numpy(dtype=float)
    )
