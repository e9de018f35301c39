"""Lexical near-duplicates: what is one text, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.lexical import BANDS, Normal, meeting_pairs, normalise, profiles, signatures, similarities
from tests.conftest import examples


def _pairs(prompts: list[str]) -> set[tuple[int, int]]:
    made = signatures([normalise(p) for p in prompts])
    owner = np.repeat(np.arange(len(prompts)), BANDS)
    met = meeting_pairs(made.bands.ravel(), made.whole_sketch[owner], made.message_sketch[owner])
    return {(int(owner[i]), int(owner[j])) for a, b in met for i, j in zip(a, b, strict=True)}


def _ratio(one: str, two: str, threshold: float) -> float:
    return float(similarities([Normal(one, one)], [Normal(two, two)], threshold)[0])


def _prompt(message: str, last: str = "", name: str = "") -> str:
    return f"{name}\n{last}\n{message}"


def test_case_punctuation_and_spacing_do_not_matter() -> None:
    one, two = _prompt("What's  your NAME?!"), _prompt("what s your name")
    assert normalise(one).key == normalise(two).key


@pytest.mark.parametrize(("one", "two"), [("!!!", "???"), ("👍", "❤"), ("हाँ", "हैं"), ("是", "不是")])
def test_short_messages_keep_what_tells_them_apart(one: str, two: str) -> None:
    assert normalise(_prompt(one)).key != normalise(_prompt(two)).key


@given(
    st.text("abcd ", min_size=1, max_size=40), st.text("abcd ", min_size=1, max_size=40), st.floats(0.1, 1)
)
def test_similarity_is_the_longest_common_subsequence(a: str, b: str, threshold: float) -> None:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i, j] = table[i - 1, j - 1] + 1 if x == y else max(table[i - 1, j], table[i, j - 1])
    expected = round(2 * table[-1, -1] / (len(a) + len(b)), 6)
    assert _ratio(a, b, threshold) == (expected if expected >= threshold else 0.0)


def test_a_ratio_that_equals_the_threshold_counts() -> None:
    assert _ratio("abcdefghij", "abcdefghiX", 0.9) == 0.9
    assert _ratio("abc", "abX", 0.666667) == 0.666667  # 2/3 rounds up to it


def test_a_shared_greeting_does_not_make_different_questions_one() -> None:
    greeting = (
        "Hello traveller, I am Luna, keeper of the northern lighthouse, and I have been waiting for you. " * 2
    )
    asked, other = _prompt("How tall is it?", greeting, "Luna"), _prompt("Are you lonely?", greeting, "Luna")
    typo = _prompt("How tall is itt?", greeting, "Luna")
    found = similarities([normalise(asked)] * 2, [normalise(other), normalise(typo)], 0.9)
    assert found[0] == 0.0
    assert 0.9 < found[1] < 1.0


def test_planted_edits_meet() -> None:
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(list("abcdefghijklmnoprstu"), size=rng.integers(2, 9))) for _ in range(900)]
    base = [_prompt(" ".join(rng.choice(words, size=rng.integers(8, 20))), name="Ada") for _ in range(400)]
    typos = []
    for text in base:
        at = int(rng.integers(8, len(text) - 2))
        typos.append(text[:at] + "q" + text[at + 1 :])
    met = _pairs(base + typos)
    found = sum((i, i + 400) in met for i in range(400))
    assert found >= 0.97 * 400
    assert len(met) < 4 * 400  # and unrelated prompts seldom do


@examples(30)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=8))
def test_meeting_does_not_depend_on_order_or_company(texts: list[str]) -> None:
    prompts = [_prompt(t) for t in dict.fromkeys(texts)]
    alone = [signatures([normalise(p)]).bands[0] for p in prompts]
    assert np.array_equal(signatures([normalise(p) for p in prompts]).bands, alone)
    forward = {frozenset((prompts[i], prompts[j])) for i, j in _pairs(prompts)}
    turned = prompts[::-1]
    assert forward == {frozenset((turned[i], turned[j])) for i, j in _pairs(turned)}


def test_profiles_are_unit_length_and_rank_the_likelier_text_first() -> None:
    near, far, asked = (normalise(_prompt(t)) for t in ("मुझे दाल पसंद है", "कल बारिश होगी", "मुझे दाल बहुत पसंद है"))
    rows = profiles([near, far, asked])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
    assert rows[2] @ rows[0] > rows[2] @ rows[1]
