"""Prompt difficulty: the estimate by text, and bands of an earlier generation's reward variance."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SettingsError
from infra.settings import DifficultyScoresSettings
from jobs.curation.sampling.difficulty import prompt_difficulty, score_bands, text_band, with_score_bands

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from infra.lake import Lake
    from infra.settings import Settings

BANDS = (0.3, 0.45)


@given(st.text())
def test_it_is_a_share_of_any_text(text: str) -> None:
    assert 0 <= prompt_difficulty(text) <= 1


@given(st.lists(st.sampled_from(["castle", "river", "storm", "lantern"]), min_size=1, max_size=80))
def test_more_words_are_never_easier(words: list[str]) -> None:
    shorter, longer = " ".join(words[:-1]), " ".join(words)
    assert prompt_difficulty(shorter) <= prompt_difficulty(longer)


def test_by_hand() -> None:
    # Three words, of which two have four letters; one clause; nothing specific.
    # 0.35 ln 4 / ln 61 + 0.25 ln 3 / ln 31
    assert prompt_difficulty("the storm came") == 0.198
    assert prompt_difficulty("") == 0.0
    # One number, one quotation, one placeholder: 3 of 4; two words, one of them long, one clause.
    assert prompt_difficulty('7 "a" <PERSON>') == pytest.approx(
        0.15 * 3 / 4 + 0.35 * 0.26723 + 0.25 * 0.20185, abs=1e-4
    )


def test_bands() -> None:
    hard = 'Write a story of 300 words: a knight, 2 dragons, a river at night; end it with "goodbye", in past tense.'
    assert text_band("ok", BANDS) == "easy"
    assert text_band("What would you cook for friends tonight, and why?", BANDS) == "medium"
    assert text_band(hard, BANDS) == "hard"
    assert (
        text_band("请写一个故事，主角是骑士，两条龙，在夜里的河边；用过去时，以“再见”结尾，三百字。", BANDS)
        == "hard"
    )


RULES = DifficultyScoresSettings(model="rm", model_version="3", table_version=0)
SCORES = (
    "turn_id string, model string, model_version string, response_no int, score double, trained_until date"
)
WINDOW = date(2026, 11, 18)


def _scores(
    spark: SparkSession, by_turn: dict[str, list[float]], until: date, version: str = "3"
) -> DataFrame:
    rows = [
        (turn, "rm", version, number, score, until)
        for turn, scores in by_turn.items()
        for number, score in enumerate(scores, 1)
    ]
    return spark.createDataFrame(rows, SCORES)


def test_score_bands_are_of_the_spread_within_a_prompt(spark: SparkSession) -> None:
    """Variances 0, 0.02, 2, 50: cut at the thirds; the mean, highest for the easiest, plays no part."""
    by_turn = {"a": [900.0, 900.0], "b": [0.1, 0.3], "c": [1.0, 3.0], "d": [-5.0, 5.0], "once": [7.0]}
    scores = _scores(spark, by_turn, date(2026, 11, 17)).union(
        _scores(spark, {"a": [0.0, 99.0]}, date(2026, 11, 30), version="4")
    )
    labelled = spark.createDataFrame(
        [(turn, "hard") for turn in (*by_turn, "never")] + [("z", "(unjudged)")],
        "turn_id string, difficulty_band string",
    )
    found = with_score_bands(labelled, scores, WINDOW, RULES).collect()
    assert {row["turn_id"]: row["difficulty_band"] for row in found} == {
        "a": "easy", "b": "easy", "c": "medium", "d": "hard", "once": "unknown", "never": "unknown", "z": "(unjudged)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("until", "version", "fault"),
    [(WINDOW, "3", "in or after the window"), (date(2026, 11, 1), "2", "has no scores for the window")],
)
def test_no_cycle_and_no_silent_lack_of_scores(
    spark: SparkSession, until: date, version: str, fault: str
) -> None:
    with pytest.raises(SettingsError, match=fault):
        score_bands(_scores(spark, {"a": [1.0, 2.0]}, until, version), WINDOW, RULES)


def test_a_pin_names_one_version(settings: Settings, lake: Lake) -> None:
    from jobs.curation import SAMPLE
    from jobs.runner import pinned_versions

    def pinned_to(version: int) -> Settings:
        rules = RULES.model_copy(update={"table_version": version})
        return settings.model_copy(
            update={"sampling": settings.sampling.model_copy(update={"difficulty_scores": rules})}
        )

    assert pinned_versions(SAMPLE, settings, lake) == {}
    assert pinned_versions(SAMPLE, pinned_to(0), lake) == {"preherding.scores": 0}
    with pytest.raises(SettingsError, match="version 9 does not exist"):
        pinned_versions(SAMPLE, pinned_to(9), lake)
