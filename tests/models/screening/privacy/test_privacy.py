"""Identifiers: offsets on the original text, idempotent redaction, recall by class, hard negatives."""

# ruff: noqa: E501 — one example a line.
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.privacy import (
    false_positives,
    found_structured,
    named_texts,
    ours,
    quality,
    rates,
    seven_entities,
)
from benchmarks.privacy_corpus import HELD_OUT, names_and_addresses, structured
from models.screening.privacy import PrivacyModel, Span, merge, redact
from models.screening.privacy.checksums import card, valid
from models.screening.privacy.disguise import views
from models.screening.privacy.split import split_spans
from models.screening.privacy.view import normalised
from tests.conftest import examples

MODEL = PrivacyModel()
RULES = PrivacyModel(use_names=False)


def _types(text: str, language: str = "en") -> list[tuple[str, str]]:
    (spans,) = MODEL.find([text], [language])
    return [(text[span.start : span.end], span.type) for span in spans]


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("my card is 4111 1111 1111 1111 ok", "4111 1111 1111 1111", "CREDIT_CARD"),
        ("４１１１－１１１１－１１１１－１１１１!", "４１１１－１１１１－１１１１－１１１１", "CREDIT_CARD"),
        ("4️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣ done", "4️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣ 1️⃣1️⃣1️⃣1️⃣", "CREDIT_CARD"),
        ("write to j o h n @ g m a i l . c o m now", "j o h n @ g m a i l . c o m", "EMAIL_ADDRESS"),
        ("user\u200b@exa\u200bmple.com it is", "user\u200b@exa\u200bmple.com", "EMAIL_ADDRESS"),
        ("jоhn@exаmple.com with homoglyphs", "jоhn@exаmple.com", "EMAIL_ADDRESS"),
        ("john dot smith at gmail dot com please", "john dot smith at gmail dot com", "EMAIL_ADDRESS"),
        ("reach me on +1 (212) 555-0187 today", "+1 (212) 555-0187", "PHONE_NUMBER"),
        ("my number is nine eight seven six five four three two one zero ok", "nine eight seven six five four three two one zero", "PHONE_NUMBER"),
        ("mera number hai nau aath saat chhe paanch char teen do ek shunya", "nau aath saat chhe paanch char teen do ek shunya", "PHONE_NUMBER"),
        ("मेरा नंबर ९८७६५४३२१० है", "९८७६५४३२१०", "PHONE_NUMBER"),
        ("mi número es seis uno dos tres cuatro cinco seis siete ocho", "seis uno dos tres cuatro cinco seis siete ocho", "PHONE_NUMBER"),
        ("pay GB82 WEST 1234 5698 7654 32 now", "GB82 WEST 1234 5698 7654 32", "IBAN_CODE"),
        ("ssn 078-05-1120", "078-05-1120", "US_SSN"),
        ("mi dni es 12345678Z", "12345678Z", "ES_NIF"),
        ("aadhaar 2345 6789 0124", "2345 6789 0124", "IN_AADHAAR"),
        ("server at 86.231.85.193 is up", "86.231.85.193", "IP_ADDRESS"),
        ("I was born on 12/03/1987 in Leeds", "12/03/1987", "DATE_TIME"),
        ("I live at 17B Potter Street, London", "17B Potter Street, London", "LOCATION"),
        ("Calle de Alcalá 45, 28014 Madrid", "Calle de Alcalá 45, 28014 Madrid", "LOCATION"),
        ("मेरा नाम अमित शर्मा है", "अमित शर्मा", "PERSON"),
        ("mera naam Rahul Verma hai", "Rahul Verma", "PERSON"),
        ("我叫王小明", "王小明", "PERSON"),
        ("my password is hunter22 lol", "hunter22", "PASSWORD"),
        ("key sk-abcdefghijklmnop1234 here", "sk-abcdefghijklmnop1234", "API_KEY"),
        ("send to 0x52908400098527886E0F7030069857D2E4169EE7", "0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO"),
    ],
)  # fmt: skip
def test_spans_point_into_the_text_as_written(text: str, value: str, kind: str) -> None:
    """Whatever the disguise, offsets are those of the original text."""
    assert (value, kind) in _types(text)


@pytest.mark.parametrize(
    "text",
    [
        "Update to version 1.2.3.4 or 10.2.7 of the firmware", "The score was 3-2, then 21-19, 6-4 6-3",
        "Order #123-4567890-1234567 has arrived", "ISBN 978-3-16-148410-0 is a good book",
        "It lasted from 1914-1918 and 1939-1945", "I have $1,000,000 and pi is 3.14159265",
        "1 2 3 4 5 6 7 8 9 10", "192 people waited on 5th street", "Meet me at 10:30:45 on 2026-11-20",
        "We look at the stars dot dot dot", "I am at home", "room 404, page 1234567", "Invoice 20261120-0042",
        "The year 2019 had 365 days", "Call me Ishmael", "I'm so tired", "My name is the same as yours",
        "one two three four", "Twenty questions, thirty answers", "This is Sparta", "1000000 users in 2020",
        "Holmes lived at 221B Baker Street", "phone: order #71206514",
        "I had dinner at home. It was great", "commit 79625435227e3386e34d52bb097d1377f390a030", "I am Obi-Wan Kenobi",
    ],
)  # fmt: skip
def test_hard_negatives(text: str) -> None:
    """Versions, scores, order numbers, years and idle talk are no identifiers."""
    assert _types(text) == []


def test_names_that_are_allowed_are_left() -> None:
    """A character's own name identifies no user."""
    text = "I am Sherlock Holmes and my client is John Smith from Boston"
    (spans,) = MODEL.find([text], ["en"], [["Sherlock Holmes"]])
    assert [text[span.start : span.end] for span in spans] == ["John Smith"]


def test_merge_leaves_nothing_of_an_identifier_over() -> None:
    """Overlapping spans become one that covers both, with the riskier type."""
    spans = [Span(0, 10, "PHONE_NUMBER", 0.6), Span(5, 20, "CREDIT_CARD", 1.0), Span(30, 32, "URL", 0.5)]
    assert merge(spans, ("CREDIT_CARD",)) == (Span(0, 20, "CREDIT_CARD", 1.0), Span(30, 32, "URL", 0.5))


def test_redact_rejects_spans_outside_the_text() -> None:
    """A span that does not fit is an error, never a silent shift."""
    with pytest.raises(ValueError, match="outside a text"):
        redact("short", [Span(3, 9, "URL", 1.0)])


def test_checksums_by_hand() -> None:
    """One published example and one broken digit each."""
    assert card("4111111111111111")
    assert not card("4111111111111112")
    for kind, good, bad in (
        ("IBAN_CODE", "GB82WEST12345698765432", "GB82WEST12345698765431"),
        ("IN_AADHAAR", "234567890124", "234567890125"),
        ("ES_NIF", "12345678Z", "12345678A"),
        ("CN_RESIDENT_ID", "11010519491231002X", "110105194912310021"),
    ):
        assert valid(kind, good)
        assert not valid(kind, bad)


_PIECES = st.sampled_from(
    ["my card is ", "4111 1111 1111 1111", "a.b@c.com", " at ", "dot com", "+1 212 555 0187", "\n", "Ada Byron ", "é", "\u200b",
     "born on 1/2/1990", "four one one one ", "10.0.0.1", "<EMAIL_ADDRESS>", "12 Oak Street", "call 5551234567", "x", "९८७६", " "]
)  # fmt: skip


@examples(150)
@given(st.lists(_PIECES, max_size=10).map("".join))
def test_redaction_is_a_fixed_point(text: str) -> None:
    """Nothing more is found in a redacted text, and redacting it again changes nothing."""
    (spans,) = MODEL.find([text], ["en"])
    once = redact(text, spans)
    (again,) = MODEL.find([once], ["en"])
    assert again == ()
    assert redact(once, again) == once


@examples(200)
@given(st.text(max_size=80))
def test_views_map_back_into_the_text(text: str) -> None:
    """Every character of every view stands for a non-empty range of the original, in order."""
    for view in views(text):
        previous = 0
        for index in range(len(view.text)):
            start, end = view.original(index, index + 1)
            assert 0 <= start < end <= len(text)
            assert start >= previous
            previous = start


def test_identifier_far_inside_a_long_text() -> None:
    """Nothing is cut off: an identifier at character 50,000 is found at its place."""
    text = "word " * 10_000 + "a.b@example.com"
    (spans,) = RULES.find([text], ["en"])
    assert [(span.start, span.type) for span in spans] == [(50_000, "EMAIL_ADDRESS")]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["my card is 4111 1111", "nice weather", "1111 1111"], "CREDIT_CARD"),
        (["4111", "1111", "1111", "1111"], "CREDIT_CARD"),
        (["mail me at john.doe", "@gmail.com"], "EMAIL_ADDRESS"),
        (["john.doe@gm", "ail.com"], "EMAIL_ADDRESS"),
        (["GB82 WEST 1234", "5698 7654 32"], "IBAN_CODE"),
        (["my phone number is 98765", "43210"], "PHONE_NUMBER"),
        (["my key is ghp_abcdefgh1234", "ABCDijklmnop5678efgh"], "API_KEY"),
        (["mi dni es 1234", "5678Z"], "ES_NIF"),
    ],
)
def test_identifiers_split_over_messages(texts: list[str], kind: str) -> None:
    """Every message that holds a piece is reported."""
    found = split_spans(texts, reach=20)
    assert {span.type for spans in found.values() for span in spans} == {kind}
    assert set(found) == {index for index, text in enumerate(texts) if "weather" not in text}


def test_what_is_whole_takes_no_neighbour() -> None:
    """An identifier complete in one message leaves the words beside it alone."""
    assert split_spans(["mail a.b@example.com", "thanks"], 20) == {}
    assert split_spans(["hello there", "a.b@example.com"], 20) == {}
    assert split_spans(["use AKIAIOSFODNN7EXAMPLE", "thanks"], 20) == {}


def test_unrelated_numbers_are_not_joined() -> None:
    """Years, ages and scores in several messages make no identifier."""
    assert (
        split_spans(["I was there in 2019", "it cost 4500 then", "we were 1200 people", "see you at 10"], 20)
        == {}
    )


def test_recall_on_planted_identifiers() -> None:
    """Every class in every disguise that fits, also dealt out over messages; the race plants more."""
    planted = list(structured(29, 2))
    answers = found_structured(planted)
    assert sum(answers) / len(answers) >= 0.99


def test_names_and_addresses_on_held_out_sentences() -> None:
    """Recall in each language, and what is taken for an identifier where none is."""
    for found, total, _ in named_texts(names_and_addresses(HELD_OUT, 29, 40)).values():
        assert found / total >= 0.9
    wrong = false_positives(29, 600)
    assert sum(n for n, _ in wrong.values()) <= 0.01 * 600


def test_normalisation_is_free_on_ascii() -> None:
    """Plain text is its own view."""
    assert normalised("plain").starts is None


@pytest.mark.real_data
def test_structured_entities_of_presidio_research(shared_data: Path) -> None:
    """The seven structured entities of a set written by others: spans overlap, types agree."""
    rows, _ = seven_entities(shared_data, seed=7)
    precision, _, f1 = rates(quality(rows, ours()([row.text for row in rows])).values())
    assert precision >= 0.98
    assert f1 >= 0.95
