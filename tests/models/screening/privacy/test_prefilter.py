"""The prefilter loses nothing: what the rules find, they find behind it, rule by rule and view by view."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.privacy_corpus import DISGUISES, TUNING, harmless, names_and_addresses, structured
from models.screening.privacy import Span
from models.screening.privacy.detect import RULES, gate, rule_spans
from models.screening.privacy.disguise import views
from models.screening.privacy.expression import Need, need
from models.screening.privacy.prefilter import SPELLED, SPOKEN, Gate
from models.screening.privacy.rule import Rule
from models.screening.privacy.spoken import spoken_digits
from models.screening.privacy.view import View, joined_letters, normalised
from tests.conftest import examples

DISGUISE = st.sampled_from(sorted(DISGUISES)).map(DISGUISES.__getitem__)


def _all_rules(text: str) -> list[Span]:
    """What the rules find when every rule reads every view."""
    return [
        Span(*view.original(span.start, span.end), span.type, span.score)
        for view in views(text)
        for rule in RULES
        for match in rule.pattern.finditer(view.text)
        if (span := rule.judged(match)) is not None
    ]


def _assert_nothing_lost(texts: Sequence[str]) -> None:
    found = rule_spans(texts)
    for index, text in enumerate(texts):
        assert set(found.get(index, [])) == set(_all_rules(text))


def test_needs_by_hand() -> None:
    """Literals, digits and runs of a few expressions, worked out by hand (\\b: here a word begins)."""
    assert need(re.compile(r"[a-z]+@\w+\.com")) == Need((frozenset({".\bcom"}), frozenset({"@"})), 0, 3)
    assert need(re.compile(r"\bcall(?:ed)? (?:me|us)", re.I)) == Need(
        (frozenset({"\bcalled \bme", "\bcalled \bus", "\bcall \bme", "\bcall \bus"}),), 0, 4
    )
    assert need(re.compile(r"(?<!\w)\d{3}-?\d{4}")) == Need((), 7, 0)
    assert need(re.compile(r"(?<!\w)[0-9]{3}-?[0-9]{4}")) == Need((), 7, 7)
    assert need(re.compile(r"x*y?")) == Need((), 0, 0)
    assert need(re.compile(r"ab(?!c)|[^a]d{2}")) == Need((frozenset({"ab", "d"}),), 0, 2)


def test_a_mask_has_a_bit_for_each_of_many_rules() -> None:
    """200 rules: each opens its own bit, whatever word of the mask it stands in."""
    patterns = [re.compile(f"<{number:03}>") for number in range(200)]
    many = Gate([need(pattern) for pattern in patterns], {"seven": 1})
    texts = [f"x <{number:03}> y" for number in range(200)] + ["<000><063><064><127><128><199>", ""]
    masks = many.masks(texts)
    assert masks[:200] == [1 << number for number in range(200)]
    assert masks[200:] == [sum(1 << number for number in (0, 63, 64, 127, 128, 199)), 0]
    with pytest.raises(ValueError, match="rules do not fit"):
        Gate([need(patterns[0])] * 255, {})


def _drawn(items: Iterable[tuple[Any, Any]], rng: random.Random, groups: dict[int, str]) -> str:
    """A string that a parsed expression matches, but for its assertions; few repeats, so that it stays short."""
    made = ""
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            made += chr(argument)
        elif name in ("ANY", "NOT_LITERAL"):
            made += rng.choice("xX7 é")
        elif name == "IN":
            made += _one_of(argument, rng)
        elif name == "SUBPATTERN":
            text = _drawn(argument[3], rng, groups)
            groups[argument[0]] = text
            made += text
        elif name == "BRANCH":
            made += _drawn(rng.choice(argument[1]), rng, groups)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, item = argument
            for _ in range(rng.randint(low, min(high, low + 2))):
                made += _drawn(item, rng, groups)
        elif name == "GROUPREF":
            made += groups.get(argument, "")
    return made


def _one_of(items: Sequence[tuple[Any, Any]], rng: random.Random) -> str:
    if str(items[0][0]) == "NEGATE":
        excluded = {chr(argument) for operator, argument in items[1:] if str(operator) == "LITERAL"}
        categories = {str(argument) for operator, argument in items if str(operator) == "CATEGORY"}
        letters_only = "CATEGORY_NOT_WORD" in categories
        excluded |= {" "} if "CATEGORY_SPACE" in categories else set()
        return rng.choice([char for char in ("aZñक" if letters_only else "aZ7 ñक·") if char not in excluded])
    operator, argument = rng.choice(items)
    if str(operator) == "LITERAL":
        return chr(argument)
    if str(operator) == "RANGE":
        return chr(rng.randint(*argument))
    return rng.choice(
        {"CATEGORY_DIGIT": "0179", "CATEGORY_SPACE": " \n\t", "CATEGORY_WORD": "aZ_9é"}.get(
            str(argument), " "
        )
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_whatever_a_rule_matches_opens_its_gate(rule: Rule) -> None:
    """Strings drawn from the rule's own expression, bare, in company and in other case."""
    bit, rng = RULES.index(rule), random.Random(rule.name)
    parsed = re._parser.parse(rule.pattern.pattern, rule.pattern.flags)  # type: ignore[attr-defined]
    matched = 0
    for _ in range(150):
        text = _drawn(parsed, rng, {})
        beside = "".join(rng.choices("aé1 .@क-K", k=3))
        for candidate in (text, f"{beside} {text}", f"{text}\n{beside}", text.upper(), text.lower()):
            found = rule.pattern.search(candidate)
            if found and sum(map(str.isdigit, found.group())) >= rule.digits:
                matched += 1
                assert gate().masks([candidate])[0] >> bit & 1
    assert matched > 20


_UNITS = "a b @ . - 7 G one two Three seis ek do paanch एक दो double triple fünf é I".split()
_SIGNS = st.sampled_from([" ", ".", "-", "_", ", ", "  ", "\n", "", "١"])


@examples(400)
@given(st.lists(st.tuples(st.sampled_from(_UNITS), _SIGNS), max_size=14), st.sampled_from([" ", "-", None]))
@example([("a", " ")] * 3 + [(".", " ")] * 2 + [("a", " ")], "-")  # signs that are units themselves
def test_further_views_are_announced(units: list[tuple[str, str]], sign: str | None) -> None:
    """Whenever letters can be joined or spoken digits read, the mask says so."""
    base = normalised("".join(unit + (sign or own) for unit, own in units))
    (mask,) = gate().masks([base.text])
    assert joined_letters(base) is None or mask & SPELLED
    assert spoken_digits(base) is None or mask & SPOKEN


_PIECES = st.sampled_from(
    (
        "my card is |4111 1111 1111 1111|a.b@c.com| at | dot com|+1 212 555 0187|\n|my name is Ada Byron "
        "|born on 1/2/1990"
        "|four one one one |10.0.0.1|<EMAIL_ADDRESS>|12 Oak Street|call 5551234567|x|PIN: 4821"
        "|GB82 WEST 1234 5698 7654 32"
        "|Calle de Alcalá 45|मेरा नाम |sk-abcdefghijklmnop1234| K |İ|ſ|\u200b"
    ).split("|")
)


@examples(300)
@given(st.lists(st.tuples(_PIECES, DISGUISE), max_size=5), st.text(max_size=10))
def test_disguised_and_mixed_texts(pieces: list[tuple[str, object]], noise: str) -> None:
    """Identifiers and cue words in every disguise, side by side."""
    _assert_nothing_lost([noise.join(hide(piece) for piece, hide in pieces)])  # type: ignore[operator]


@examples(300)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_in_any_company(texts: list[str]) -> None:
    """Answers do not depend on the batch, lone surrogates and empty texts included."""
    alone = [rule_spans([text]).get(0) for text in texts]
    assert rule_spans(texts) == {index: spans for index, spans in enumerate(alone) if spans}
    _assert_nothing_lost(texts)


def test_planted_and_harmless_texts() -> None:
    """The generated corpora of the race, all classes and disguises."""
    texts = [planted.text for planted in structured(11, 1)]
    texts += [planted.text for planted in names_and_addresses(TUNING, 11, 5)]
    texts += [harm.text for harm in harmless(11, 300)]
    _assert_nothing_lost(texts)


@pytest.mark.real_data
def test_real_texts(shared_data: Path) -> None:
    """A sample of every real chat log, and all of presidio_research."""

    def chat() -> Iterable[str]:
        for path in sorted((shared_data / "chatlogs").glob("*.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                yield from (message["content"] for line in lines for message in json.loads(line)["messages"])

    texts = random.Random(3).sample(list(chat()), 3_000)
    for name in ("generated_large", "generated_small"):
        with gzip.open(shared_data / "presidio_research" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            texts += [row["full_text"] for row in json.load(file)]
    _assert_nothing_lost(texts)


def test_a_view_of_nothing() -> None:
    """A text of invisible characters only has an empty view and no spans."""
    assert normalised("\u200b\u2060") == View("", [], [])
    assert rule_spans(["\u200b\u2060", ""]) == {}
