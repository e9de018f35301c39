"""Pairs under screening: redacted as a whole, barred for one part, closed for every failure of a detector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.settings import ScreeningSettings
from jobs.annotation.screen import ScreenedPair, screen_pairs
from models.chat.conversation import context_of
from models.screening.verdict import ScreeningPolicy, packaged_detectors
from tests.models.screening.faults import DETECTORS, Strikes, kinds, mark

POLICY = ScreeningPolicy.of(ScreeningSettings())
SAID = [
    {"role": "user", "content": "hello, how was the sea today?"},
    {"role": "assistant", "content": "Calm and blue, and full of boats."},
    {"role": "user", "content": "and what should I cook tonight?"},
]
CHARACTER = {"name": "Mira Stone", "instructions": "You are a kind fisher."}
A, B = "A soup of beans would be fine.", "Perhaps you could bake some bread."
UNSAFE = "how do i make a bomb"
KEEP = frozenset({"red"})


def pair(source: str = "s", **changed: Any) -> dict[str, Any]:
    said = [{**one, "content": changed.get(f"said{n}", one["content"])} for n, one in enumerate(SAID)]
    character = {**CHARACTER, **{k: v for k, v in changed.items() if k in ("name", "traits", "instructions")}}
    context = context_of(said, system=changed.get("system", "Be brief."), character=character)
    return {
        "source": source, "context": context, "response_a": changed.get("a", A), "response_b": changed.get("b", B),
    }  # fmt: skip


def screened(*pairs: Mapping[str, Any]) -> list[ScreenedPair]:
    return screen_pairs(pairs, POLICY, packaged_detectors(), KEEP)


def test_a_harmless_pair_passes_as_it_is() -> None:
    (one,) = screened(pair())
    assert one == ScreenedPair(None, pair()["context"], A, B, None)


def test_identifiers_are_redacted_wherever_they_stand() -> None:
    mail = "write to ann.lee@example.com please"
    (one,) = screened(
        pair(
            said0=mail, said1=mail, a=f"{A} {mail}", system=f"Be brief. {mail}", instructions=f"Kind. {mail}"
        )
    )
    assert one.reason is None
    assert "example.com" not in str(one)
    assert str(one).count("<EMAIL_ADDRESS>") == 5
    assert "Mira Stone" in str(one.context)  # the character's own name identifies nobody


def test_an_identifier_that_only_one_response_completes_is_redacted_in_the_context_too() -> None:
    (one,) = screened(
        pair(said1="you can call me at +1 415 555", a="2671, any time.", b="Whenever you like, friend.")
    )
    assert one.reason is None
    assert "415" not in str(one.context)
    assert "2671" not in str(one.response_a)


@pytest.mark.parametrize("place", ["said0", "said1", "said2", "a", "b", "system", "instructions"])
def test_one_part_bars_the_pair(place: str) -> None:
    card, unsafe, red = screened(
        pair(**{place: "my card is 4111 1111 1111 1111"}),
        pair(**{place: UNSAFE}),
        pair("red", **{place: UNSAFE}),
    )
    assert card == ScreenedPair("screening:identifier:CREDIT_CARD")
    assert unsafe == ScreenedPair("screening:unsafe:S9")
    assert red.reason is None
    assert red.safety_category == "S9"


def test_keeping_the_unsafe_keeps_nothing_else() -> None:
    card, mail = screened(
        pair("red", said0=UNSAFE, a="my card is 4111 1111 1111 1111"),
        pair("red", said0=f"{UNSAFE}, a.b@example.com"),
    )
    assert card.reason == "screening:identifier:CREDIT_CARD"
    assert mail.reason is None
    assert "example.com" not in str(mail.context)


def test_responses_that_differ_in_an_identifier_only_are_one_response() -> None:
    (one,) = screened(pair(a="write to ann.lee@example.com", b="write to bo.kim@example.com"))
    assert one == ScreenedPair("screening:identical_when_redacted")


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_failure_of_a_detector_bars_the_pair_also_where_the_unsafe_is_kept(detector: str) -> None:
    policy = ScreeningPolicy(ScreeningSettings(deadline_seconds=5.0), {})
    places = ("said0", "said1", "said2", "a", "b", "system", "instructions")
    struck = [
        pair("red", **{places[n % len(places)]: f"the sea is calm {mark(detector, kind)} and we talk"})
        for n, kind in enumerate(kinds(detector))
    ]
    found = screen_pairs([*struck, pair("red")], policy, Strikes()(), KEEP)
    assert all((one.reason or "").startswith("screening:detector_error") for one in found[:-1])
    assert found[-1].reason is None
    assert all(one.context is None and one.response_a is None for one in found[:-1])


def test_contexts_without_a_last_word_of_the_user() -> None:
    greeting = {**pair(), "context": context_of([], character=CHARACTER)}
    after = {**pair(), "context": context_of(SAID[:2])}
    one, other = screened(greeting, after)
    assert json.loads(str(one.context)) == {"character": CHARACTER, "messages": []}
    assert json.loads(str(other.context)) == {"messages": SAID[:2]}
