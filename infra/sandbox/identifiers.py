"""Identifiers to plant: made-up values of many classes, disguised in many ways, said in four languages.

Classes are named as Presidio names its entities. Values come from Faker or from the checksum rules of their
class; none belongs to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from faker import Faker

from infra.sandbox.grammar import grammar

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
NIF = "TRWAGMYFPDXBNJZSQVHLCKE"
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
FULL_WIDTH = str.maketrans("0123456789@.", "０１２３４５６７８９＠．")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Planted:
    """A text that holds an identifier at `start:end` (code points), and what it is."""

    text: str
    start: int
    end: int
    entity: str
    value: str
    obfuscation: str


def _digits(draw: Random, count: int) -> str:
    return "".join(str(int(draw.random() * 10)) for _ in range(count))


def _letters(draw: Random, count: int) -> str:
    return "".join(LETTERS[int(draw.random() * len(LETTERS))] for _ in range(count))


def _verhoeff(body: str) -> str:
    """The Aadhaar check digit of eleven digits (dihedral group of order ten)."""
    permute = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4))
    tables: list[tuple[int, ...]] = [permute[0], permute[1]]
    for _ in range(6):
        tables.append(tuple(permute[1][value] for value in tables[-1]))
    check = 0
    for place, digit in enumerate(reversed(body), start=1):
        check = _dihedral(check, tables[place % 8][int(digit)])
    return str(next(d for d in range(10) if _dihedral(check, tables[0][d]) == 0))


def _dihedral(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def _aadhaar(draw: Random, faker: Any) -> str:
    body = str(2 + int(draw.random() * 8)) + _digits(draw, 10)
    return body + _verhoeff(body)


def _nif(draw: Random, faker: Any) -> str:
    number = _digits(draw, 8)
    return number + NIF[int(number) % 23]


def _nie(draw: Random, faker: Any) -> str:
    prefix, number = int(draw.random() * 3), _digits(draw, 7)
    return "XYZ"[prefix] + number + NIF[int(f"{prefix}{number}") % 23]


def _nhs(draw: Random, faker: Any) -> str:
    while True:
        body = _digits(draw, 9)
        check = 11 - sum(int(digit) * (10 - i) for i, digit in enumerate(body)) % 11
        if check != 10:
            return body + str(check % 11)


def _ssn(draw: Random, faker: Any) -> str:
    return f"{100 + int(draw.random() * 566):03d}-{10 + int(draw.random() * 89)}-{1000 + int(draw.random() * 8999)}"


def _address(draw: Random, faker: Any) -> str:
    return str(faker.address()).replace("\n", ", ")


Maker = Callable[[Random, Any], str]
MAKERS: Mapping[str, Maker] = {
    "EMAIL_ADDRESS": lambda draw, faker: str(faker.ascii_free_email()),
    "PHONE_NUMBER": lambda draw, faker: str(faker.phone_number()),
    "CREDIT_CARD": lambda draw, faker: str(faker.credit_card_number(card_type="visa16")),
    "IBAN_CODE": lambda draw, faker: str(faker.iban()),
    "US_SSN": _ssn,
    "US_ITIN": lambda draw, faker: f"9{_digits(draw, 2)}-7{_digits(draw, 1)}-{_digits(draw, 4)}",
    "US_PASSPORT": lambda draw, faker: f"{1 + int(draw.random() * 9)}{_digits(draw, 8)}",
    "US_BANK_NUMBER": lambda draw, faker: _digits(draw, 12),
    "US_DRIVER_LICENSE": lambda draw, faker: _letters(draw, 1) + _digits(draw, 7),
    "UK_NHS": _nhs,
    "ES_NIF": _nif,
    "ES_NIE": _nie,
    "IN_AADHAAR": _aadhaar,
    "IN_PAN": lambda draw, faker: _letters(draw, 3) + "P" + _letters(draw, 1) + _digits(draw, 4) + "K",
    "IN_PASSPORT": lambda draw, faker: f"{_letters(draw, 1)}{1 + int(draw.random() * 9)}{_digits(draw, 6)}",
    "IN_VOTER": lambda draw, faker: _letters(draw, 3) + _digits(draw, 7),
    "IN_VEHICLE_REGISTRATION": lambda draw, faker: (
        f"MH{_digits(draw, 2)}{_letters(draw, 2)}{_digits(draw, 4)}"
    ),
    "IP_ADDRESS": lambda draw, faker: str(faker.ipv4_public()),
    "MAC_ADDRESS": lambda draw, faker: str(faker.mac_address()),
    "URL": lambda draw, faker: f"https://{faker.domain_name()}/u/{faker.user_name()}",
    "CRYPTO": lambda draw, faker: f"0x{draw.getrandbits(160):040x}",
    "PERSON": lambda draw, faker: f"{faker.first_name()} {faker.last_name()}",
    "LOCATION": _address,
}
LABELS: Mapping[str, str] = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "credit card",
    "IBAN_CODE": "IBAN",
    "US_SSN": "SSN",
    "US_ITIN": "ITIN",
    "US_PASSPORT": "US passport",
    "US_BANK_NUMBER": "bank account",
    "US_DRIVER_LICENSE": "driver license",
    "UK_NHS": "NHS",
    "ES_NIF": "NIF",
    "ES_NIE": "NIE",
    "IN_AADHAAR": "Aadhaar",
    "IN_PAN": "PAN card",
    "IN_PASSPORT": "passport",
    "IN_VOTER": "voter id",
    "IN_VEHICLE_REGISTRATION": "vehicle",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "URL": "link",
    "CRYPTO": "crypto wallet",
    "PERSON": "name",
    "LOCATION": "address",
}
CARRIERS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "my {label} is {value}, write it down",
        "you can use my {label}: {value}",
        "{value} is my {label} ok?",
    ),
    "es": (
        "mi {label} es {value}, apúntalo",
        "puedes usar mi {label}: {value}",
        "{value} es mi {label}, ¿vale?",
    ),
    "hi": ("मेरा {label} {value} है, लिख लो", "यह लो मेरा {label}: {value}", "{value} मेरा {label} है, ठीक?"),
    "hi-Latn": (
        "mera {label} {value} hai, likh lo",
        "yeh lo mera {label}: {value}",
        "{value} mera {label} hai, theek?",
    ),
}
NATIVE_LABELS: Mapping[str, Mapping[str, str]] = {
    "es": {
        "EMAIL_ADDRESS": "correo",
        "PHONE_NUMBER": "teléfono",
        "CREDIT_CARD": "tarjeta de crédito",
        "PERSON": "nombre completo",
        "LOCATION": "dirección",
        "US_BANK_NUMBER": "cuenta bancaria",
        "URL": "enlace",
    },
    "hi": {
        "EMAIL_ADDRESS": "ईमेल",
        "PHONE_NUMBER": "फ़ोन नंबर",
        "CREDIT_CARD": "क्रेडिट कार्ड",
        "PERSON": "पूरा नाम",
        "LOCATION": "पता",
        "IN_AADHAAR": "आधार",
        "URL": "लिंक",
    },
    "hi-Latn": {
        "PERSON": "poora naam",
        "LOCATION": "pata",
        "PHONE_NUMBER": "phone number",
        "IN_AADHAAR": "aadhaar",
    },
}
# Every language meets the classes that people anywhere have, and the national ones of its places.
NATIONAL: Mapping[str, str] = {"en": "US_UK_IN_", "es": "ES_", "hi": "IN_", "hi-Latn": "IN_"}
OBFUSCATIONS: Mapping[str, Callable[[str], str]] = {
    "spaced": lambda value: " ".join(value.replace(" ", "").replace("-", "")),
    "dashed": lambda value: "-".join(value.replace(" ", "").replace("-", "")),
    "dotted": lambda value: ".".join(value.replace(" ", "").replace("-", "")),
    "full_width": lambda value: value.translate(FULL_WIDTH),
    "devanagari_digits": lambda value: value.translate(DEVANAGARI),
    "zero_width": lambda value: "\u200b".join(value),
    "digit_words": lambda value: " ".join(
        DIGIT_WORDS[int(c)] if c in "0123456789" else c for c in value if c != " "
    ),
    "spelled_at_dot": lambda value: value.replace("@", " at ").replace(".", " dot "),
    "bracketed_at_dot": lambda value: value.replace("@", " [at] ").replace(".", " [dot] "),
    "upper_case": str.upper,
}
NUMERIC = ("spaced", "dashed", "dotted", "full_width", "devanagari_digits", "zero_width", "digit_words")
TEXTUAL = ("spelled_at_dot", "bracketed_at_dot", "upper_case", "zero_width", "full_width", "spaced")


@lru_cache(maxsize=8)
def classes_of(language: str) -> tuple[str, ...]:
    """The classes planted in a language, in a fixed order."""
    national = {name for name in MAKERS if name.split("_")[0] in ("US", "UK", "ES", "IN")}
    mine = {name for name in national if f"{name.split('_')[0]}_" in NATIONAL[language]}
    return tuple(name for name in MAKERS if name not in national or name in mine)


@lru_cache(maxsize=8)
def _faker(language: str) -> Any:
    return Faker({"en": "en_US", "es": "es_ES", "hi": "hi_IN", "hi-Latn": "en_IN"}[language])


def _obfuscation(entity: str, value: str, draw: Random) -> str:
    options: tuple[str, ...] = NUMERIC
    if entity in ("EMAIL_ADDRESS", "URL"):
        options = TEXTUAL
    elif entity in ("PERSON", "LOCATION"):
        options = ("upper_case", "zero_width")
    return options[int(draw.random() * len(options))]


def plant(
    language: str, draw: Random, obfuscated_share: float, *, split: bool = False
) -> tuple[Planted, ...]:
    """A message with an identifier, or two messages with its halves when `split`."""
    classes = classes_of(language)
    entity = classes[int(draw.random() * len(classes))]
    if split:
        entity = ("PHONE_NUMBER", "CREDIT_CARD", "EMAIL_ADDRESS")[int(draw.random() * 3)]
    faker = _faker(language)
    faker.seed_instance(draw.getrandbits(64))
    value = MAKERS[entity](draw, faker)
    disguise = draw.random() < obfuscated_share
    name = _obfuscation(entity, value, draw)
    carriers = CARRIERS[language]
    carrier = carriers[int(draw.random() * len(carriers))]
    label = NATIVE_LABELS.get(language, {}).get(entity, LABELS[entity])
    if split:
        cut = value.index("@") if entity == "EMAIL_ADDRESS" else len(value) // 2
        head, tail = carrier.split("{value}")[0].replace("{label}", label), value[cut:]
        lead = head or f"{label}: "
        first = Planted(lead + value[:cut], len(lead), len(lead) + cut, entity, value, "split")
        return first, Planted(tail, 0, len(tail), entity, value, "split")
    surface = OBFUSCATIONS[name](value) if disguise else value
    before, after = carrier.replace("{label}", label).split("{value}")
    return (
        Planted(
            before + surface + after,
            len(before),
            len(before) + len(surface),
            entity,
            value,
            name if disguise and surface != value else "none",
        ),
    )


def private_lookalike(language: str, draw: Random) -> str:
    """A benign text with a number or name that looks private: versions, orders, fiction."""
    lexicon = grammar(language)
    thing = lexicon.things["technology"][int(draw.random() * 12)]
    number = _digits(draw, 8)
    return (
        f"{thing} v{number[0]}.{number[1]}.{number[2:4]}",
        f"{thing}: order #{number}",
        f"Sherlock Holmes, 221B Baker Street, {thing} {number[:2]}",
        f"{thing} {number[:4]} x {number[4:]} px",
    )[int(draw.random() * 4)]
