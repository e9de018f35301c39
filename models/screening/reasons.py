"""The reasons of verdicts and of outcomes in words, for whoever reads a table or a page; data keeps the codes.

A code is a kind, alone (`oversize`) or with a subject (`unsafe:S2`, `redacted:EMAIL_ADDRESS`, `cap character=bob`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.screening.hazards import CATEGORIES

_ALONE = {
    "oversize": "too long to be judged",
    "unsupported_language": "a language that no detector reads",
    "malformed_line": "not a line with an id and a text",
    "approved_by_reviewer": "approved by a reviewer",
    "rejected_by_reviewer": "rejected by a reviewer",
    "identical_when_redacted": "both responses are the same without identifiers",
    "unexplained": "no reason was recorded",
    "uncertain:language": "words that no detector reads",
    "greeting": "a greeting, or a turn without a time",
    "superseded": "the user asked for another response",
    "internal": "internal traffic",
}
# Each kind with the words for its subject, a hazard, an identifier or a detector.
_HAZARD = {
    "unsafe": "{}",
    "unsafe_in_context": "{}, with the messages before",
    "unsure": "possibly {}",
    "unsure_in_context": "possibly {}, with the messages before",
}
_IDENTIFIER = {
    "identifier": "{}",
    "redacted": "{}, redacted",
    "uncertain": "possibly {}",
    "split": "{} split over turns",
}
_COUNTRIES = {
    "BR": "Brazilian", "CN": "Chinese", "DE": "German", "ES": "Spanish", "FR": "French", "IN": "Indian",
    "IT": "Italian", "MX": "Mexican", "UK": "British", "US": "US",
}  # fmt: skip
_WORDS = {
    "API": "API", "CODE": "code", "CRYPTO": "crypto wallet", "DATE_TIME": "date", "EMAIL_ADDRESS": "e-mail address",
    "IBAN_CODE": "IBAN", "ID": "ID", "IP": "IP", "LICENSE": "licence", "LOCATION": "address", "MAC": "MAC",
    "PERSON": "name of a person", "SSN": "social security number", "URL": "link", "VIN": "VIN",
}  # fmt: skip
_ABBREVIATIONS = frozenset("AADHAAR CLABE CPF CURP CVV DNI ITIN NHS NIE NIF NINO NIR PAN PIN RFC UPI".split())
_LEVEL = re.compile(r"=.*", re.DOTALL)


def in_words(code: str) -> str:
    """What a reason says, with the code of its subject beside: 'Possibly non-violent crimes (S2)'.

    An unknown code reads as it is, without underscores; a level after `=` is left out.
    """
    if words := _ALONE.get(code):
        return _sentence(words)
    kind, _, subject = code.partition(":")
    if kind == "screening" and subject:
        return f"Screening: {_lowered(in_words(subject))}"
    if kind in _HAZARD and subject in CATEGORIES:
        return _sentence(f"{_HAZARD[kind].format(CATEGORIES[subject])} ({subject})")
    if kind in _IDENTIFIER and subject:
        return _sentence(f"{_IDENTIFIER[kind].format(identifier_in_words(subject))} ({subject})")
    if kind == "malformed_line" and subject:
        return _sentence(f"{_ALONE[kind]} ({subject})")
    if kind == "detector_error" and subject:
        return _sentence(f"the {subject} detector failed ({code})")
    return _sentence(_LEVEL.sub("", code).replace("_", " "))


def all_in_words(codes: Iterable[str]) -> str:
    """Several reasons in one line: the first as a sentence, the others after it."""
    first, *others = [in_words(code) for code in codes] or [""]
    return "; ".join([first, *map(_lowered, others)])


def outcome_in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `flywheel outcomes` with `outcome` and `reason` in words; and `detail`, where it lists reasons."""
    reason, detail = row["reason"], row["detail"]
    lists_reasons = bool(reason and detail) and reason in detail.split(", ")
    return {
        **row,
        "outcome": in_words(row["outcome"]),
        "reason": reason and in_words(reason),
        "detail": all_in_words(detail.split(", ")) if lists_reasons else detail,
    }


def identifier_in_words(type_: str) -> str:
    """The name of an identifier's type in words: 'US_DRIVER_LICENSE' is 'US driver licence'."""
    if type_ in _WORDS:
        return _WORDS[type_]
    country, _, rest = type_.partition("_")
    if country in _COUNTRIES and rest:
        return f"{_COUNTRIES[country]} {identifier_in_words(rest)}"
    return " ".join(
        part if part in _ABBREVIATIONS else _WORDS.get(part, part.lower()) for part in type_.split("_")
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _lowered(words: str) -> str:
    """Without the capital at the beginning; an abbreviation keeps its own."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]
