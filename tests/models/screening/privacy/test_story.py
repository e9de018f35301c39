"""Names of a character's story stay; nobody switches the detection off with them."""

from __future__ import annotations

import pytest

from infra.settings import ScreeningSettings
from models.screening.verdict import ScreeningPolicy, Turn, screen_conversation

POLICY = ScreeningPolicy.of(ScreeningSettings())
PERSON = "Leandro Pasquali"


def responses(*turns: tuple[str, str], name: str = "", character_text: str = "") -> list[str]:
    names = (name,) if name else ()
    talk = [
        Turn(f"{n}", user, answer, names, (name, character_text)) for n, (user, answer) in enumerate(turns)
    ]
    return [verdict.response.redacted or "" for verdict in screen_conversation(talk, POLICY)]


def messages(*turns: tuple[str, str], name: str = "") -> list[str]:
    talk = [Turn(f"{n}", user, answer, (name,) if name else ()) for n, (user, answer) in enumerate(turns)]
    return [verdict.user_message.redacted or "" for verdict in screen_conversation(talk, POLICY)]


def test_a_name_that_only_the_character_says_is_its_story() -> None:
    told = ("who leads the guild?", f"The guild is led by {PERSON}, who is old and wise.")
    assert responses(told) == [told[1]]
    asked = ("and where does Leandro live?", "In the tower.")
    assert messages(told, asked) == [told[0], asked[0]]


@pytest.mark.parametrize(
    "said",
    [
        f"my boss is {PERSON}", "my boss is l e a n d r o pasquali", "call L3andr0 please", "write to leandro.pasquali",
        "it begins with LEANDRO",
    ],
)  # fmt: skip
def test_a_name_that_the_user_wrote_in_any_way_is_the_users(said: str) -> None:
    (answer,) = responses((said, f"Then the story says that {PERSON} came home."))
    assert PERSON not in answer


@pytest.mark.parametrize(
    "answer",
    [f"Hello {PERSON}, nice to see you", "Well, Roberto, that is fine.", "Your sister Ingrid is nice."],
)
def test_whom_the_character_calls_by_name_is_no_story(answer: str) -> None:
    (redacted,) = responses(("good morning", answer))
    assert "<PERSON_1>" in redacted


def test_a_name_beside_another_identifier_is_no_story() -> None:
    (redacted,) = responses(("who sells it?", f"Then write to {PERSON} at +49 30 901820 now"))
    assert PERSON not in redacted


def test_who_is_named_in_the_characters_text_is_not_invented() -> None:
    turn = ("who is she?", f"I was raised by {PERSON} in the north.")
    assert PERSON not in responses(turn, character_text=f"Your father is {PERSON}.")[0]


@pytest.mark.parametrize("said", [f"my real name is {PERSON}", f"my boss {PERSON} fired me"])
def test_a_character_that_bears_a_persons_name_does_not_hide_the_person(said: str) -> None:
    (answer,) = responses((said, f"Poor {PERSON}."), name=PERSON)
    assert PERSON not in answer
    assert PERSON not in messages((said, "oh"), name=PERSON)[0]


def test_the_world_of_a_known_figure_stays() -> None:
    turn = ("How did you meet Harry and Ron?", "Harry and Ron saved me from a troll.")
    assert responses(turn, name="Hermione Granger") == [turn[1]]
    assert messages(turn, name="Hermione Granger") == [turn[0]]
    assert "<PERSON" in messages(("I met Ron in town", "ok"), name="Konrad Feldhaus")[0]
