"""Reasons in words: every code that screening gives reads as plain English with its code beside."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models.screening.hazards import CATEGORIES
from models.screening.privacy.span import PRIORITY
from models.screening.reasons import all_in_words, identifier_in_words, in_words, outcome_in_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("unsafe:S2", "Non-violent crimes (S2)"),
        ("unsure:S11", "Possibly suicide and self-harm (S11)"),
        ("unsure_in_context:S9", "Possibly indiscriminate weapons, with the messages before (S9)"),
        ("identifier:US_SSN", "US social security number (US_SSN)"),
        ("redacted:EMAIL_ADDRESS", "E-mail address, redacted (EMAIL_ADDRESS)"),
        ("uncertain:PERSON", "Possibly name of a person (PERSON)"),
        ("uncertain:language", "Words that no detector reads"),
        ("split:PHONE_NUMBER", "Phone number split over turns (PHONE_NUMBER)"),
        ("oversize", "Too long to be judged"),
        ("malformed_line:duplicate_key", "Not a line with an id and a text (duplicate_key)"),
        ("detector_error:privacy", "The privacy detector failed (detector_error:privacy)"),
        ("screening:unsafe:S1", "Screening: violent crimes (S1)"),
        ("cap character=bob", "Cap character"),
        ("one_per_conversation", "One per conversation"),
        ("unsafe:S99", "Unsafe:S99"),
        ("", ""),
    ],
)
def test_a_code_in_words(code: str, words: str) -> None:
    assert in_words(code) == words


def test_no_code_of_a_hazard_or_an_identifier_is_left_without_words() -> None:
    """Also types that are added later read as words."""
    assert all(
        in_words(f"unsafe:{code}") == f"{name[0].upper()}{name[1:]} ({code})"
        for code, name in CATEGORIES.items()
    )
    for type_ in (*PRIORITY, "MX_CURP", "LICENSE_PLATE", "SOCIAL_HANDLE"):
        assert "_" not in identifier_in_words(type_)
        assert type_ in in_words(f"redacted:{type_}")
    assert identifier_in_words("MX_CURP") == "Mexican CURP"


def test_several_reasons_are_one_line() -> None:
    assert (
        all_in_words(["unsure:S10", "redacted:URL"])
        == "Possibly hate and harassment (S10); link, redacted (URL)"
    )
    assert all_in_words([]) == ""


def test_an_outcome_keeps_details_that_are_no_reasons() -> None:
    row = {
        "where": "day 2026-11-20",
        "outcome": "near_duplicate",
        "reason": "near_duplicate",
        "detail": "kept turn a, similarity 0.9",
    }
    assert outcome_in_words(row)["detail"] == row["detail"]
    told = outcome_in_words(
        row | {"outcome": "rejected", "reason": "unsafe:S1", "detail": "unsafe:S1, redacted:URL"}
    )
    assert (told["outcome"], told["reason"]) == ("Rejected", "Violent crimes (S1)")
    assert told["detail"] == "Violent crimes (S1); link, redacted (URL)"
    assert outcome_in_words(row | {"outcome": "eligible", "reason": None, "detail": None})["reason"] is None


def test_words_load_no_detector() -> None:
    """A command that shows a reason does not wait for numpy and the lexicons."""
    code = "import sys, models.screening.reasons; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
