"""Messages stay distinct as their number grows; planted texts are what their gold says."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import pytest

from infra.sandbox import SandboxSettings
from infra.sandbox.grammar import LANGUAGES, grammar, topics, trait_names
from infra.sandbox.identifiers import MAKERS, OBFUSCATIONS, _dihedral, classes_of, plant
from infra.sandbox.near_duplicates import KINDS, member
from infra.sandbox.population import make_world
from infra.sandbox.text_features import Features
from infra.sandbox.words import add_typo, speaker, user_message


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_messages_are_distinct_at_any_number(language: str) -> None:
    who, draw = speaker(SandboxSettings(), language, "user"), Random(1)
    texts = [user_message(who, topics()[i % len(topics())], draw) for i in range(20_000)]
    assert len(set(texts[:1000])) > 0.7 * 1000
    assert len(set(texts)) > 0.7 * len(texts)
    # What repeats is short replies and corpus lines: without them nearly nothing does.
    plain = speaker(SandboxSettings(corpus_line_rate=0, short_message_rate=0), language, "user")
    texts = [user_message(plain, topics()[i % len(topics())], draw) for i in range(20_000)]
    assert len(set(texts)) > 0.97 * len(texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_grammars_cover_the_same_ground(language: str) -> None:
    known = grammar(language)
    assert tuple(known.things) == topics()
    assert tuple(known.traits) == trait_names()
    assert {w for w in known.function_words if not isinstance(w, str)} == set()
    who, draw = speaker(SandboxSettings(), language, "user"), Random(2)
    found = [Features(user_message(who, topics()[i % 10], draw)).language for i in range(300)]
    assert found.count(language) > 0.75 * len(found)


def test_internal_traffic_differs_in_style() -> None:
    draw = Random(3)
    internal = speaker(SandboxSettings(), "en", "internal")
    texts = [user_message(internal, "food", draw) for _ in range(200)]
    assert all(text[0].isupper() and text.endswith(".") for text in texts)


def test_planted_identifiers_are_where_gold_says() -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for language in LANGUAGES:
        draw = Random(4)
        for _ in range(1500):
            for found in plant(language, draw, 0.6):
                shown = found.text[found.start : found.end]
                seen[found.entity].add(found.obfuscation)
                if found.obfuscation == "none":
                    assert shown == found.value
                else:
                    assert shown != found.value
    assert set(seen) == set(MAKERS)
    assert len(MAKERS) >= 20
    assert set().union(*seen.values()) == {*OBFUSCATIONS, "none"}


def test_halves_make_the_whole() -> None:
    draw = Random(5)
    for _ in range(100):
        first, second = plant("en", draw, 0.5, split=True)
        halves = (p.text[p.start : p.end] for p in (first, second))
        assert "".join(halves) == first.value


def test_checksums_hold() -> None:
    draw = Random(6)
    assert "IN_AADHAAR" in classes_of("hi")
    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    for _ in range(50):
        value = MAKERS["IN_AADHAAR"](draw, None)
        check = 0
        for place, digit in enumerate(reversed(value)):
            number = int(digit)
            for _ in range(place % 8):
                number = permutation[number]
            check = _dihedral(check, number)
        assert check == 0
        nhs = MAKERS["UK_NHS"](draw, None)
        assert sum(int(d) * (10 - i) for i, d in enumerate(nhs)) % 11 == 0


def test_families_hold_together() -> None:
    world = make_world(SandboxSettings(turns=400))
    draw = Random(7)
    texts: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    kinds = set()
    for _ in range(800):
        found = member(world, "en", draw)
        kinds.add(found.kind)
        kind = "base" if found.kind == "exact" else found.kind
        if kind in ("base", "chain"):
            texts[found.family_id, kind, found.step].add(found.text)
    assert kinds == set(KINDS)
    assert all(len(found) == 1 for found in texts.values())
    for (family, kind, step), (text,) in texts.items():
        before = texts.get((family, "base" if step == 1 else "chain", step - 1))
        if kind == "chain" and before:
            (earlier,) = before
            changed = sum(a != b for a, b in zip(text.split(" "), earlier.split(" "), strict=True))
            assert changed <= 1


def test_a_typo_changes_little() -> None:
    draw = Random(8)
    for _ in range(200):
        text = add_typo("breakfast pancakes", draw)
        assert abs(len(text) - 18) <= 1
        assert text[0] == "b"
