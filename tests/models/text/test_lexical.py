"""Lexical near-duplicates: what is one text, and what is not."""

from __future__ import annotations

from unicodedata import category, normalize

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


@pytest.mark.parametrize(
    "different",
    [
        (
            "what is 12*4",
            "what is 12/4",
            "what is 12-4",
            "what is 12+4",
            "what is 12%4",
            "what is 12^4",
            "what is 12 4",
        ),
        ("2**3", "2*3", "2 3"),
        ("7//2", "7/2"),
        ("x<y", "x>y", "x<=y", "x=y", "x==y", "x!=y", "x y"),
        ("x-y", "x+y", "x*y", "x/y", "x y"),
        ("price*quantity", "price quantity"),
        ("2*(3+4)", "2*3+4"),
        ("2 * ( 3 + 4 ) - 1", "2 * 3 + 4 - 1"),
        ("(2+3)*4", "2+3*4"),
        ("learn C#", "learn C", "learn C++", "learn F#"),
        ("learn .NET", "learn net"),
        ("costs $5", "costs €5", "costs 5", "costs 5%"),
        ("it is -5 outside", "it is 5 outside"),
        ("add -3 and 4", "add 3 and 4"),
        ("at 5:30", "at 5.30", "at 5 30"),
        ("3.5 litres", "35 litres", "3 5 litres"),
        ("a:b is 1:2", "a:b is 1-2"),
        ("a && b", "a || b", "a b"),
        ("क्या 12*4", "क्या 12/4"),
        ("１２＊４は", "１２／４は"),
    ],
)
def test_punctuation_that_carries_meaning_is_kept(different: tuple[str, ...]) -> None:
    keys = {normalise(_prompt(text)).key for text in different}
    assert len(keys) == len(different)


@pytest.mark.parametrize(
    "same",
    [
        ("Hello!!", "hello", "hello...", "(hello)", '"Hello", '),
        ("well-known facts", "well known facts", "well – known facts"),
        ("and/or", "and or"),
        ("*smiles* hi there", "smiles hi there", "**smiles** hi, there", "_smiles_ hi there"),
        ("What is 12*4?", "what is 12 * 4", "What is 12 *4?!"),
        ("x < y", "x<y"),
        ("2*(3+4)", "2 * (3 + 4)", "2 * ( 3 + 4 )"),
        ("(2+3)*4", "(2 + 3) * 4", "( 2 + 3 ) * 4"),
        ("1 − 2", "1-2", "1 – 2"),
        ("50 % off", "50% off!"),
        ("my e-mail", "my e mail"),
        ("x-ray, t-shirt", "x ray t shirt"),
        ("covid-19 rules", "covid 19 rules"),
        ("ok.thanks", "ok thanks"),
        ("wait... what", "wait what", "wait ...what"),
        ("I - you know - left", "i you know left"),
        ("yes - really", "yes, really"),
        ("room #5", "room 5"),
        ("- one\n- two", "one two"),
        ("Hi :-)", "hi"),
        ("ग़ज़ब!!", "ग़ज़ब"),
    ],
)
def test_other_punctuation_is_not(same: tuple[str, ...]) -> None:
    assert len({normalise(_prompt(text)).key for text in same}) == 1


def test_different_sums_are_no_twins_but_may_be_near() -> None:
    one, two = (
        normalise(_prompt("What is 12*4?", name="Ada")),
        normalise(_prompt("What is 12/4?", name="Ada")),
    )
    assert one.message == "what is 12 * 4"
    assert 0.9 < similarities([one], [two], 0.5)[0] < 1.0


@given(st.text() | st.text("ab12 *-/()[]%#.:,!=<+&", max_size=12))
@examples(400)
def test_nothing_but_punctuation_and_blanks_is_ever_lost(text: str) -> None:
    def words(text: str) -> str:
        return "".join(sign for sign in text if category(sign)[0] in "LMN")

    assert words(normalise(_prompt(text)).message) == words(normalize("NFKC", text).casefold())


@given(
    st.integers(-99, 99), st.sampled_from(["*", "/", "+", "-", "<", ">=", "==", "!=", "**", "%"]), st.integers(-99, 99),
    st.sampled_from(["", " "]), st.sampled_from(["", " "]),
)  # fmt: skip
def test_blanks_around_an_operator_do_not_matter_and_the_operator_does(
    one: int, sign: str, two: int, before: str, after: str
) -> None:
    asked = normalise(_prompt(f"what is {one}{before}{sign}{after}{two}?"))
    assert asked == normalise(_prompt(f"What is {one} {sign} {two}"))
    assert asked.key != normalise(_prompt(f"what is {one} {two}")).key
    assert asked.key != normalise(_prompt(f"what is {one}{before}^{after}{two}")).key


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
