"""A person has one placeholder in a conversation, and no other person has it."""

from __future__ import annotations

import re
from itertools import product

import pytest

from infra.settings import ScreeningSettings
from models.screening.detection import Question, examine
from models.screening.privacy import Span
from models.screening.privacy.cast import CHARACTER_FIRST, Cast, name_words
from models.screening.privacy.surrogate import Surrogates
from models.screening.verdict import (
    ScreeningPolicy,
    Turn,
    character_cast,
    detectors_of,
    screen_conversation,
    screen_text,
)

POLICY = ScreeningPolicy.of(ScreeningSettings())
SURROGATE = ScreeningPolicy.of(ScreeningSettings(redaction="surrogate"))


def called(*mentions: str, people: Cast | None = None) -> list[str]:
    """What stands in place of each mention, in order."""
    people = people or Cast()
    return [people.redact(name, [Span(0, len(name), "PERSON", 0.9)]) for name in mentions]


@pytest.mark.parametrize(
    ("mentions", "numbers"),
    [
        (("Priyanka Raghunathan", "Priyanka", "priyanka", "Raghunathan"), (1, 1, 1, 1)),
        (("Priyanka", "Priyanka Raghunathan", "PRIYANKA RAGHUNATHAN"), (1, 1, 1)),
        (("Tom Becker", "Tom Fischer", "Tom", "Becker"), (1, 2, 2, 1)),
        (("Tom", "Tom Becker", "Tom Fischer"), (1, 1, 2)),
        (("Mr. Becker", "Tom Becker", "Ms. Adeyemi"), (1, 1, 2)),
        (("T. Becker", "Tom Becker", "Tom B."), (1, 1, 1)),
        (("José Núñez", "Jose Nunez"), (1, 1)),
        (("प्रियंका", "Priyanka"), (1, 1)),
        (("Ana Maria Lopez", "Ana Lopez"), (1, 1)),
        (("Priyanka's", "Priyanka"), (1, 1)),
        (("Raghunathan, Priyanka", "Priyanka Raghunathan"), (1, 1)),
    ],
)
def test_who_is_who(mentions: tuple[str, ...], numbers: tuple[int, ...]) -> None:
    assert called(*mentions) == [f"<PERSON_{number}>" for number in numbers]


def test_a_number_that_is_written_already_is_given_to_nobody() -> None:
    text = "<PERSON_1> met Leandro Pasquali"
    assert Cast().redact(text, [Span(15, 31, "PERSON", 0.9)]) == "<PERSON_1> met <PERSON_2>"


def test_numbers_of_a_characters_text_are_never_a_conversations() -> None:
    people = Cast()
    numbers = {
        int(re.findall(r"\d+", text)[0])
        for text in called(*(f"A{n} B{n}" for n in range(1_005)), people=people)
    }
    assert CHARACTER_FIRST not in numbers
    assert called("Somebody Else", people=Cast(CHARACTER_FIRST)) == [f"<PERSON_{CHARACTER_FIRST}>"]


def test_other_identifiers_keep_their_placeholder() -> None:
    assert Cast().redact("a@example.org", [Span(0, 13, "EMAIL_ADDRESS", 1.0)]) == "<EMAIL_ADDRESS>"


TALK = [
    Turn("1", "My neighbour Leandro Pasquali was here with Oona Virtanen.", "What did Leandro want?"),
    Turn("2", "Leandro asked for sugar.", "And Oona Virtanen?"),
    Turn("3", "Oona said nothing.", "I see."),
]


def texts(turns: list[Turn], policy: ScreeningPolicy = POLICY) -> list[str | None]:
    return [
        text
        for verdict in screen_conversation(turns, policy)
        for text in (verdict.user_message.redacted, verdict.response.redacted)
    ]


def test_one_person_one_number_in_all_turns() -> None:
    assert texts(TALK) == [
        "My neighbour <PERSON_1> was here with <PERSON_2>.", "What did <PERSON_1> want?",
        "<PERSON_1> asked for sugar.", "And <PERSON_2>?",
        "<PERSON_2> said nothing.", "I see.",
    ]  # fmt: skip


def test_turns_that_are_only_read_count_the_same_people() -> None:
    """A later day reads the turns before only for the people that they name."""
    later = [Turn(t.turn_id, t.user_message, t.response, is_judged=n == 2) for n, t in enumerate(TALK)]
    assert texts(later)[4:] == texts(TALK)[4:]
    assert texts(TALK[:1]) == texts(TALK)[:2]  # and nothing that comes later changes a turn


def test_redacting_twice_changes_nothing() -> None:
    for policy in (POLICY, SURROGATE):
        once = texts(TALK, policy)
        again = [Turn(str(n), once[2 * n], once[2 * n + 1] or "") for n in range(3)]
        assert texts(again, policy) == once


def test_a_text_is_a_conversation_of_its_own() -> None:
    assert (
        screen_text("please tell Roberto that I called", POLICY).redacted
        == "please tell <PERSON_1> that I called"
    )


def test_surrogates_are_the_same_name_in_a_conversation_and_another_one_elsewhere() -> None:
    names = Surrogates(b"one conversation")
    full = names.name(1, ("priyanka", "raghunathan"), "Priyanka Raghunathan", "en")
    given, family = full.split()
    assert names.name(1, ("priyanka", "raghunathan"), "Priyanka", "en") == given
    assert names.name(1, ("priyanka", "raghunathan"), "raghunathan", "en") == family.lower()
    others = {Surrogates(f"{n}".encode()).name(1, ("a", "b"), "A Bcd", "en") for n in range(20)}
    assert len(others) > 15


@pytest.mark.parametrize(
    ("mention", "script"),
    [("प्रियंका रघुनाथन", "\u0900-\u097f"), ("欧阳晓晴", "\u4e00-\u9fff"), ("Tom Becker", "-A-Za-zÀ-ÿ'’")],
)
def test_a_surrogate_has_the_script_of_the_name(mention: str, script: str) -> None:
    made = Surrogates(b"k").name(1, name_words(mention), mention, "en")
    assert re.fullmatch(f"[{script} ]+", made)
    assert made != mention


def test_a_surrogate_has_the_likely_gender() -> None:
    from models.text.names import gendered_names

    for (gender, given), language in product((("female", "Emily"), ("male", "Michael")), ("en", "de", "es")):
        locale = {"en": "en_US", "de": "de_DE", "es": "es_ES"}[language]
        made = Surrogates(b"k").name(1, (given.lower(), "x"), f"{given} X", language)
        assert made.split()[0] in gendered_names(locale, gender)[0]


def test_people_of_the_characters_text_have_one_number_there_and_here() -> None:
    said = "Your father is Leandro Pasquali, and Oona Virtanen is your friend."
    (findings,) = examine([Question(said)], POLICY.settings, detectors_of(POLICY.settings))
    _, (alone,) = character_cast([said], [findings], POLICY.settings, b"")
    assert alone.redacted == "Your father is <PERSON_1001>, and <PERSON_1002> is your friend."
    talk = [
        Turn(
            "1", "I met Konrad Feldhaus and Oona.", "My father Leandro Pasquali knows him.", (), ("Bea", said)
        ),
        Turn("2", "Is Leandro at home?", "No."),
    ]
    assert texts(talk) == [
        "I met <PERSON_1> and <PERSON_1002>.", "My father <PERSON_1001> knows him.", "Is <PERSON_1001> at home?", "No.",
    ]  # fmt: skip
