"""Find what is told in words over several messages: accounts, mailboxes, streets with their number, and full names."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from models.screening.privacy.addresses import STREET_NAME
from models.screening.privacy.handles import NETWORK, PROVIDER, is_coded
from models.screening.privacy.span import Span
from models.screening.privacy.view import View
from models.text.names import LOCALES, name_lists

_NEAR = 3  # messages between a question and what answers it
_FAR = 8  # messages between the name of a mailbox and that of its provider
_REVIEWED = 0.45
_LONGEST, _SHORT = 300, 40
_ACCOUNT = r"@?[A-Za-z0-9_][A-Za-z0-9_.\-]{2,38}[A-Za-z0-9_](?:#\d{4,5})?"
_CODED = re.compile(rf"(?<![\w@./\-]){_ACCOUNT}(?![\w@])")
_ALONE = re.compile(rf"\W{{0,3}}(?P<name>{_ACCOUNT})\W{{0,3}}")
_NETWORK_NAMED = re.compile(rf"(?<![\w@./]){NETWORK}(?![A-Za-z0-9.])", re.IGNORECASE)
_PROVIDER_NAMED = re.compile(
    rf"(?:\b(?:on|at|with|from|in|by|is|of|bei|auf|de|en|sur|chez|su|pe|par)|@)\s?{PROVIDER}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_USER = re.compile(
    r"\b(?:user|username|handle|name|id|nick\w*|login|mail|e-?mail|usuario|correo|adresse|address|mailbox|inbox|account)\b|आईडी|मेल",
    re.IGNORECASE,
)
_STREET = re.compile(
    rf"(?P<street>{STREET_NAME}|(?<!\w)(?i:calle|avenida|paseo|plaza|rue|via|viale|corso|piazza|rua) (?:(?:de|del|la|las|los|des|du|dei|da|dos) ){{0,2}}[A-ZÀ-Þ]\w{{2,20}}"
    r"|(?<!\w)[A-ZÄÖÜ]\w{2,20}(?:straße|strasse|weg|gasse|allee|platz)\b)"
)
_HOME = re.compile(
    r"\b(?:live|lives|stay|home|house|address|street|vivo|vivimos|wohne|wohnen|habite|abito|moro|rehta|rehti|ghar|calle|rue|via|straße)\b",
    re.IGNORECASE,
)
_HOUSE = re.compile(
    r"^\W{0,3}(?:(?:number|no\.?|nr\.?|el|la|nummer|numéro|n[úu]mero|le|am|at|it's|its) )?(?P<house>\d{1,5}[A-Za-z]?)\W{0,3}$",
    re.IGNORECASE,
)
_NUMBER_ASKED = re.compile(
    r"number|n[úu]mero|nummer|numéro|nambar|house|what\?|where|qué|welche|quel", re.IGNORECASE
)
_ONE_NAME = re.compile(r"\W{0,3}(?P<name>[A-ZÀ-Þ][\w'’\-]{2,30}(?: [A-ZÀ-Þ][\w'’\-]{2,30})?)\W{0,3}")
_FAMILY_ASKED = re.compile(
    r"\b(?:sur ?name|last name|family name|full name|second name|apellidos?|nachname|familienname|nom de famille|cognome)\b|उपनाम|姓",
    re.IGNORECASE,
)
# Who wrote, sang or played something is no secret.
_SOMEBODY_ELSE = re.compile(
    r"\b(?:who|whose|author|actor|actress|singer|character|quién|quien|wer|qui|chi|kaun|kisne)\b|कौन|谁",
    re.IGNORECASE,
)
_NAME_BEGINS = re.compile(
    r"(?i:\b(?:sur|last |family |first |full |my )?name (?:starts|begins|goes) (?:with|like)?|apellido empieza (?:por|con)|nachname (?:beginnt|fängt) mit) (?P<name>[A-ZÀ-Þ][\w'’\-]{1,20})"
)
_SYLLABLES = re.compile(r"\W{0,3}(?P<name>[^\W\d_]{2,15})\W{0,3}")
_NO_NAMES = frozenset(
    "yes yeah no nope not ok okay sure why what who how when where nice cool good great thanks thank hello hi hey bye please well maybe never none nothing "
    "secret private guess stop wait hmm haha lol lovely right wrong true false correct done sorry he she they you and but the sí si ja nein oui non haan nahi".split()
)


def told_spans(readable: Sequence[View]) -> dict[int, list[Span]]:
    """Index of a message to what it tells together with messages near it; the messages of both speakers in turn."""
    spans_by_text: dict[int, list[Span]] = {}
    texts = [view.text if len(view.text) <= _LONGEST else "" for view in readable]
    said = "\n".join(texts).lower()
    for find, words in _SEARCHES:
        if words and not any(word in said for word in words):
            continue
        for place, start, end, kind, score in find(texts):
            spans = spans_by_text.setdefault(place, [])
            spans.append(Span(*readable[place].original(start, end), kind, score))
    return spans_by_text


_Found = Iterator[tuple[int, int, int, str, float]]


def _mailboxes(texts: Sequence[str]) -> _Found:
    """The name of a mailbox, and in another message its provider: 'ann.lee is my user', 'it is on gmail'."""
    named = [place for place, text in enumerate(texts) if text and _PROVIDER_NAMED.search(text)]
    if not named:
        return
    for place, text in enumerate(texts):
        if not any(0 < abs(place - other) <= _FAR for other in named):
            continue
        alone = _ALONE.fullmatch(text)
        is_near = any(0 < other - place <= _NEAR for other in named)
        for match in _CODED.finditer(text):
            if is_coded(match.group()) and (_USER.search(text) or (alone and is_near)):
                yield place, *match.span(), "EMAIL_ADDRESS", 0.8


def _accounts(texts: Sequence[str]) -> _Found:
    """A message that is the name of an account, after one that names the network."""
    for place, text in enumerate(texts):
        match = _ALONE.fullmatch(text) if text else None
        if not match or not is_coded(match.group("name")):
            continue
        if any(_NETWORK_NAMED.search(before) for before in texts[max(0, place - _NEAR) : place]):
            yield place, *match.span("name"), "USERNAME", 0.7


def _streets(texts: Sequence[str]) -> _Found:
    """A street in one message and its house number in another near it."""
    for place, text in enumerate(texts):
        house = _HOUSE.match(text) if text and len(text) <= _SHORT else None
        if house is None:
            continue
        for other in range(max(0, place - _NEAR), min(len(texts), place + _NEAR + 1)):
            street = _STREET.search(texts[other]) if other != place else None
            if street is None:
                continue
            between = " ".join(texts[min(place, other) : max(place, other) + 1])
            if _HOME.search(texts[other].replace(street.group("street"), "")) or _NUMBER_ASKED.search(
                between
            ):
                yield place, *house.span("house"), "LOCATION", 0.6
                yield other, *street.span("street"), "LOCATION", 0.6


def _names(texts: Sequence[str]) -> _Found:
    """A family name that answers a question, a first and a family name one after the other, and a name in two parts."""
    for place, text in enumerate(texts):
        if not text:
            continue
        head = (
            _NAME_BEGINS.search(text)
            if "with" in text or "apellido" in text or "nachname" in text.lower()
            else None
        )
        tail = _SYLLABLES.fullmatch(texts[place + 2]) if head and place + 2 < len(texts) else None
        if head and tail and tail.group("name").lower() not in _NO_NAMES:
            yield place, *head.span("name"), "PERSON", 0.7
            yield place + 2, *tail.span("name"), "PERSON", 0.7
        match = _ONE_NAME.fullmatch(text)
        if match is None or match.group("name").lower() in _NO_NAMES:
            continue
        earlier = _ONE_NAME.fullmatch(texts[place - 2]) if place >= 2 else None
        first = earlier if earlier and earlier.group("name").lower() in _given_names() else None
        if place and _FAMILY_ASKED.search(texts[place - 1]):
            yield place, *match.span("name"), "PERSON", 0.7
            if first:
                yield place - 2, *first.span("name"), "PERSON", 0.7
        elif (
            first
            and " " not in match.group("name")
            and not any(map(_SOMEBODY_ELSE.search, texts[max(0, place - 3) : place]))
            and match.group("name").lower() not in _given_names()
        ):
            yield place - 2, *first.span("name"), "PERSON", _REVIEWED
            yield place, *match.span("name"), "PERSON", _REVIEWED


_SEARCHES = (
    (_mailboxes, "mail gmx yahoo outlook icloud web.de t-online libero laposte orange wanadoo proton aol yandex tutanota posteo zoho जीमेल".split()),
    (_accounts, ()),
    (_streets, ()),
    (_names, ()),
)  # fmt: skip


def _given_names() -> frozenset[str]:
    first, _ = name_lists(tuple(locale for locales in LOCALES.values() for locale in locales))
    return first
