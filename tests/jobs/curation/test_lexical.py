"""Lexical near-duplicates: what is one text, and what is not."""

from __future__ import annotations

import difflib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.curation.lexical import edit_ratio, meeting_pairs, normalise, profiles, signature, similarity


def _pairs(prompts: list[str]) -> set[tuple[int, int]]:
    signatures = [signature(normalise(p)) for p in prompts]
    keys = np.concatenate([s.bands for s in signatures])
    owner = np.repeat(np.arange(len(prompts)), [len(s.bands) for s in signatures])
    whole = np.array([s.whole_sketch for s in signatures], dtype=np.int64)[owner]
    message = np.array([s.message_sketch for s in signatures], dtype=np.int64)[owner]
    return {
        (int(owner[i]), int(owner[j]))
        for a, b in meeting_pairs(keys, whole, message)
        for i, j in zip(a, b, strict=True)
    }


def _prompt(message: str, last: str = "", name: str = "") -> str:
    return f"{name}\n{last}\n{message}"


def test_case_punctuation_and_spacing_do_not_matter() -> None:
    one, two = _prompt("What's  your NAME?!"), _prompt("what s your name")
    assert normalise(one).key == normalise(two).key


@pytest.mark.parametrize(("one", "two"), [("!!!", "???"), ("👍", "❤"), ("हाँ", "हैं"), ("是", "不是")])
def test_short_messages_keep_what_tells_them_apart(one: str, two: str) -> None:
    assert normalise(_prompt(one)).key != normalise(_prompt(two)).key


@given(st.text("abcd ", max_size=40), st.text("abcd ", max_size=40))
def test_edit_ratio_is_the_longest_common_subsequence(a: str, b: str) -> None:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i, j] = table[i - 1, j - 1] + 1 if x == y else max(table[i - 1, j], table[i, j - 1])
    expected = 2 * table[-1, -1] / (len(a) + len(b)) if a or b else 1.0
    assert edit_ratio(a, b) == pytest.approx(expected)
    assert edit_ratio(a, b) >= difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() - 1e-12


def test_a_shared_greeting_does_not_make_different_questions_one() -> None:
    greeting = (
        "Hello traveller, I am Luna, keeper of the northern lighthouse, and I have been waiting for you. " * 2
    )
    asked, other = _prompt("How tall is it?", greeting, "Luna"), _prompt("Are you lonely?", greeting, "Luna")
    assert similarity(normalise(asked), normalise(other), 0.9) == 0.0
    typo = _prompt("How tall is itt?", greeting, "Luna")
    assert similarity(normalise(asked), normalise(typo), 0.9) > 0.9


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


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=8))
def test_meeting_does_not_depend_on_order(texts: list[str]) -> None:
    prompts = [_prompt(t) for t in dict.fromkeys(texts)]
    forward = {frozenset((prompts[i], prompts[j])) for i, j in _pairs(prompts)}
    turned = prompts[::-1]
    assert forward == {frozenset((turned[i], turned[j])) for i, j in _pairs(turned)}


def test_profiles_are_unit_length_and_rank_the_likelier_text_first() -> None:
    near, far, asked = (normalise(_prompt(t)) for t in ("मुझे दाल पसंद है", "कल बारिश होगी", "मुझे दाल बहुत पसंद है"))
    rows = profiles([near, far, asked])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
    assert rows[2] @ rows[0] > rows[2] @ rows[1]
