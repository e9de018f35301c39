"""Several answers to one prompt with a score or rank each: which of them make pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from infra.records import Refused
from jobs.traffic.importers.chat import Source

_MOST_ANSWERS = 12
"""Each two answers are a pair: twelve make 66."""

# The known fault of UltraFeedback: a score of 1 was stored as 10. Its authors' correction, by the mean of the aspects'
# ratings from 1 to 5: at most 2 is a 1, above 4 is a 10, and between somebody would have to judge again.
_TOP, _BOTTOM = 10.0, 1.0
_SURELY_BAD, _SURELY_GOOD = 2.0, 4.0


@dataclass(frozen=True)
class Answer:
    """One answer; a higher score is better."""

    text: str
    score: float


def rated(
    answers: object,
    source: Source,
    text: str = "response",
    score: str = "overall_score",
    best_is_lowest: bool = False,
) -> list[Answer]:
    """The answers of a record that can be compared. One that is bad in itself is left out and counted.

    Args:
        text, score: names of their fields.
        best_is_lowest: whether the score is a rank.

    Raises:
        Refused: it is no list, too long, or fewer than two can be compared.
    """
    if not isinstance(answers, list):
        raise Refused("missing_field:completions" if answers is None else "wrong_type:completions")
    if len(answers) > _MOST_ANSWERS:
        raise Refused("too_many_completions")
    good: list[Answer] = []
    for answer in answers:
        said = answer.get(text) if isinstance(answer, dict) else None
        given = _corrected(answer, score, source) if isinstance(answer, dict) else None
        if not isinstance(said, str) or not said.strip():
            source.skipped["answer_without_text"] += 1
        elif given is None:
            source.skipped["answer_without_score"] += 1
        elif not math.isnan(given):
            good.append(Answer(said, -given if best_is_lowest else given))
    if len(good) < 2:
        raise Refused("fewer_than_two_completions")
    return good


def pairs_of(answers: list[Answer]) -> Iterator[tuple[Answer, Answer]]:
    """Each two answers, the better one first; equal scores in the order of the record."""
    yield from combinations(sorted(answers, key=lambda answer: -answer.score), 2)


def score_of(value: object) -> float | None:
    """A finite number, also written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _corrected(answer: Mapping[str, Any], name: str, source: Source) -> float | None:
    """The score, mended where the known fault shows; NaN for one in doubt, which is counted."""
    given = score_of(answer.get(name, answer.get("score")))
    aspects = _mean_of_aspects(answer) if given == _TOP else None
    if aspects is None or aspects > _SURELY_GOOD:
        return given
    if aspects <= _SURELY_BAD:
        source.skipped["score_10_read_as_1"] += 1
        return _BOTTOM
    source.skipped["answer_with_score_10_in_doubt"] += 1
    return math.nan


def _mean_of_aspects(answer: Mapping[str, Any]) -> float | None:
    """The mean rating of single aspects, from 1 to 5."""
    if (known := score_of(answer.get("fine-grained_score"))) is not None:
        return known
    annotations = answer.get("annotations")
    if not isinstance(annotations, dict):
        return None
    ratings = [
        score_of(aspect.get("Rating", aspect.get("rating")))
        for aspect in annotations.values()
        if isinstance(aspect, dict)
    ]
    numbers = [rating for rating in ratings if rating is not None]
    return fmean(numbers) if numbers else None
