"""The first estimate of prompt difficulty: bounded, monotone where it claims to be, the same for any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.curation.attributes import difficulty_band
from jobs.curation.difficulty import prompt_difficulty

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
    assert difficulty_band("ok", BANDS) == "easy"
    assert difficulty_band("What would you cook for friends tonight, and why?", BANDS) == "medium"
    assert difficulty_band(hard, BANDS) == "hard"
    assert (
        difficulty_band(
            "请写一个故事，主角是骑士，两条龙，在夜里的河边；用过去时，以“再见”结尾，三百字。", BANDS
        )
        == "hard"
    )
    assert difficulty_band(None, BANDS) == "(unjudged)"
