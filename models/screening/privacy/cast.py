"""Who is who in a conversation: one number, or one invented name, for all mentions of a person in it.

A mention is compared with the people named before it in the same conversation, so its number depends on nothing that
comes later, on no other conversation, and not on how days or partitions are cut.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from models.screening.privacy.evidence import TITLES, WORD, latin_commonness, plain
from models.screening.privacy.span import PLACEHOLDER, Span, placeholders, redact
from models.screening.privacy.surrogate import Surrogates
from models.text.compatibility import nfkc
from models.text.language.romanised_hindi import transliterate

# People in a character's own texts are counted from here on, because those texts belong to many conversations.
CHARACTER_FIRST = 1_001
_AFTER_CHARACTERS = 10_001
_SCORE, _SHORTEST, _RARE = 0.6, 3, 3.0


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared: Latin letters, lower-cased, no accents, titles or possessives."""
    latin = transliterate(nfkc(name))
    bare = "".join(char for char in unicodedata.normalize("NFD", latin) if not unicodedata.combining(char))
    words = tuple(plain(word) for word in WORD.findall(bare))
    return tuple(word for word in words if word not in TITLES) or words


@dataclass
class _Person:
    number: int
    words: tuple[str, ...]
    last_named: int

    def is_named_by(self, words: tuple[str, ...]) -> bool:
        """Whether the words may name this person: all of the shorter name's words are in the longer one."""
        shorter, longer = sorted((words, self.words), key=len)
        return all(any(_same(word, other) for other in longer) for word in shorter)

    def learn(self, words: tuple[str, ...]) -> None:
        if (len(words), sum(map(len, words))) > (len(self.words), sum(map(len, self.words))):
            self.words = words


def _same(word: str, other: str) -> bool:
    """Whether two words of names agree: equal, or one the initial of the other."""
    return word == other or (min(len(word), len(other)) == 1 and word[0] == other[0])


@dataclass
class Cast:
    """The people of one conversation, in the order in which they are named.

    Attributes:
        first: the number of the first one.
        surrogates: invents names instead of numbers.
        before: people who have their numbers from elsewhere: those of the character's texts.
    """

    first: int = 1
    surrogates: Surrogates | None = None
    before: Cast | None = None
    _people: list[_Person] = field(default_factory=list)
    _written: set[str] = field(default_factory=set)
    _mentions: itertools.count[int] = field(default_factory=itertools.count)

    def redact(self, text: str, spans: Iterable[Span], language: str = "und") -> str:
        """The text with a placeholder for each span, or an invented name for a person's.

        A number that the text holds already, from an earlier redaction, is given to nobody.
        """
        if "<PERSON_" in text:
            self._written.update(PLACEHOLDER.findall(text))
        return redact(text, spans, self._replacement(text, language))

    def further(self, text: str, spans: Sequence[Span]) -> list[Span]:
        """Mentions of people of this conversation that no detector found: a name alone says less than a sentence."""
        known = {word for person in self._everybody() for word in person.words if len(word) >= _SHORTEST}
        if not known:
            return []
        covered = [(span.start, span.end) for span in spans] + placeholders(text)
        found: list[Span] = []
        for match in WORD.finditer(text):
            start, end = match.span()
            if not _is_mention(match.group(), known) or any(
                start < right and left < end for left, right in covered
            ):
                continue
            if found and text[found[-1].end : start] == " ":
                found[-1] = Span(found[-1].start, end, "PERSON", _SCORE)
            else:
                found.append(Span(start, end, "PERSON", _SCORE))
        return found

    def _replacement(self, text: str, language: str) -> Callable[[Span], str]:
        def replacement(span: Span) -> str:
            if span.type != "PERSON":
                return f"<{span.type}>"
            mention = text[span.start : span.end]
            person = self._person(name_words(mention) or (mention,))
            if self.surrogates is None:
                return f"<PERSON_{person.number}>"
            return self.surrogates.name(person.number, person.words, mention, language)

        return replacement

    def _everybody(self) -> list[_Person]:
        return [*(self.before._people if self.before else ()), *self._people]

    def _person(self, words: tuple[str, ...]) -> _Person:
        """The person named by the words: of several, one named exactly so, else the one named last."""
        mention = next(self._mentions)
        named = [person for person in self._everybody() if person.is_named_by(words)]
        if named:
            person = max(named, key=lambda person: (person.words == words, person.last_named))
        else:
            person = _Person(self._next_number(), words, mention)
            self._people.append(person)
        person.learn(words)
        person.last_named = mention
        return person

    def _next_number(self) -> int:
        number = self._people[-1].number + 1 if self._people else self.first
        while f"<PERSON_{number}>" in self._written:
            number += 1
        return _AFTER_CHARACTERS if self.first < number == CHARACTER_FIRST else number


def _is_mention(word: str, known: set[str]) -> bool:
    """Whether a word names one of the people: written as a name, or a word that nothing else is called."""
    if word not in known and not known.issuperset(name_words(word)):
        return False
    return not word[0].islower() or latin_commonness().get(plain(word), 0.0) < _RARE
