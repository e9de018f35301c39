"""The packaged classifier: alt-profanity-check (a linear model for English) as a score for harassment.

Profanity alone is not unsafe chat, so the probability is scaled: only very sure abuse reaches the review band.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from infra.errors import DetectorUnavailable
from models.screening.safety.interface import SAFE, SafetyScore

_SURE = 0.9
# Abuse is aimed at somebody; an expletive is not.
_AIMED = re.compile(
    r"\b(?:you|your|u|ur|you're|youre|they|them|those|these|women|men|people|she|he|him|her|all)\b",
    re.IGNORECASE,
)
_CEILING = 0.65


@lru_cache(maxsize=1)
def _predictor() -> Any:
    try:
        from profanity_check import predict_prob
    except (ImportError, OSError, ValueError) as error:
        raise DetectorUnavailable(
            "alt-profanity-check cannot be loaded", hint="reinstall the package alt-profanity-check (uv sync)"
        ) from error
    return predict_prob


@dataclass(frozen=True)
class _Bound:
    """Excludes texts that cannot score above `_SURE`, by their words alone: most texts, at a tenth of the model's cost.

    A text is a vector of length 1, so its product with a fold's weights is at most the root of the sum of the squared
    weights of its words. The mean over folds is above `_SURE` only if that of one fold is.

    Attributes:
        words: splits a text as the model's vectorizer does.
        squares: of each word with a positive weight: its largest weight over all folds, squared.
        least: the smallest sum of squares that a text above `_SURE` has.
    """

    words: Callable[[str], list[str]]
    squares: Mapping[str, float]
    least: float

    def allows(self, text: str) -> bool:
        """Whether the text may score above `_SURE`."""
        return sum(self.squares.get(word, 0.0) for word in set(self.words(text.lower()))) >= self.least


@lru_cache(maxsize=1)
def _bound() -> _Bound | None:
    """The bound of the packaged model; None for one that is built in another way."""
    try:
        from profanity_check.profanity_check import model, vectorizer

        weights, least = np.zeros(len(vectorizer.vocabulary_)), math.inf
        for fold in model.calibrated_classifiers_:
            (platt,), linear = fold.calibrators, fold.estimator
            if (
                platt.a_ >= 0
                or vectorizer.norm != "l2"
                or not vectorizer.lowercase
                or vectorizer.strip_accents
            ):
                return None
            weights = np.maximum(weights, linear.coef_[0])
            least = min(least, (math.log(1 / _SURE - 1) - platt.b_) / platt.a_ - linear.intercept_[0])
        if least <= 0:
            return None
        squares = {
            word: float(weights[place]) ** 2
            for word, place in vectorizer.vocabulary_.items()
            if weights[place]
        }
        return _Bound(vectorizer.build_tokenizer(), squares, float(least) ** 2 * (1 - 1e-6))
    except (ImportError, AttributeError, ValueError, TypeError, IndexError):
        return None


@dataclass(frozen=True)
class ProfanityModel:
    """Scores English for aimed abuse (S10), between 0 and .65: a person confirms what the rules do not cover."""

    name: str = "profanity"
    version: str = "alt-profanity-check-2"

    def load(self) -> None:
        """Load the packaged model. Raises DetectorUnavailable."""
        _predictor()

    def supports(self, language: str) -> bool:
        """English, and text of an undetermined language, which may be English."""
        return language in ("en", "und")

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text: probabilities of .9 to 1 spread over 0 to .65 where the abuse is aimed at somebody."""
        bound = _bound()
        aimed = [
            index
            for index, text in enumerate(texts)
            if (bound is None or bound.allows(text)) and _AIMED.search(text)
        ]
        scores = [SAFE] * len(texts)
        if not aimed:
            return scores
        probabilities = cast(Any, _predictor())([texts[index] for index in aimed])
        for index, probability in zip(aimed, probabilities, strict=True):
            value = float(probability)
            if value != value:
                scores[index] = SafetyScore("S10", value)  # NaN: the caller fails closed on it
            elif value > _SURE:
                scores[index] = SafetyScore("S10", (value - _SURE) / (1 - _SURE) * _CEILING)
        return scores
