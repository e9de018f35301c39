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
_MAX_WEIGHTS = 2_000_000
# There is an interval only if nearly all resamples have both outcomes.
_MAX_UNDEFINED = 0.02


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
        rng = np.random.default_rng(seed)
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        return cls(user, times)

    def figures(self, statistic: Callable[[Floats], Floats]) -> Floats:
        """The statistic of each resample.

        Args:
            statistic: of weights (resamples, rows); NaN where it is not defined.
        """
        step = max(1, _MAX_WEIGHTS // max(len(self.user), 1))
        parts = [
            statistic(self.times[begin : begin + step][:, self.user].astype(float))
            for begin in range(0, len(self.times), step)
        ]
        return np.concatenate(parts)

    def interval(self, value: float, statistic: Callable[[Floats], Floats]) -> Figure:
        """The value with the 2.5 % and 97.5 % quantile of its resamples."""
        resampled = self.figures(statistic)
        finite = resampled[np.isfinite(resampled)]
        if len(finite) < (1 - _MAX_UNDEFINED) * len(resampled):
            return Figure()
        low, high = np.quantile(finite, [0.025, 0.975])
        return Figure(value, float(low), float(high))


def auc(scores: Floats, happened: Bools) -> Callable[[Floats], Floats]:
    """The area under the ROC curve as a function of weights (resamples, rows)."""
    order = np.argsort(scores, kind="stable")
    is_positive, ends = happened[order], _ends(scores[order])

    def weighted(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        positive = np.cumsum(np.where(is_positive, sorted_weights, 0.0), axis=1)[:, ends]
        negative = np.cumsum(np.where(is_positive, 0.0, sorted_weights), axis=1)[:, ends]
        tied_positive = np.diff(positive, axis=1, prepend=0.0)
        below = np.concatenate([np.zeros((len(weights), 1)), negative[:, :-1]], axis=1)
        pairs = positive[:, -1] * negative[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((tied_positive * (below + negative) / 2).sum(axis=1) / pairs)

    return weighted


def average_precision(scores: Floats, happened: Bools) -> Callable[[Floats], Floats]:
    """Average precision as a function of weights (resamples, rows): steps, no interpolation."""
    order = np.argsort(-scores, kind="stable")
    is_positive, ends = happened[order], _ends(-scores[order])

    def weighted(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        total = np.cumsum(sorted_weights, axis=1)[:, ends]
        positive = np.cumsum(np.where(is_positive, sorted_weights, 0.0), axis=1)[:, ends]
        tied_positive = np.diff(positive, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(total > 0, positive / total, 0.0)
            return np.asarray((tied_positive * precision).sum(axis=1) / positive[:, -1])

    return weighted


def _ends(ordered: Floats) -> npt.NDArray[np.intp]:
    """The last place of each run of equal values."""
    return np.flatnonzero(np.append(np.diff(ordered) != 0, True))


def ranked(cell: str, scores: Floats, happened: Bools, users: Sequence[str], seed: int) -> Ranked:
    """AUC and average precision of one cell."""
    counts = Ranked(cell, len(scores), int(happened.sum()), len(set(users)))
    if counts.users < LEAST_USERS or not _enough(happened):
        return counts
    resamples, unit_weights = Resamples.of(users, seed), np.ones((1, len(scores)))
    figures: dict[str, Figure] = {}
    for name, statistic in (
        ("auc", auc(scores, happened)),
        ("precision", average_precision(scores, happened)),
    ):
        figures[name] = resamples.interval(float(statistic(unit_weights)[0]), statistic)
    return Ranked(cell, counts.rows, counts.happened, counts.users, figures["auc"], figures["precision"])


def gain(scores: Floats, baseline: Floats, happened: Bools, users: Sequence[str], seed: int) -> Figure:
    """AUC of the scores minus that of a baseline, on the same responses and resamples of users."""
    if len(set(users)) < LEAST_USERS or not _enough(happened):
        return Figure()
    model_auc, baseline_auc = auc(scores, happened), auc(baseline, happened)

    def difference(weights: Floats) -> Floats:
        return model_auc(weights) - baseline_auc(weights)

    unit_weights = np.ones((1, len(scores)))
    return Resamples.of(users, seed).interval(float(difference(unit_weights)[0]), difference)


def within(scores: Floats, happened: Bools, groups: Sequence[str], users: Sequence[str], seed: int) -> Figure:
    """AUC over pairs of responses of the same group, so that the group itself gives no information.

    Each group has the weight of its number of pairs.
    """
    names = np.asarray(groups, dtype=str)
    group_rows = [np.flatnonzero(names == group) for group in sorted(set(groups))]
    group_rows = [rows for rows in group_rows if happened[rows].any() and not happened[rows].all()]
    if len(set(users)) < LEAST_USERS or not group_rows or not _enough(happened):
        return Figure()
    parts = [(rows, happened[rows], auc(scores[rows], happened[rows])) for rows in group_rows]

    def pooled(weights: Floats) -> Floats:
        wins, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for rows, is_positive, statistic in parts:
            group_weights = weights[:, rows]
            positive = group_weights[:, is_positive].sum(axis=1)
            group_pairs = positive * group_weights[:, ~is_positive].sum(axis=1)
            wins += np.where(group_pairs > 0, np.nan_to_num(statistic(group_weights)) * group_pairs, 0.0)
            pairs += group_pairs
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
            in_level = labels == level
            results.append(
                ranked(
                    f"{dimension}={level}",
                    scores[in_level],
                    happened[in_level],
                    list(user_ids[in_level]),
                    seed,
                )
            )
    return tuple(results)


def _enough(happened: Bools) -> bool:
    return LEAST_OUTCOMES <= int(happened.sum()) <= len(happened) - LEAST_OUTCOMES
