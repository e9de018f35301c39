"""Find full names of people with a packaged named-entity model (English) and Faker's name lists (other languages).

A single first name identifies nobody; the cue rules decide about it. A full name is an identifier, unless it is the
character's or another allowed name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache

from models.screening.privacy.entities import entity_model, people
from models.screening.privacy.fiction import FAMOUS
from models.screening.privacy.span import PLACEHOLDER, Span
from models.text.compatibility import nfkc
from models.text.language.romanised_hindi import stop_words
from models.text.names import LOCALES, name_lists

_SCORE = 0.6
# Two capitalised words in a row. The entity model reads only texts that have them.
_CAPITALISED_PAIR = re.compile(
    r"\b[A-ZÀ-Þ][\wà-ÿ'’\-]{1,60} (?:[A-Z]\.? ?|de |van |von |der |la |al |bin ){0,2}[A-ZÀ-Þ][\wà-ÿ'’\-]+"
)
_NAME_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f]|['’\-](?=[^\W\d_]))*")
_DEVANAGARI = re.compile("[\u0900-\u097f]")
_BLANKS_BEFORE = 200
_PROVIDERS = {**LOCALES, "hi-Latn": ("en_IN",)}
_PROVIDERS["und"] = tuple(locale for locales in _PROVIDERS.values() for locale in locales)
_ENGLISH = ("en", "und")
# Title, given names, family name. A longer name of a character is not excused.
_NAME_WORDS, _NAME_LENGTH = 4, 60
_CAPITALS_ARE_NAMES = ("es", "it", "fr", "hi-Latn")
# Capitalised pairs that open sentences or stand in titles, never names of people.
_COMMON = frozenset(
    "i oh yes no the a an my your his her what how why when where who do did are is was were have has can "
    "could would will it that this there hello hi hey thank thanks good happy new united states north south "
    "east west san los las great and or but so if not you we he she they me im well ok okay please sorry just "
    "maybe let one casa calle avenida plaza universidad real nuevo nueva gran isla río monte puerto villa "
    "torre iglesia catedral museo palacio banco partido copa liga premio guerra reina rey".split()
)


def _name_lists(language: str) -> tuple[frozenset[str], frozenset[str]]:
    return name_lists(_PROVIDERS.get(language, ()))


def load(languages: Sequence[str]) -> None:
    """Load the models of the languages, so that a missing model stops a job before it starts."""
    if any(language in _ENGLISH for language in languages):
        entity_model()
    for language in languages:
        _name_lists(language)


def worth_reading(text: str) -> bool:
    """Whether a text can hold a full name that the entity model would find (two capitalised words in a row)."""
    for match in _CAPITALISED_PAIR.finditer(text):
        words = match.group().split(" ")
        if sum(word.lower().strip("'’") not in _COMMON for word in words) >= 2:
            return True
    return False


@lru_cache(maxsize=1)
def _common_anywhere() -> frozenset[str]:
    """Words that are no names in a text that may be of any language: 'Vielen Dank' is nobody."""
    return _COMMON | {word for language in ("en", "es", "de", "it", "fr") for word in stop_words(language)}


def _is_full_name(text: str, start: int, end: int, language: str) -> bool:
    words = text[start:end].split()
    common = _common_anywhere() if language == "und" else _COMMON
    capitals = [word for word in words if word[:1].isupper() and word.lower().rstrip(".'’s") not in common]
    return (
        len(capitals) >= 2
        and len(words) <= 5
        and not any(char.isdigit() or char in "<>@/:" for char in text[start:end])
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without a trailing possessive and without common words at its start."""
    words = text[start:end]
    for possessive in ("'s", "’s"):
        if words.endswith(possessive):
            end -= 2
            words = words[:-2]
    while (space := words.find(" ")) > 0 and words[:space].lower().strip(",.!") in _COMMON:
        start += space + 1
        words = words[space + 1 :]
    return start, end


def entity_names(texts: Sequence[str], languages: Sequence[str]) -> list[list[Span]]:
    """PERSON spans of two or more capitalised words, one list a text (English entity model, batched)."""
    masked = [PLACEHOLDER.sub(lambda match: " " * len(match.group()), text) for text in texts]
    distinct = list(dict.fromkeys(masked))
    places = dict(zip(distinct, people(distinct), strict=True))
    names = []
    for text, readable, language in zip(texts, masked, languages, strict=True):
        trimmed = [_trimmed(text, start, end) for start, end in places[readable]]
        names.append(
            [Span(*place, "PERSON", _SCORE) for place in trimmed if _is_full_name(text, *place, language)]
        )
    return names


def listed_names(text: str, language: str) -> list[Span]:
    """PERSON spans of two or three words in a row that are written as names and are in the name lists."""
    first, last = _name_lists(language)
    if not first:
        return []
    spans: list[Span] = []
    words = list(_NAME_WORD.finditer(text))
    for index, (word, following) in enumerate(itertools.pairwise(words)):
        if not _vouched(text, word, following, first, last, language):
            continue
        end = following.end()
        if index + 2 < len(words):
            third = words[index + 2]
            if (
                text[end : third.start()] == " "
                and _cased_as_name(third.group())
                and third.group().lower() in last
            ):
                end = third.end()
        spans.append(Span(word.start(), end, "PERSON", _SCORE))
    return spans


def _vouched(
    text: str,
    word: re.Match[str],
    following: re.Match[str],
    first: frozenset[str],
    last: frozenset[str],
    language: str,
) -> bool:
    if text[word.end() : following.start()] != " ":
        return False
    given, family = word.group(), following.group()
    if not _cased_as_name(given) or not _cased_as_name(family):
        return False
    given, family = given.lower(), family.lower()
    if given in first and (family in last or family in first):
        return True
    # If the language capitalises only names, one listed word is enough inside a sentence.
    if language not in _CAPITALS_ARE_NAMES or given in _COMMON or family in _COMMON:
        return False
    opens = text[max(0, word.start() - _BLANKS_BEFORE) : word.start()].rstrip()[-1:] in '.!?¿¡\n:*"“'
    return (given in first and len(family) > 2) or (family in last and not opens and len(given) > 2)


def _cased_as_name(word: str) -> bool:
    return word[0].isupper() or "\u0900" <= word[0] <= "\u097f"


def name_spans(texts: Sequence[str], languages: Sequence[str]) -> list[list[Span]]:
    """Full names of people in each text: by name lists, and by the entity model where the text may be English."""
    names: list[list[Span]] = [[] for _ in texts]
    has_pair = [worth_reading(text) for text in texts]
    english = [index for index, language in enumerate(languages) if has_pair[index] and language in _ENGLISH]
    found = entity_names([texts[index] for index in english], [languages[index] for index in english])
    for index, spans in zip(english, found, strict=True):
        names[index].extend(spans)
    for index, (text, language) in enumerate(zip(texts, languages, strict=True)):
        if has_pair[index] or language == "hi" or (language == "und" and _DEVANAGARI.search(text)):
            names[index].extend(listed_names(text, language))
    return names


def _is_famous(text: str, span: Span) -> bool:
    # Extend to the start of the word: the entity model finds only "Wan Kenobi" in "Obi-Wan Kenobi".
    start = text.rfind(" ", 0, span.start) + 1
    names = (text[span.start : span.end], text[start : span.end])
    return any(name.lower().removesuffix("'s").strip("*\"'“") in FAMOUS for name in names)


def without_allowed(text: str, spans: Sequence[Span], allowed: Sequence[str]) -> list[Span]:
    """Drop PERSON spans that name somebody famous from fiction, or that are an allowed name or a part of one."""
    spans = [span for span in spans if span.type != "PERSON" or not _is_famous(text, span)]
    names = [name for name in map(own_name, allowed) if name]
    if not names:
        return spans
    return [
        span
        for span in spans
        if span.type != "PERSON"
        or not any(_is_part(_name_words(text[span.start : span.end]), name) for name in names)
    ]


def own_name(name: str) -> tuple[str, ...]:
    """The words of a character's name, lower-cased; () for what is no name of one person.

    Users choose the names of characters. What is longer than a full name is a list of people, or a text.
    """
    if len(name) > _NAME_LENGTH:
        return ()
    words = _name_words(name)
    return words if len(words) <= _NAME_WORDS else ()


def _name_words(text: str) -> tuple[str, ...]:
    words = _NAME_WORD.findall(nfkc(text).lower().replace("’", "'"))
    return tuple(word.removesuffix("'s") for word in words)


def _is_part(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether the words stand in the name in a row."""
    size = len(words)
    return size > 0 and any(name[start : start + size] == words for start in range(len(name) - size + 1))
