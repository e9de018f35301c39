"""Fits of the weights that the labels ship with, on tuning halves only; `benchmarks.labels` compares the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.labelled import RatedTurn, Tongue, held_out
from jobs.curation.diversity import quality
from models.text.language.identify import ROMANISED_HINDI, romanised_hindi_signs
from models.text.language.romanised_hindi import WEIGHTS

Floats = npt.NDArray[np.float64]
_TEXTS_A_SET = 2500


def quality_weights(sets: Mapping[str, Sequence[RatedTurn]], low: Mapping[str, float]) -> Floats:
    """Weights of `jobs.curation.diversity.quality.SIGNS` and the intercept, each set and class weighing the same.

    low: the rating below which a turn of the set counts as bad.
    """
    signs: list[tuple[float, ...]] = []
    good: list[bool] = []
    weights: list[float] = []
    for name, turns in sets.items():
        tuning = [turn for turn in turns if not turn.held_out]
        judged = [turn.rating >= low[name] for turn in tuning]
        signs += [quality.signs(turn.message, turn.response, turn.before) for turn in tuning]
        good += judged
        weights += _balanced(judged)
    return _logistic(signs, good, weights, strength=10.0)


def romanised_hindi_weights(sets: Sequence[Tongue]) -> Floats:
    """Weights of `RomanisedHindi.signs` and the intercept: every set weighs the same, and Hindi as much as the rest."""
    signs: list[tuple[float, ...]] = []
    hindi: list[bool] = []
    weights: list[float] = []
    for tongue in sets:
        if tongue.tag == "zh":
            continue
        tuning = [text for text in tongue.texts if not held_out(text)][:_TEXTS_A_SET]
        measured = [row for row in (romanised_hindi_signs(text) for text in tuning) if row is not None]
        signs += measured
        hindi += [tongue.tag == ROMANISED_HINDI] * len(measured)
        weights += [1 / max(len(measured), 1)] * len(measured)
    share = np.array(weights)
    side = np.array(hindi)
    share[side] *= share[~side].sum() / share[side].sum()
    return _logistic(signs, hindi, share / share.mean(), strength=1.0)


def deviation(fitted: Floats, shipped: Sequence[float]) -> float:
    """Largest difference of a fitted weight from the one shipped."""
    return float(np.abs(fitted[: len(shipped)] - np.array(shipped)).max())


def shipped_quality() -> tuple[float, ...]:
    """Weights and intercept as `quality_weights` gives them."""
    return (*quality.WEIGHTS, quality.INTERCEPT)


def shipped_romanised_hindi() -> tuple[float, ...]:
    """Weights as `romanised_hindi_weights` gives them; the intercept is lowered on purpose and left out."""
    return WEIGHTS


def _balanced(judged: Sequence[bool]) -> list[float]:
    """Weights by which a set's good and bad turns weigh 500 each."""
    good = sum(judged)
    return [500 / good if is_good else 500 / (len(judged) - good) for is_good in judged]


def _logistic(
    signs: Sequence[tuple[float, ...]],
    label: Sequence[bool],
    weights: Sequence[float] | Floats,
    strength: float,
) -> Floats:
    model = LogisticRegression(C=strength, max_iter=5000)
    model.fit(np.array(signs), np.array(label), sample_weight=np.array(weights))
    return np.append(model.coef_[0], model.intercept_[0])
