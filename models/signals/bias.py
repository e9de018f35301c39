"""The bias tests of section 3.5.5 on what a signal model predicts, beside the same statistics of what users did.

Predicted probabilities are counted as expected hits, so that both sides are odds ratios of the same contrasts between
the same groups (`models.signals.contrasts`). A model that learnt its labels well shows their biases: they are why it
may be no reward.
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
"""On which side of 1 the signal shows that it is given to the user's mood: praise and staying follow a good one."""


@dataclass(frozen=True)
class BiasLine:
    """One statistic of the model's predictions, and the same of the labels that it is judged on."""

    predicted: Statistic
    labelled: Statistic


def contrasts_of(signal: str) -> Mapping[tuple[str, str], Contrast]:
    """The groups compared, with the side on which a model of this signal shows the bias.

    The end of a session is what `continued` is about, so that there the contrast has no verdict.
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
        probabilities: what the model says of it.
        happened: what its user did.
    """
    ratio = Ratio(
        "odds_by_jtbd",
        f"spread (standard deviation) of the log odds of {signal} over jobs to be done",
        f"odds of {signal}",
    )
    contrasts = contrasts_of(signal)
    predicted = report(cells(rows, signal, probabilities), contrasts, ratio)
    labelled = report(cells(rows, signal, happened.astype(float)), contrasts, ratio)
    observed = {(one.contrast, one.level): one for one in labelled}
    # A job can be rare in one and not in the other: only what both tell stands side by side.
    return tuple(
        BiasLine(one, observed[one.contrast, one.level])
        for one in predicted
        if (one.contrast, one.level) in observed
    )


def cells(rows: pd.DataFrame, signal: str, hits: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Responses and (expected) hits by bias, contrast, level and user, by the rules of `views.signal_bias_cells`."""
    told = rows.assign(hit=np.asarray(hits, dtype=float))
    told = told[told.session_turn_index >= 1]
    last = told.replied_in_session.eq(False)
    session = told.groupby("session_id")
    several = session.hit.transform("size")
    first = told.session_turn_index.eq(session.session_turn_index.transform("min"))
    ended = last.groupby(told.session_id).transform("any")
    mood = told.prior_sentiment.astype(float)
    moody = (mood >= POSITIVE) | (mood <= NEGATIVE)
    picked = [
        ("positive_negative_ratio", "odds_by_jtbd", told.jtbd, told.jtbd != UNJUDGED),
        ("ending_bias", "last_response", _named(last, "last", "earlier"), ended & (several >= 2)),
        (
            "delayed_feedback", "first_response", _named(first, "first", "later"),
            ended & (several >= 3) & ~last,
        ),
        (
            "delayed_feedback", "clarifying_question",
            _named(told.is_question.eq(True), "question", "statement"), told.is_question.notna(),
        ),
        (
            "delayed_feedback", "long_response",
            _named(told.response_words >= LONG_WORDS, "long", "short"), told.response_words.notna(),
        ),
        ("prior_sentiment", "positive_message", _named(mood >= POSITIVE, "positive", "negative"), moody),
    ]  # fmt: skip
    parts = [
        told.loc[chosen, ["user_id", "hit"]].assign(
            bias=bias, contrast=contrast, level=level[chosen], reaction=signal
        )
        for bias, contrast, level, chosen in picked
    ]
    keys = ["bias", "contrast", "level", "reaction", "user_id"]
    grouped = pd.concat(parts, ignore_index=True).groupby(keys).hit
    return grouped.agg(responses="size", hits="sum").astype(float).reset_index()


def _named(is_so: pd.Series[bool], yes: str, no: str) -> pd.Series[str]:
    return is_so.map({True: yes, False: no})
