"""Estimates a prompt's difficulty (Table 1) by the spread of an earlier generation's rewards, or by its text.

The paper measures difficulty by the variance of reward scores over several responses to one prompt (section 3.5.4).
`with_score_bands` does, with the scores of a reward model that `sampling.difficulty_scores` pins. Scores of different
prompts do not compare, so their mean is never used.

Until there is such a model, `prompt_difficulty` reads the redacted user message alone and is the weighted mean of four
parts, each in 0..1:

===========  ======  ==========================================================================================
length         .35   words, on a log scale, full at 60
vocabulary     .25   distinct words of four letters or more, on a log scale, full at 30
structure      .25   clauses: parts between sentence ends, commas, colons and line breaks, full at 8
specifics      .15   numbers, quotations, code and placeholders, full at 4
===========  ======  ==========================================================================================

It is deterministic and knows no language: words are runs of letters and marks, or single CJK characters. It sees how
much is asked, not how hard it is to answer.
"""

from __future__ import annotations

import math
import re
from bisect import bisect
from datetime import date
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from infra.errors import SettingsError
from infra.settings import DifficultyScoresSettings

DIFFICULTIES: Final = ("easy", "medium", "hard")
UNSCORED: Final = "unknown"
"""Band of a turn that the pinned reward model scored fewer than two responses to."""

_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD: Final = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}](?:[^\W\d_{_CJK}]|[\u0300-\u036f\u0900-\u0dff'’])*")
_BREAK: Final = re.compile(r"[.!?。！？।]+|[,;:，、；：]|\n+")
_SPECIFIC: Final = re.compile(r"\d+(?:[.,:/]\d+)*|[\"“«][^\"“«”»\n]+[\"”»]|`[^`\n]+`|<[A-Z_]+\d*>")
_SCANNED_CHARACTERS: Final = 4000
_DIGITS: Final = 4
# Engines add in any order: what differs in the last bits is a tie.
_VARIANCE_DIGITS: Final = 9


def prompt_difficulty(user_message: str) -> float:
    """Estimated difficulty of a redacted user message, in 0..1, rounded to four digits."""
    text = user_message[:_SCANNED_CHARACTERS]
    words = [word.lower() for word in _WORD.findall(text)]
    content = {word for word in words if len(word) >= 4 or word > "\u2fff"}
    clauses = sum(1 for part in _BREAK.split(text) if part.strip())
    value = (
        0.35 * _log_share(len(words), 60)
        + 0.25 * _log_share(len(content), 30)
        + 0.25 * min(max(clauses - 1, 0) / 7, 1.0)
        + 0.15 * min(len(_SPECIFIC.findall(text)) / 4, 1.0)
    )
    return round(value, _DIGITS)


def text_band(message: str, bands: tuple[float, float]) -> str:
    """Difficulty band of a redacted message by `prompt_difficulty`."""
    return DIFFICULTIES[bisect(bands, prompt_difficulty(message))]


def with_score_bands(
    labelled: DataFrame, scores: DataFrame, window_start: date, rules: DifficultyScoresSettings
) -> DataFrame:
    """`labelled` with the bands of `score_bands` in place of those by text; `unknown` where a turn has none.

    A band that is not one of DIFFICULTIES (a turn whose text was not judged) stays.
    """
    bands = score_bands(scores, window_start, rules).withColumnRenamed("difficulty_band", "scored_band")
    scored = F.coalesce("scored_band", F.lit(UNSCORED))
    by_text = F.col("difficulty_band")
    return (
        labelled.join(bands, "turn_id", "left")
        .withColumn("difficulty_band", F.when(by_text.isin(*DIFFICULTIES), scored).otherwise(by_text))
        .drop("scored_band")
    )


def score_bands(scores: DataFrame, window_start: date, rules: DifficultyScoresSettings) -> DataFrame:
    """Difficulty band of each turn with two scored responses or more: (turn_id, difficulty_band).

    Bands divide at quantiles of the variances that `scores` holds; equal variances share a band.

    Args:
        scores: `preherding.scores` of the window's days, at the pinned version.
        window_start: first day of the window. No cycle: a model that was trained on this day or later may have learned
            from what is being sampled, and its scores are refused.

    Raises:
        SettingsError: the pinned model has no scores here, or was trained too late.
    """
    model_scores = scores.where(
        (F.col("model") == rules.model) & (F.col("model_version") == rules.model_version)
    )
    trained_until = model_scores.agg(F.max("trained_until")).head()
    if trained_until is None or trained_until[0] is None:
        raise SettingsError(
            f"{rules.model}@{rules.model_version} has no scores for the window in version {rules.table_version}",
            table="preherding.scores",
            setting="sampling.difficulty_scores",
            hint=(
                "Score the window with this model first, or remove the setting. Difficulty is then "
                "estimated from the text."
            ),
        )
    if trained_until[0] >= window_start:
        raise SettingsError(
            f"{rules.model}@{rules.model_version} was trained on days up to {trained_until[0]}, "
            "which is in or after the window",
            table="preherding.scores",
            day=window_start,
            setting="sampling.difficulty_scores",
            hint="Pin a reward model that was trained on days before the window.",
        )
    spread = (
        model_scores.groupBy("turn_id")
        .agg(F.round(F.var_samp("score"), _VARIANCE_DIGITS).alias("variance"))
        .where("variance IS NOT NULL")
    )
    low, high = (F.percentile("variance", F.lit(share)) for share in rules.quantiles)
    cuts = spread.agg(low.alias("low"), high.alias("high"))
    easy, medium, hard = DIFFICULTIES
    band = F.when(F.col("variance") <= F.col("low"), easy).when(F.col("variance") <= F.col("high"), medium)
    return spread.crossJoin(F.broadcast(cuts)).select(
        "turn_id", band.otherwise(hard).alias("difficulty_band")
    )


def _log_share(count: int, full: int) -> float:
    return min(math.log1p(count) / math.log1p(full), 1.0)
