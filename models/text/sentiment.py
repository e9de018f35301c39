"""Sentiment of a short text by VADER's lexicon and rules (Hutto and Gilbert 2014), in the languages it supports."""

from __future__ import annotations

from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LANGUAGES = frozenset(("en",))
POSITIVE, NEGATIVE = 0.05, -0.05
"""The authors call a text positive from a compound of 0.05 on, and negative up to -0.05."""
_READ_CHARACTERS = 2_000


def sentiment(text: str, language: str) -> float | None:
    """VADER's compound in [-1, 1], rounded to four digits; None for a language that the lexicon does not support.

    Only the beginning of a long text is read: its cost grows with the square of the length.
    """
    if language not in LANGUAGES:
        return None
    return float(_analyzer().polarity_scores(text[:_READ_CHARACTERS])["compound"])


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()
