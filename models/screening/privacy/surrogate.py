"""Invented names in place of people's: of the same script and likely gender, the same for a person in a conversation.

They are drawn from Faker's lists by a keyed hash. Without the key nobody can tell an invented name from a real one.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from models.screening.privacy.evidence import lists, plain
from models.text.names import LOCALES, gendered_names

_GENDERS = ("female", "male")
_INDIA = "en_IN"
_DEFAULT = "en_US"


@dataclass(frozen=True)
class Surrogates:
    """Invents the names of one conversation. `key`: a secret that is another one in each conversation."""

    key: bytes

    def name(self, number: int, words: tuple[str, ...], mention: str, language: str) -> str:
        """The invented name of person `number` in place of a mention.

        Args:
            words: the fullest name by which the person is known, as `cast.name_words` gives it.
            mention: the name as it is written here; a part of the name gives the same part of the invented one.
            language: of the text, a BCP-47 tag.
        """
        locale = _locale(mention, language)
        for gender in _GENDERS:  # an invented name stays as it is, so redacting twice changes nothing
            given, family = self._drawn(number, locale, gender)
            if mention.lower() in (
                given.lower(),
                family.lower(),
                f"{given} {family}".lower(),
                (family + given),
            ):
                return mention
        given, family = self._drawn(number, locale, _gender(words, self._byte(f"{number}")))
        return _cased(_part(given, family, words, mention, locale), mention)

    def _drawn(self, number: int, locale: str, gender: str) -> tuple[str, str]:
        given, family = gendered_names(locale, gender)
        digest = self._digest(f"{number} {locale} {gender}")
        return (
            given[int.from_bytes(digest[:8], "big") % len(given)],
            family[int.from_bytes(digest[8:16], "big") % len(family)],
        )

    def _digest(self, text: str) -> bytes:
        return hmac.new(self.key, text.encode(), hashlib.sha256).digest()

    def _byte(self, text: str) -> int:
        return self._digest(text)[0]


def _locale(mention: str, language: str) -> str:
    """The locale whose names have the script of the mention and, for Latin letters, the language."""
    if any("\u0900" <= char <= "\u097f" for char in mention):
        return "hi_IN"
    if any("\u4e00" <= char <= "\u9fff" for char in mention):
        return "zh_CN"
    if language in ("hi", "hi-Latn"):
        return _INDIA
    return LOCALES.get(language, (_DEFAULT,))[0]


@lru_cache(maxsize=1)
def _listed_genders() -> dict[str, frozenset[str]]:
    locales = {locale for locales in LOCALES.values() for locale in locales}
    return {
        gender: frozenset(plain(name) for locale in locales for name in gendered_names(locale, gender)[0])
        for gender in _GENDERS
    }


def _gender(words: tuple[str, ...], otherwise: int) -> str:
    """The gender whose names have the given name; of a name on both lists, or on none, one by chance."""
    is_listed = [any(word in _listed_genders()[gender] for word in words[:1]) for gender in _GENDERS]
    if is_listed[0] != is_listed[1]:
        return _GENDERS[is_listed.index(True)]
    return _GENDERS[otherwise % 2]


def _part(given: str, family: str, words: tuple[str, ...], mention: str, locale: str) -> str:
    parts = mention.split()
    if locale == "zh_CN":
        return family + given if len(mention) > 2 else given
    if len(parts) > 1:
        return f"{given} {family}"
    word = plain(mention)
    first, last = lists()
    is_family = word in words[1:] or (word in last and word not in first)
    return family if is_family else given


def _cased(name: str, mention: str) -> str:
    if mention.islower():
        return name.lower()
    return name.upper() if mention.isupper() and len(mention) > 2 else name
