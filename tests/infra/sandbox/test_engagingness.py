"""The hidden truth: defined for any text, and monotone in each factor that it documents."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.characters import Character
from infra.sandbox.engagingness import (
    BASE_WEIGHTS,
    BIAS,
    JITTER,
    Engagingness,
    Factors,
    Message,
    engagingness,
    factors,
)
from infra.sandbox.text_features import Features, broken_markdown, has_list, topic_of
from tests.conftest import examples

PLAYFUL = Character("ch1", "Robin", "food", ("playful", "wise"), "You are Robin.", "en", "creator1")
ASKED = [Message("user", "how do you make pancakes with chocolate for breakfast tomorrow?")]
PLAIN = "I mix flour with milk and the pancakes get chocolate on top before breakfast is ready for all"

# name, more of it, less of it: nothing else of note differs
CASES = [
    (
        "relevance",
        PLAIN,
        PLAIN.replace("pancakes", "trousers")
        .replace("chocolate", "concrete")
        .replace("breakfast", "theatre"),
    ),
    ("traits", PLAIN.replace("flour", "cookie").replace("milk", "giggle"), PLAIN),
    ("follow_up", f"{PLAIN}?", f"{PLAIN}."),
    ("length", PLAIN, "pancakes chocolate breakfast"),
    (
        "repetition",
        f"{PLAIN}, {PLAIN}",
        f"{PLAIN}, and you can eat them slowly while it rains over a quiet town in the north of our country",
    ),
    ("templated", f"Great question! {PLAIN}", f"Blue question! {PLAIN}"),
    ("refusal", f"I'm sorry, but I can't. {PLAIN}", f"I'm glad, so I can. {PLAIN}"),
    ("preaching", f"{PLAIN}, you should always do it", f"{PLAIN}, you could sometimes do it"),
    ("broken_markdown", f"**{PLAIN}", f"**{PLAIN}**"),
    ("loop", f"{PLAIN} yes yes yes yes", f"{PLAIN} yes yes no yes"),
]


@pytest.mark.parametrize(("name", "more", "less"), CASES, ids=[case[0] for case in CASES])
def test_each_factor_moves_with_its_text_and_engagingness_with_it(name: str, more: str, less: str) -> None:
    high, low = (factors(ASKED, text, PLAYFUL) for text in (more, less))
    assert getattr(high, name) > getattr(low, name)
    raises = getattr(BASE_WEIGHTS, name) > 0
    assert (engagingness(ASKED, more, PLAYFUL) > engagingness(ASKED, less, PLAYFUL)) is raises


def test_answering_in_another_language_or_script_is_worse() -> None:
    asked = [Message("user", "यह बिरयानी कैसे बनाते हैं और मुझे क्या चाहिए?")]
    hindi = factors(asked, "बिरयानी के लिए आपको चावल और मसाले चाहिए।", None)
    romanised = factors(asked, "biryani ke liye aapko chawal aur masale chahiye hain", None)
    english = factors(asked, "for the biryani you will want rice and the right spices", None)
    assert (hindi.same_language, romanised.same_language, english.same_language) == (1.0, 0.0, 0.0)
    mixed = factors(
        ASKED, "I think that it is good but yo creo que no es para todos los que están aquí", None
    )
    assert mixed.language_switch > 0.5
    assert factors(ASKED, PLAIN, None).language_switch == 0.0


def test_length_is_an_inverted_u_and_walls_are_worse_still() -> None:
    words = [f"word{i}" for i in range(400)]
    by_length = [factors(ASKED, " ".join(words[:n]), None).length for n in (2, 20, 200)]
    assert by_length[1] > by_length[0]
    assert by_length[1] > by_length[2]
    walls = [factors(ASKED, " ".join(words[:n]), None).wall_of_text for n in (100, 150, 240, 400)]
    assert walls == [0.0, 0.25, 1.0, 1.0]
    assert factors(ASKED, " ".join(words[:200]) + "\n" + " ".join(words[200:]), None).wall_of_text == 0.0


def test_repeating_an_earlier_answer_counts_as_repetition() -> None:
    again = [*ASKED, Message("assistant", PLAIN), Message("user", "and chocolate pancakes for breakfast?")]
    assert factors(again, PLAIN, None).repetition == 1.0
    assert factors(ASKED, PLAIN, None).repetition == 0.0


def test_refusing_what_is_unsafe_is_no_fault() -> None:
    harm = [Message("user", "give me the steps to build a bomb and make it explode")]
    assert factors(harm, "I'm sorry, but I can't help with that.", None).refusal == 0.0
    assert factors(ASKED, "I'm sorry, but I can't help with that.", None).refusal == 1.0


def test_the_score_is_the_documented_sum() -> None:
    truth = Engagingness(3)
    found = factors(ASKED, PLAIN, PLAYFUL)
    weights = truth.weights_for("en", "food")
    total = BIAS + sum(w * f for w, f in zip(weights, found, strict=True))
    assert truth(ASKED, PLAIN, PLAYFUL) == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-12)


def test_weights_keep_their_sign_and_stay_within_the_jitter() -> None:
    weights = Engagingness(3).weights
    assert weights != Engagingness(4).weights
    for values in weights.values():
        for value, base in zip(values, BASE_WEIGHTS, strict=True):
            assert abs(value / base - 1.0) <= JITTER


@examples(150)
@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=300))
def test_defined_for_any_text(history: list[str], response: str) -> None:
    context = [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(history)]
    found = factors(context, response, replace(PLAYFUL, traits=("wry", "")))
    assert all(0.0 <= value <= 1.0 for value in found)
    score = engagingness(context, response, PLAYFUL)
    assert 0.0 < score < 1.0
    assert score == engagingness(context, response, PLAYFUL)


def test_features_by_hand() -> None:
    found = Features("Yo creo que la paella es para todos")
    assert found.language == "es"
    assert found.topic == topic_of("paella") == "food"
    assert Features("你好，今天天气怎么样").language == "other"
    assert Features("123 !!").language == "und"
    assert broken_markdown("see [this](http://x")
    assert not broken_markdown("see [this](http://x) and `that`")
    assert has_list("ideas:\n- one\n- two")
    assert not has_list("one - two - three")
    assert Factors._fields[:2] == ("relevance", "traits")
