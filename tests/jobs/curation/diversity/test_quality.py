"""The prompt quality estimator orders turns as a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.curation.diversity.quality import SIGNS, prompt_qualities, prompt_quality, signs

QUESTION = "Which planet has the brightest rings, and why?"
GOOD = (
    "Saturn's rings are the brightest of any planet because they are almost pure water ice. Want to see them?"
)


@pytest.mark.parametrize(
    "worse",
    [
        "Ok.",
        "I'm sorry, but I can't help with that.",
        "As an AI language model I do not have an opinion on planets or on rings, sadly.",
        "the rings the rings the rings the rings the rings the rings the rings the rings the rings",
        "Saturn's rings are the **brightest of any planet because they are almost pure water ice. Want to see?",
        " ".join(f"Saturn{i}'s ring number {i} is bright." for i in range(200)),
    ],
)
def test_a_good_answer_beats_a_bad_one(worse: str) -> None:
    assert prompt_quality(QUESTION, GOOD) > prompt_quality(QUESTION, worse)


def test_relevant_beats_irrelevant_in_other_scripts() -> None:
    asked = "आपका पसंदीदा भोजन क्या है और क्यों"
    relevant = "मेरा पसंदीदा भोजन दाल है क्योंकि वह घर की याद दिलाता है और सादा है"
    off_topic = "कल बारिश होगी इसलिए छाता साथ रखना और जल्दी घर लौट आना अच्छा होगा"
    assert prompt_quality(asked, relevant) > prompt_quality(asked, off_topic)


def test_nothing_said_is_worth_nothing() -> None:
    assert prompt_quality(None, GOOD) == prompt_quality("hello", "  ") == 0.0


def test_saying_it_again_is_worse_and_the_message_before_is_optional() -> None:
    assert (
        prompt_quality(QUESTION, GOOD, GOOD)
        < prompt_quality(QUESTION, GOOD)
        == prompt_quality(QUESTION, GOOD, " ")
    )


def test_signs_by_hand() -> None:
    # Five words each. Long words: planet, rings; sorry, many, rings. "rings" is taken up, "many" was said before,
    # "sorry" is new.
    found = signs("has a planet 3 rings", "sorry, I see many rings?", "so many")
    by_name = dict(zip(SIGNS, found, strict=True))
    assert by_name["fullness"] == pytest.approx(0.0)  # ln 6/6
    assert by_name["take_up"] == 0.5
    assert by_name["new_content"] == pytest.approx(0.6931, abs=1e-4)
    assert by_name["self_repetition"] == pytest.approx(1 / 3)
    assert (by_name["asks_back"], by_name["shortfall"]) == (1.0, 1.0)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_always_in_the_unit_interval_and_repeatable(message: str, response: str, before: str) -> None:
    first = prompt_quality(message, response, before)
    assert 0.0 <= first <= 1.0
    assert prompt_qualities([message], [response], [before])[0] == first


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        prompt_qualities(["a"], [], ["b"])
