"""The packaged classifier: alt-profanity-check (a linear model for English) as a score for harassment.

Profanity alone is not unsafe chat, so the probability is scaled: only very sure abuse reaches the review band.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

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
class ProfanityModel:
    """Scores English for aimed abuse (S10), between 0 and .65: a person confirms what the rules do not know."""

    name: str = "profanity"
    version: str = "alt-profanity-check-1"

    def load(self) -> None:
        """Load the packaged model. Raises DetectorUnavailable."""
        _predictor()

    def supports(self, language: str) -> bool:
        """English only."""
        return language == "en"

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text: probabilities of .9 to 1 spread over 0 to .65 where the abuse is aimed at somebody."""
        aimed = [index for index, text in enumerate(texts) if _AIMED.search(text)]
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
