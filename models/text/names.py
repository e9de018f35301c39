"""First and last names of people by locale, from Faker's lists."""

from __future__ import annotations

import importlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

LOCALES: Mapping[str, tuple[str, ...]] = {
    "en": ("en_US", "en_GB", "en_IN"), "es": ("es_ES", "es_MX"), "de": ("de_DE",), "it": ("it_IT",), "fr": ("fr_FR",),
    "hi": ("hi_IN",),
}  # fmt: skip
"""The locales of a language whose people's names are listed."""


@lru_cache(maxsize=32)
def name_lists(locales: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The words of first and of last names of these locales (`en_IN`), lower-cased."""
    first: set[str] = set()
    last: set[str] = set()
    for locale in locales:
        provider = cast(Any, importlib.import_module(f"faker.providers.person.{locale}")).Provider
        for attribute in dir(provider):
            names = getattr(provider, attribute)
            if attribute.startswith("first_names") and not callable(names):
                first.update(_words(names))
            elif attribute.startswith("last_names") and not callable(names):
                last.update(_words(names))
    return frozenset(first), frozenset(last)


@lru_cache(maxsize=64)
def gendered_names(locale: str, gender: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Given names of one gender (`female`, `male`) and family names of a locale, sorted, each of one word."""
    provider = cast(Any, importlib.import_module(f"faker.providers.person.{locale}")).Provider
    given = _lists(provider, (f"first_names_{gender}", "first_names"))
    family = _lists(provider, ("last_names", f"last_names_{gender}"))
    return given, family


def _lists(provider: object, attributes: Sequence[str]) -> tuple[str, ...]:
    """The names of the first of the attributes that the provider has."""
    for attribute in attributes:
        names = getattr(provider, attribute, None)
        if names and not callable(names):
            return tuple(sorted({str(name) for name in names if len(str(name).split()) == 1}))
    return ()


def _words(names: Iterable[object]) -> Iterator[str]:
    # Normalise like the texts: some letters have two encodings in Unicode.
    return (part for name in names for part in unicodedata.normalize("NFKC", str(name)).lower().split())
