"""Nothing that a user writes switches a detector off: not a character's name, a language, a placeholder or a field."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.settings import ScreeningSettings
from jobs.annotation.screen import screen_pairs
from jobs.curation.screen import Packaged, Screening, _names_known
from jobs.curation.screen_characters import _judged
from models.chat.conversation import context_of
from models.screening.privacy import redact
from models.screening.privacy.names import own_name
from models.screening.verdict import (
    ScreeningPolicy,
    Turn,
    TurnVerdict,
    detectors_of,
    screen_conversation,
    screen_text,
)

SETTINGS = ScreeningSettings()
POLICY = ScreeningPolicy.of(SETTINGS)
# A name of a character that is a list of the people whom its author wants to see.
LIST = "Priyanka Jonathan Margaret Whitcombe Okafor Sullivan"
PEOPLE = ("Priyanka Whitcombe", "Jonathan Okafor", "Margaret Sullivan")


def judged(message: str, response: str, name: str) -> TurnVerdict:
    return screen_conversation([Turn("t", message, response, (name,))], POLICY)[0]


def kept(verdict: TurnVerdict, person: str) -> list[str]:
    """Where the person is still named in what passes."""
    texts = {"user": verdict.user_message.redacted, "response": verdict.response.redacted}
    return [where for where, text in texts.items() if person in (text or "")]


def everybody(text: str) -> str:
    """The text once for each of the people."""
    return " ".join(text.replace("X", person) for person in PEOPLE)


@pytest.mark.parametrize(
    "name", [LIST, ", ".join(PEOPLE), "\n".join(PEOPLE), " and ".join(PEOPLE), "Priyanka " * 9]
)
@pytest.mark.parametrize("text", ["My neighbour X lives alone.", "Dr. X works here.", "Her full name is X."])
def test_a_list_of_people_as_a_name_hides_nobody(text: str, name: str) -> None:
    said = everybody(text)
    listed, unnamed = judged(said, said, name), judged(said, said, "")
    assert (listed.user_message.spans, listed.response.spans) == (
        unnamed.user_message.spans, unnamed.response.spans,
    )  # fmt: skip
    assert "PERSON" in {span.type for span in unnamed.response.spans}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("text", ["My neighbour Dr. X lives alone.", "Hello Mrs. X!", "my name is X"])
def test_a_person_as_a_name_is_not_hidden_in_what_users_say(person: str, text: str) -> None:
    assert kept(judged(text.replace("X", person), "okay then", person), person) == []


def test_the_words_of_a_name_make_no_other_name() -> None:
    """Only a part of the name as it stands: not its words in another order, nor words of two names."""
    text = "My teacher is Holloway Margaret, and Margaret Okafor is her friend."
    assert "PERSON" in {span.type for span in judged(text, text, "Margaret Holloway").response.spans}
    turn = Turn("t", text, text, ("Margaret Holloway", "Jonathan Okafor"))
    (verdict,) = screen_conversation([turn], POLICY)
    assert kept(verdict, "Margaret Okafor") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Margaret Holloway", "I am Margaret Holloway, and this is Margaret Holloway's garden."),
        ("Captain Margaret Holloway", "They call me Margaret Holloway."),
        ("Margaret", "My name is Margaret."),
        ("Dr. Margaret Ann Holloway", "My name is Margaret Ann Holloway."),
    ],
)
def test_a_character_says_its_own_name(name: str, said: str) -> None:
    assert judged("who are you?", said, name).response.redacted == said


def test_users_call_a_character_by_its_first_name() -> None:
    said = "Hello Margaret, how are you today?"
    assert judged(said, "Very well.", "Margaret Holloway").user_message.redacted == said


def test_what_is_a_name() -> None:
    assert own_name("Sir Galahad") == ("sir", "galahad")
    assert own_name("") == own_name("42") == own_name(LIST) == own_name("a" * 61) == ()
    assert own_name("one two three four five") == ()


def test_somebody_who_renames_a_character_collects_no_list() -> None:
    names = tuple((date(2026, 11, day), f"Name{day} Family{day}") for day in range(1, 21))
    screening = Screening(POLICY, b"key", {"c": names}, Packaged(SETTINGS))
    assert _names_known(screening, {"character_id": "c", "ds": date(2026, 11, 30)}) == (
        "Name19 Family19", "Name20 Family20",
    )  # fmt: skip
    assert _names_known(screening, {"character_id": "c", "ds": date(2026, 11, 1)}) == ("Name1 Family1",)
    assert _names_known(screening, {"character_id": None, "ds": date(2026, 11, 1)}) == ()


def character(**fields: Any) -> dict[str, Any]:
    row = {"name": None, "traits": None, "instructions": None} | fields
    return _judged(row, POLICY, detectors_of(SETTINGS))


def test_a_character_described_by_its_name_and_by_nobody_elses() -> None:
    said = "You are Margaret Holloway, a teacher."
    assert character(name="Margaret Holloway", instructions=said)["redacted_instructions"] == said
    listed = character(name=LIST, instructions=f"You know Mrs. {PEOPLE[0]}, who lives alone.")
    assert PEOPLE[0] not in str(listed)
    hidden = character(name="Margaret Holloway", traits=[f"the neighbour of Mr. {PEOPLE[1]} who lives alone"])
    assert PEOPLE[1] not in str(hidden)


def test_a_judged_pair_hides_nobody_either() -> None:
    text = f"My neighbour Dr. {PEOPLE[0]} lives alone."
    context = context_of([{"role": "user", "content": text}], character={"name": LIST})
    pair = {
        "source": "x",
        "context": context,
        "response_a": f"Who is Mr. {PEOPLE[1]} then?",
        "response_b": "I see.",
    }
    (screened,) = screen_pairs([pair], POLICY, detectors_of(SETTINGS))
    assert not any(person in str(screened) for person in PEOPLE)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("my password is <HUNTERTWO> okay", "PASSWORD"),
        ("my full name is <Priyanka Whitcombe> okay", "PERSON"),
        ("my password is <A_B_C_D> okay", "PASSWORD"),
    ],
)
def test_own_words_in_angle_brackets_are_no_redaction(text: str, type_: str) -> None:
    """Only the placeholders that redaction writes are left alone."""
    verdict = screen_text(text, POLICY)
    assert type_ in {span.type for span in verdict.spans}


def test_a_redacted_text_is_redacted_once() -> None:
    text = "write to <EMAIL_ADDRESS> and <PERSON>"
    verdict = screen_text(text, POLICY)
    assert (verdict.verdict, redact(text, verdict.spans)) == ("pass", text)


@pytest.mark.parametrize(
    "person", ["Priya Sharma", "Carlos Hernández", "Hans Schmidt", "Marco Rossi", "प्रिया शर्मा"]
)
def test_a_name_in_a_text_of_uncertain_language_is_found(person: str) -> None:
    """It is searched with the names of every language."""
    for text in (person, f"hi {person}", f"ok {person} lol"):
        assert kept(judged(text, "okay then", "Mia"), person) == []
