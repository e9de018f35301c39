"""Measure how well scores rank responses with a signal above those without: AUC and PR-AUC, with intervals over users.

AUC is the chance that a random response with the signal scores above one without it; ties count half. Average precision
(PR-AUC) is the mean precision over the responses with the signal; for uninformative scores it equals the rate of the
signal. Responses of the same user are not independent, so intervals are percentiles over resampled users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
DRAWS = 1_000
LEAST_USERS = 20
LEAST_OUTCOMES = 10
_AT_ONCE = 2_000_000
# There is an interval only if nearly all resamples have both outcomes.
_MOST_EMPTY = 0.02


@dataclass(frozen=True)
class Figure:
    """An estimate with its 95 % interval; None if the data are too few."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Ranked:
    """How well scores rank one cell of responses (all of them, or one job to be done).

    Attributes:
        rows, happened, users: number of responses, of those with the signal, and of users.
        auc, precision: None for fewer than LEAST_USERS users or LEAST_OUTCOMES responses with or without the signal.
    """

    cell: str
    rows: int
    happened: int
    users: int
    auc: Figure = Figure()
    precision: Figure = Figure()

    @property
    def has_estimate(self) -> bool:
        """Whether there were enough data for an estimate."""
        return self.auc.value is not None


@dataclass(frozen=True)
class Resamples:
    """How often each user is drawn in each resample. All scores that are compared on the same rows share the draw."""

    user: npt.NDArray[np.intp]
    times: npt.NDArray[np.int64]

    @classmethod
    def of(cls, users: Sequence[str] | npt.NDArray[np.object_], seed: int, draws: int = DRAWS) -> Resamples:
        """`draws` resamples of as many users as there are, with replacement."""
        names, user = np.unique(np.asarray(users, dtype=str), return_inverse=True)
        random = np.random.default_rng(seed)
        times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        return cls(user, times)

    def figures(self, statistic: Callable[[Floats], Floats]) -> Floats:
        """The statistic of each resample.

        Args:
            statistic: of weights (resamples, rows); NaN where it is not defined.
        """
        step = max(1, _AT_ONCE // max(len(self.user), 1))
        parts = [
            statistic(self.times[begin : begin + step][:, self.user].astype(float))
            for begin in range(0, len(self.times), step)
        ]
        return np.concatenate(parts)

    def interval(self, value: float, statistic: Callable[[Floats], Floats]) -> Figure:
        """The value with the 2.5 % and 97.5 % quantile of its resamples."""
        drawn = self.figures(statistic)
        finite = drawn[np.isfinite(drawn)]
        if len(finite) < (1 - _MOST_EMPTY) * len(drawn):
            return Figure()
        low, high = np.quantile(finite, [0.025, 0.975])
        return Figure(value, float(low), float(high))


def auc(scores: Floats, happened: Bools) -> Callable[[Floats], Floats]:
    """The area under the ROC curve as a function of weights (resamples, rows)."""
    order = np.argsort(scores, kind="stable")
    yes, ends = happened[order], _ends(scores[order])

    def weighted(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        positive = np.cumsum(np.where(yes, sorted_weights, 0.0), axis=1)[:, ends]
        negative = np.cumsum(np.where(yes, 0.0, sorted_weights), axis=1)[:, ends]
        own = np.diff(positive, axis=1, prepend=0.0)
        below = np.concatenate([np.zeros((len(weights), 1)), negative[:, :-1]], axis=1)
        pairs = positive[:, -1] * negative[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((own * (below + negative) / 2).sum(axis=1) / pairs)

    return weighted


def average_precision(scores: Floats, happened: Bools) -> Callable[[Floats], Floats]:
    """Average precision as a function of weights (resamples, rows): steps, no interpolation."""
    order = np.argsort(-scores, kind="stable")
    yes, ends = happened[order], _ends(-scores[order])

    def weighted(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        everything = np.cumsum(sorted_weights, axis=1)[:, ends]
        positive = np.cumsum(np.where(yes, sorted_weights, 0.0), axis=1)[:, ends]
        own = np.diff(positive, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(everything > 0, positive / everything, 0.0)
            return np.asarray((own * precision).sum(axis=1) / positive[:, -1])

    return weighted


def _ends(ordered: Floats) -> npt.NDArray[np.intp]:
    """The last place of each run of equal values."""
    return np.flatnonzero(np.append(np.diff(ordered) != 0, True))


def ranked(cell: str, scores: Floats, happened: Bools, users: Sequence[str], seed: int) -> Ranked:
    """AUC and average precision of one cell."""
    counted = Ranked(cell, len(scores), int(happened.sum()), len(set(users)))
    if counted.users < LEAST_USERS or not _enough(happened):
        return counted
    resamples, once = Resamples.of(users, seed), np.ones((1, len(scores)))
    figures: dict[str, Figure] = {}
    for name, statistic in (
        ("auc", auc(scores, happened)),
        ("precision", average_precision(scores, happened)),
    ):
        figures[name] = resamples.interval(float(statistic(once)[0]), statistic)
    return Ranked(cell, counted.rows, counted.happened, counted.users, figures["auc"], figures["precision"])


def gain(scores: Floats, baseline: Floats, happened: Bools, users: Sequence[str], seed: int) -> Figure:
    """AUC of the scores minus that of a baseline, on the same responses and resamples of users."""
    if len(set(users)) < LEAST_USERS or not _enough(happened):
        return Figure()
    ours, theirs = auc(scores, happened), auc(baseline, happened)

    def difference(weights: Floats) -> Floats:
        return ours(weights) - theirs(weights)

    once = np.ones((1, len(scores)))
    return Resamples.of(users, seed).interval(float(difference(once)[0]), difference)


def within(scores: Floats, happened: Bools, groups: Sequence[str], users: Sequence[str], seed: int) -> Figure:
    """AUC over pairs of responses of the same group, so that the group itself gives no information.

    Each group has the weight of its number of pairs.
    """
    names = np.asarray(groups, dtype=str)
    places = [np.flatnonzero(names == group) for group in sorted(set(groups))]
    places = [rows for rows in places if happened[rows].any() and not happened[rows].all()]
    if len(set(users)) < LEAST_USERS or not places or not _enough(happened):
        return Figure()
    parts = [(rows, happened[rows], auc(scores[rows], happened[rows])) for rows in places]

    def pooled(weights: Floats) -> Floats:
        wins, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for rows, yes, statistic in parts:
            own = weights[:, rows]
            number = own[:, yes].sum(axis=1) * own[:, ~yes].sum(axis=1)
            wins += np.where(number > 0, np.nan_to_num(statistic(own)) * number, 0.0)
            pairs += number
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(wins / pairs)

    return Resamples.of(users, seed).interval(float(pooled(np.ones((1, len(scores))))[0]), pooled)


def by_cell(
    scores: Floats, happened: Bools, users: Sequence[str], cells: Mapping[str, Sequence[str]], seed: int
) -> tuple[Ranked, ...]:
    """All responses, then each level of each dimension: cells named `all` and `dimension=level`.

    Args:
        cells: dimension to the level of each response.
    """
    user_ids = np.asarray(users, dtype=object)
    results = [ranked("all", scores, happened, list(user_ids), seed)]
    for dimension, levels in cells.items():
        labels = np.asarray(levels, dtype=object)
        for level in sorted(set(levels)):
            inside = labels == level
            results.append(
                ranked(f"{dimension}={level}", scores[inside], happened[inside], list(user_ids[inside]), seed)
            )
    return tuple(results)


def _enough(happened: Bools) -> bool:
    return LEAST_OUTCOMES <= int(happened.sum()) <= len(happened) - LEAST_OUTCOMES
