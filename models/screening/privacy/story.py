"""Whose name it is: a name that only the character brings up belongs to its story and identifies no user.

Nobody can switch the detection off with it: a name counts as the user's as soon as any word of it stands in what the
user wrote (also spelled out, or with digits for letters), if the character addresses somebody by it, or if the same
answer holds another identifier. See docs/decisions/0022-whose-name-it-is.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.screening.privacy.cast import name_words
from models.screening.privacy.fiction import world_of
from models.screening.privacy.names import own_name
from models.screening.privacy.span import Span
from models.text.language.romanised_hindi import transliterate

_LETTERS_FOR = str.maketrans("0134578@$", "oieastbas")
_NO_LETTER = re.compile(r"[\W\d_\u0300-\u036f]+")
_REACH = 24
_GREETING_BEFORE = re.compile(
    r"(?:(?:^|[.!?\n\"*] {0,2})|\b(?:hi|hello|hey|dear|hola|ciao|salut|bonjour|hallo|liebe[rs]?|"
    r"namaste|thanks|thank you|welcome|sorry|please|goodbye|bye|good (?:morning|night|evening)|mr|mrs|ms|dr)"
    r"[., ]{1,2}|, )$",
    re.IGNORECASE,
)
_CLOSE_AFTER = re.compile(r" ?(?:[,!?.;]|$)")
_YOURS_BEFORE = re.compile(
    r"\b(?:your|tu|tus|su|dein|deine|ihr|ihre|ton|ta|votre|tera|teri|aapki?|aapka)\b[\w ]{0,16}$",
    re.IGNORECASE,
)
# From this score on a rule found the name by a cue: somebody introduced it.
_CUED = 0.75


@dataclass
class Story:
    """What has been said so far in one conversation, and the names that its character brought up.

    Attributes:
        character_text: what people wrote about the character; who is named there is not invented.
    """

    character_text: str = ""
    _heard: str = ""
    _heard_text: str = ""
    _told: set[str] = field(default_factory=set)
    _claimed: set[str] = field(default_factory=set)

    def names_character_text(self, text: str, spans: Sequence[Span]) -> bool:
        """Whether a name in the text may be one of somebody in the character's text."""
        squashed = _squashed(self.character_text)
        mentions = (name_words(text[span.start : span.end]) for span in spans if span.type == "PERSON")
        return any(_squashed(word) in squashed for words in mentions for word in words)

    def of_user(self, text: str, spans: Sequence[Span], character_names: Sequence[str]) -> tuple[Span, ...]:
        """The identifiers of a user's message: without names that the character brought up, or is addressed by."""
        own = {word for name in character_names for word in own_name(name)}
        world = _world(character_names)
        kept: list[Span] = []
        for span in spans:
            if span.type != "PERSON":
                kept.append(span)
                continue
            words = name_words(text[span.start : span.end])
            if span.score < _CUED and (self._told.issuperset(words) or world.issuperset(words)):
                continue
            if len(words) == 1 and words[0] in own and is_addressed(text, span):
                continue
            if span.score >= _CUED or len(words) > 1:
                self._claimed.update(words)
            kept.append(span)
        self._heard += _squashed(text)
        return tuple(kept)

    def of_character(
        self, text: str, spans: Sequence[Span], character_names: Sequence[str]
    ) -> tuple[Span, ...]:
        """The identifiers of a character's answer: without its own name, and without names of its story."""
        own = [name for name in map(own_name, character_names) if name and self._claimed.isdisjoint(name)]
        world = _world(character_names)
        is_alone = all(span.type == "PERSON" for span in spans)
        kept: list[Span] = []
        for span in spans:
            words = name_words(text[span.start : span.end]) if span.type == "PERSON" else ()
            if words and (any(_is_part(words, name) for name in own) or world.issuperset(words)):
                continue
            if words and (self._told.issuperset(words) or (is_alone and self._is_story(text, span, words))):
                self._told.update(words)
                continue
            kept.append(span)
        return tuple(kept)

    def _is_story(self, text: str, span: Span, words: Sequence[str]) -> bool:
        if self.character_text and not self._heard_text:
            self._heard_text = _squashed(self.character_text)
        said = any(_squashed(word) in self._heard or _squashed(word) in self._heard_text for word in words)
        yours = _YOURS_BEFORE.search(text[max(0, span.start - _REACH) : span.start])
        return not said and not yours and not is_addressed(text, span)


def _world(character_names: Sequence[str]) -> frozenset[str]:
    return frozenset().union(*map(world_of, character_names))


def is_addressed(text: str, span: Span) -> bool:
    """Whether somebody is called by the name there: after a greeting, or set off by commas, and nothing else close."""
    before = text[max(0, span.start - _REACH) : span.start]
    at_start = span.start <= _REACH and not before.strip()
    return (at_start or _GREETING_BEFORE.search(before) is not None) and bool(
        _CLOSE_AFTER.match(text, span.end)
    )


def _is_part(words: Sequence[str], name: Sequence[str]) -> bool:
    """Whether the words stand in the name in a row."""
    size = len(words)
    return any(tuple(name[start : start + size]) == tuple(words) for start in range(len(name) - size + 1))


def _squashed(text: str) -> str:
    """The letters of a text without what parts them: Latin, lower-cased, without accents, digits read as letters."""
    latin = unicodedata.normalize("NFD", transliterate(text).lower().translate(_LETTERS_FOR))
    return _NO_LETTER.sub("", latin)
