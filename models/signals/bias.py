"""The bias tests of section 3.5.5 on a signal model's predictions, beside the same statistics of its labels.

Predicted probabilities count as expected hits, so both sides are odds ratios of the same contrasts between the same
groups (`models.signals.contrasts`). A model that fits its labels well has their biases too. For that reason it may not
be a reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.signals.contrasts import Contrast, Ratio, Statistic, report
from models.text.sentiment import NEGATIVE, POSITIVE

LONG_WORDS = 20
UNJUDGED = "(unjudged)"
_REACTIONS = frozenset({"love", "thumb_up", "thumb_down", "feedback"})
_PRAISE = frozenset({"love", "thumb_up"})
_MOOD = {"love": 1, "thumb_up": 1, "continued": 1, "thumb_down": -1, "feedback": -1}
"""1: an odds ratio above 1 shows a mood bias; -1: below 1. Users in a good mood praise more and stay longer."""


@dataclass(frozen=True)
class BiasLine:
    """A statistic of the model's predictions, and the same statistic of the labels."""

    predicted: Statistic
    labelled: Statistic


def contrasts_of(signal: str) -> Mapping[tuple[str, str], Contrast]:
    """The compared groups, with the sign of the log odds ratio that shows the bias in a model of this signal.

    For `continued`, the contrasts on session ends have no verdict: the signal itself is about the end of a session.
    """
    praise, reaction = (1 if signal in _PRAISE else None), (-1 if signal in _REACTIONS else None)
    return {
        ("ending_bias", "last_response"): Contrast(
            "last", "earlier", praise, f"odds of {signal}: last response of a session / earlier ones"
        ),
        ("delayed_feedback", "first_response"): Contrast(
            "first", "later", reaction, f"odds of {signal}: first response / later ones but the last"
        ),
        ("delayed_feedback", "clarifying_question"): Contrast(
            "question", "statement", None, f"odds of {signal}: response that ends by asking / other"
        ),
        ("delayed_feedback", "long_response"): Contrast(
            "long", "short", None, f"odds of {signal}: response of {LONG_WORDS} words or more / shorter"
        ),
        ("prior_sentiment", "positive_message"): Contrast(
            "positive", "negative", _MOOD.get(signal, 1),
            f"odds of {signal}: after a positive message / after a negative one",
        ),
    }  # fmt: skip


def bias_report(
    signal: str, rows: pd.DataFrame, probabilities: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_]
) -> tuple[BiasLine, ...]:
    """Every statistic, tests first, then the odds of each job to be done.

    Args:
        rows: user_id, session_id, session_turn_index, replied_in_session, jtbd, prior_sentiment, response_words,
            is_question of each response that was judged.
        probabilities: the model's prediction of each.
        happened: whether the user gave the signal.
    """
    ratio = Ratio(
        "odds_by_jtbd",
        f"spread (standard deviation) of the log odds of {signal} over jobs to be done",
        f"odds of {signal}",
    )
    contrasts = contrasts_of(signal)
    predicted = report(cells(rows, signal, probabilities), contrasts, ratio)
    labelled = report(cells(rows, signal, happened.astype(float)), contrasts, ratio)
    observed = {(statistic.contrast, statistic.level): statistic for statistic in labelled}
    # A job can be rare in one report only: keep the statistics that both have.
    return tuple(
        BiasLine(statistic, observed[statistic.contrast, statistic.level])
        for statistic in predicted
        if (statistic.contrast, statistic.level) in observed
    )


def cells(rows: pd.DataFrame, signal: str, hits: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Responses and (expected) hits by bias, contrast, level and user, by the rules of `views.signal_bias_cells`."""
    responses = rows.assign(hit=np.asarray(hits, dtype=float))
    responses = responses[responses.session_turn_index >= 1]
    last = responses.replied_in_session.eq(False)
    session = responses.groupby("session_id")
    session_size = session.hit.transform("size")
    first = responses.session_turn_index.eq(session.session_turn_index.transform("min"))
    ended = last.groupby(responses.session_id).transform("any")
    mood = responses.prior_sentiment.astype(float)
    has_mood = (mood >= POSITIVE) | (mood <= NEGATIVE)
    comparisons = [
        ("positive_negative_ratio", "odds_by_jtbd", responses.jtbd, responses.jtbd != UNJUDGED),
        ("ending_bias", "last_response", _levels(last, "last", "earlier"), ended & (session_size >= 2)),
        (
            "delayed_feedback", "first_response", _levels(first, "first", "later"),
            ended & (session_size >= 3) & ~last,
        ),
        (
            "delayed_feedback", "clarifying_question",
            _levels(responses.is_question.eq(True), "question", "statement"), responses.is_question.notna(),
        ),
        (
            "delayed_feedback", "long_response",
            _levels(responses.response_words >= LONG_WORDS, "long", "short"), responses.response_words.notna(),
        ),
        ("prior_sentiment", "positive_message", _levels(mood >= POSITIVE, "positive", "negative"), has_mood),
    ]  # fmt: skip
    parts = [
        responses.loc[is_included, ["user_id", "hit"]].assign(
            bias=bias, contrast=contrast, level=level[is_included], reaction=signal
        )
        for bias, contrast, level, is_included in comparisons
    ]
    keys = ["bias", "contrast", "level", "reaction", "user_id"]
    grouped = pd.concat(parts, ignore_index=True).groupby(keys).hit
    return grouped.agg(responses="size", hits="sum").astype(float).reset_index()


def _levels(condition: pd.Series[bool], if_true: str, if_false: str) -> pd.Series[str]:
    return condition.map({True: if_true, False: if_false})
