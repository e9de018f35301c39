"""Find names of people: a packaged token classifier (Rampart) with other evidence, and lists of names.

A cheap test says which words may be names; the classifier reads only the words around them. A character's own name in
its own speech identifies nobody, nor does a widely known figure (`fiction`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from models.screening.privacy.evidence import (
    CUES,
    DEVANAGARI,
    TITLES,
    WORD,
    commonness,
    latin_commonness,
    lists,
    plain,
    scores,
)
from models.screening.privacy.fiction import is_known_figure
from models.screening.privacy.rampart import rampart
from models.screening.privacy.span import PLACEHOLDER, Span
from models.text.compatibility import nfkc
from models.text.language.romanised_hindi import transliterate
from models.text.names import LOCALES, name_lists

_SCORE = 0.6
# A word is a name from the first threshold on; beside a name from the second one on.
_IS_NAME, _GOES_ON = 0.25, 0.1
# Zipf frequencies from which a lower-cased word is no candidate: on no list, of last names only, of first names. And
# from which a capitalised one is none: on no list, on none and first in a sentence, and on one.
_PLAIN, _PLAIN_LAST, _PLAIN_FIRST = 1.0, 3.5, 5.3
_PLAIN_CAPITAL, _PLAIN_OPENING, _PLAIN_NAME_CAPITAL = 4.2, 3.0, 6.0
# The classifier reads so many words before and after a candidate. 400 characters are at most 400 tokens; a letter
# beyond ASCII may be up to three.
_BEFORE, _AFTER, _EDGE = 8, 14, 4
_WINDOW_CHARS, _WINDOW_CHARS_NOT_ASCII = 400, 160
_LONGEST_WORD = 60
_LONG_UNKNOWN = 7
_FIGURE_WORDS, _FIGURE_CHARS = 2, 40
# As long as the shortest placeholder of a person.
_SOMEBODY = "Ana Ruiz"
# Handles and addresses are the business of other rules.
_NO_NAMES = re.compile(r"\S+")
_ADDRESS = re.compile(r"@|://|www\.|(?<!\S)#")
_JOINS = re.compile(r"[ \t]{1,2}|-")
_ABBREVIATED = re.compile(r"\. ?")
_MOST_ABBREVIATED = 2
_PARTICLES = frozenset("de del della di la le van von der den bin al da dos y e ten ter zu zur el".split())
_MOST_PARTICLES = 2
_LETTER = re.compile(r"[a-zà-öø-ÿ\u0100-\u024f\u0900-\u097f]", re.IGNORECASE)
_BLANKS_BEFORE = 200
# Endings of words, not of names, and of what people of a country are called.
_IS_WORD = re.compile(
    r"(?:ness|ment|tion|sion|ing|ed|ly|[ai]ble|less|ful|ism|ists?|ity|ous|ive|i[sz]e|ology|ers|ies)$"
)
_OF_A_COUNTRY = re.compile(r"[a-z]{3}(?:ians?|eans?|ish|ese)$")
_NOT_OF_A_COUNTRY = frozenset(
    "adrian sebastian christian julian vivian brian damian dorian fabian lillian gillian jillian marian bastian dean "
    "sean kristian florian lucian maximilian priscilian parish".split()
)
_NOBODY = frozenset("roman romans german germans christian christians english french norman".split())
# An animal's name identifies nobody.
_ANIMALS = frozenset(
    "dog dogs cat cats puppy puppies kitten kittens pet pets horse pony hamster rabbit bunny parrot fish turtle "
    "lizard snake iguana skunk poodle bulldog labrador perro perra gato gata hund katze chien chat kutta billi".split()
)
_ANIMAL_BEFORE = 4
_GAP = 4
# "j'aime", "avez-vous" and "I’m" are two words each.
_PARTS = re.compile("['’-]")
# Two capitalised words in a row.
_CAPITALISED_PAIR = re.compile(
    r"\b[A-ZÀ-Þ][\wà-ÿ'’\-]{1,60} (?:[A-Z]\.? ?|de |van |von |der |la |al |bin ){0,2}[A-ZÀ-Þ][\wà-ÿ'’\-]+"
)
_PROVIDERS = {**LOCALES, "hi-Latn": ("en_IN",)}
_PROVIDERS["und"] = tuple(locale for locales in _PROVIDERS.values() for locale in locales)
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
    rampart()
    lists()
    _ordinary()
    for language in languages:
        _name_lists(language)


@lru_cache(maxsize=1)
def _ordinary() -> frozenset[str]:
    """Words, as they are written, that are not looked at: common ones that are no names, and too common names."""
    first, last = lists()
    ordinary = {
        word
        for word, zipf in commonness().items()
        if zipf >= (_PLAIN_FIRST if word in first else _PLAIN_LAST if word in last else _PLAIN)
    }
    for word, zipf in latin_commonness().items():
        if zipf >= (_PLAIN_NAME_CAPITAL if word in first or word in last else _PLAIN_CAPITAL):
            ordinary.update((word.capitalize(), word.upper()))
    return frozenset(ordinary)


def worth_reading(text: str) -> bool:
    """Whether a text has a word that may be a name."""
    return bool(_Reading.of(text).candidates)


class _Reading(NamedTuple):
    """A text without handles, addresses and placeholders, its words, and the places of those that may be names.

    `clear`: whether each word stands in the text itself, not in place of a placeholder.
    """

    text: str
    words: list[re.Match[str]]
    candidates: list[int]
    clear: list[bool]

    @classmethod
    def of(cls, text: str) -> _Reading:
        masked = _masked(text)
        if _ordinary().issuperset(WORD.findall(masked)):
            return cls(masked, [], [], [])
        words = [word for word in WORD.finditer(masked) if len(word.group()) <= _LONGEST_WORD]
        clear = [text.startswith(word.group(), word.start()) for word in words]
        candidates = [
            place
            for place in range(len(words))
            if clear[place] and _may_be_name(words, place) and not _is_nobody(words, place)
        ]
        return cls(masked, words, candidates, clear)


def _may_be_name(words: Sequence[re.Match[str]], place: int) -> bool:
    word = words[place].group()
    if word in _ordinary() or not _LETTER.match(word):
        return False
    first, last = lists()
    if word[0].isupper() or "\u0900" <= word[0] <= "\u097f":
        if (
            _opens(words, place)
            and plain(word) not in first
            and plain(word) not in last
            and commonness().get(plain(word), 0.0) >= _PLAIN_OPENING
        ):
            return False
        parts = _PARTS.split(word)
        return len(word) > 1 and (
            len(parts) == 1 or not all(part in _ordinary() or len(part) < 3 for part in parts)
        )
    low = plain(word)
    if low in first or low in last:
        return low not in _ordinary()
    if (
        _IS_WORD.search(low)
        or low in _ordinary()
        or (_PARTS.search(low) and _ordinary().issuperset(_PARTS.split(low)))
    ):
        return False
    # A word that nobody knows is rather a slip of the pen, unless it stands where names stand.
    if len(low) >= _LONG_UNKNOWN:
        return True
    neighbours = [plain(words[near].group()) for near in (place - 1, place + 1) if 0 <= near < len(words)]
    return len(low) > 2 and any(
        near in first or near in CUES or near in TITLES or (len(near) > 2 and near not in commonness())
        for near in neighbours
    )


def _opens(words: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a word is the first of its sentence."""
    text, start = words[place].string, words[place].start()
    return text[max(0, start - _GAP) : start].rstrip(" *\"'“‘(")[-1:] in ("", *".!?…:;\n")


def _is_nobody(words: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a single word names a people, a known figure or an animal."""
    low = plain(words[place].group())
    if low in lists()[0] or low in _NOT_OF_A_COUNTRY:
        is_place = False
    else:
        is_place = low in _countries() or _OF_A_COUNTRY.search(low) is not None
    if is_place or low in _NOBODY or is_known_figure(low):
        return True
    before = {plain(word.group()) for word in words[max(0, place - _ANIMAL_BEFORE) : place]}
    return not _ANIMALS.isdisjoint(before)


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    """Countries of one word, lower-cased."""
    from faker.providers.address import Provider

    return frozenset(country.lower() for country in Provider.countries if " " not in country)


def _masked(text: str) -> str:
    """The text with blanks for e-mail addresses, handles, tags and links, and some name for each placeholder of one.

    So the words beside a placeholder are judged as they were beside the name.
    """
    if "<" in text:
        text = PLACEHOLDER.sub(_stand_in, text)
    if _ADDRESS.search(text):
        text = _NO_NAMES.sub(
            lambda run: _blanks(run) if run[0][0] == "#" or _ADDRESS.search(run[0]) else run[0], text
        )
    return text


def _stand_in(placeholder: re.Match[str]) -> str:
    return (_SOMEBODY if placeholder[0].startswith("<PERSON") else "").ljust(len(placeholder[0]))


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match.group())


class _Window(NamedTuple):
    """The words of a text that the classifier reads at once, `first` to `end`; it decides on `decides` to `decided`."""

    first: int
    end: int
    decides: int
    decided: int


def _windows(reading: _Reading) -> Iterator[_Window]:
    words, size = reading.words, len(reading.words)
    most = _WINDOW_CHARS if reading.text.isascii() else _WINDOW_CHARS_NOT_ASCII
    decided = 0
    for candidate in reading.candidates:
        if candidate < decided:
            continue
        first, end = max(0, candidate - _BEFORE), min(size, candidate + _AFTER)
        while words[end - 1].end() - words[first].start() > most and end - first > 1:
            first, end = (first + 1, end) if candidate - first > (end - candidate) // 2 else (first, end - 1)
        decides = max(first, decided)
        decided = end if end == size else max(candidate + 1, end - _EDGE)
        yield _Window(first, end, decides, decided)


def classified_names(texts: Sequence[str]) -> list[list[Span]]:
    """PERSON spans that the classifier and the other evidence find, one list a text (batched)."""
    readings = [_Reading.of(text) for text in texts]
    asked = [(index, window) for index, reading in enumerate(readings) for window in _windows(reading)]
    pieces = [_romanised(readings[index], window) for index, window in asked]
    answers = rampart().read([text for text, _ in pieces], [ranges for _, ranges in pieces]) if pieces else []
    shares = [[0.0] * len(reading.words) for reading in readings]
    for (index, window), answer in zip(asked, answers, strict=True):
        reading = readings[index]
        found = scores(reading.text, reading.words[window.first : window.end], answer).tolist()
        for place in range(window.decides, window.decided):
            shares[index][place] = found[place - window.first]
    return [
        list(_joined(reading, share)) if reading.candidates else []
        for reading, share in zip(readings, shares, strict=True)
    ]


def _romanised(reading: _Reading, window: _Window) -> tuple[str, list[tuple[int, int]]]:
    """The text of a window in Latin letters, as the classifier knows them, and the ranges of its words there."""
    words = reading.words[window.first : window.end]
    start, end = words[0].start(), words[-1].end()
    text = reading.text[start:end]
    if not DEVANAGARI.search(text):
        return text, [(word.start() - start, word.end() - start) for word in words]
    romanised, ranges, position = "", list[tuple[int, int]](), start
    for word in words:
        romanised += reading.text[position : word.start()]
        begins = len(romanised)
        romanised += transliterate(word.group())
        ranges.append((begins, len(romanised)))
        position = word.end()
    return romanised, ranges


def _joined(reading: _Reading, shares: Sequence[float]) -> Iterator[Span]:
    """Spans of the words that are names, with the words beside them that go on, and particles between them."""
    text, words, candidates = reading.text, reading.words, set(reading.candidates)
    first_names, last_names = lists()

    def joins(place: int) -> bool:
        end, start = words[place].end(), words[place + 1].start()
        is_short = len(words[place].group()) <= _MOST_ABBREVIATED
        return bool(
            _JOINS.fullmatch(text, end, start) or (is_short and _ABBREVIATED.fullmatch(text, end, start))
        )

    def goes_on(place: int, beside: int) -> bool:
        word, low = words[place].group(), plain(words[place].group())
        is_listed = low in first_names or low in last_names
        is_word = latin_commonness().get(low, 0.0) >= (_PLAIN_NAME_CAPITAL if is_listed else _PLAIN_CAPITAL)
        if shares[place] < _GOES_ON or low in TITLES or is_word or not reading.clear[place]:
            return False
        if word[0].islower() and words[beside].group()[0].isupper():
            return False
        return len(low) > 1 or text.startswith(".", words[place].end())

    place = 0
    while place < len(words):
        if place not in candidates or shares[place] < _IS_NAME:
            place += 1
            continue
        first = last = place
        while first > 0 and joins(first - 1) and goes_on(first - 1, first):
            first -= 1
        while last + 1 < len(words) and joins(last):
            following = last + 1
            while (
                following - last <= _MOST_PARTICLES
                and following + 1 < len(words)
                and plain(words[following].group()) in _PARTICLES
                and joins(following)
            ):
                following += 1
            if not goes_on(following, last):
                break
            last = following
        end = words[last].end()
        if first > 0 and _is_family_first(reading, first - 1):
            first -= 1
        yield Span(
            words[first].start(), end - (2 if text[end - 2 : end] in ("'s", "’s") else 0), "PERSON", _SCORE
        )
        place = last + 1


def _is_family_first(reading: _Reading, place: int) -> bool:
    """Whether a word is the family name before the comma of "Raghunathan, Priyanka": first in its line, and rare."""
    word, following = reading.words[place], reading.words[place + 1]
    opens = reading.text[max(0, word.start() - 1) : word.start()] in ("", "\n")
    is_rare = latin_commonness().get(plain(word.group()), 0.0) < _PLAIN_OPENING
    is_name = word.group()[0].isupper() and (is_rare or plain(word.group()) in lists()[1])
    return opens and is_name and reading.clear[place] and reading.text[word.end() : following.start()] == ", "


def listed_names(text: str, language: str) -> list[Span]:
    """PERSON spans of two or three words in a row that are written as names and are in the name lists."""
    first, last = _name_lists(language)
    if not first:
        return []
    spans: list[Span] = []
    words = list(WORD.finditer(text))
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
    """Names of people in each text: by the classifier, and by name lists."""
    found = classified_names(texts)
    for spans, text, language in zip(found, texts, languages, strict=True):
        if (
            _CAPITALISED_PAIR.search(text)
            or language == "hi"
            or (language == "und" and DEVANAGARI.search(text))
        ):
            spans.extend(listed_names(text, language))
    return found


def _is_famous(text: str, span: Span) -> bool:
    """Whether the name is a known figure's, or a part of a known figure's full name as it stands there."""
    before = list(WORD.finditer(text, max(0, span.start - _FIGURE_CHARS), span.start))[-_FIGURE_WORDS:]
    after = list(itertools.islice(WORD.finditer(text, span.end, span.end + _FIGURE_CHARS), _FIGURE_WORDS))
    starts = [span.start, *(word.start() for word in before)]
    ends = [span.end, *(word.end() for word in after)]
    return any(
        is_known_figure(text[start:end], start < span.start or end > span.end)
        for start in starts
        for end in ends
    )


def without_allowed(text: str, spans: Sequence[Span], allowed: Sequence[str]) -> list[Span]:
    """Drop PERSON spans that name a widely known figure, or that are an allowed name or a part of one."""
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
    words = WORD.findall(nfkc(text).lower().replace("’", "'"))
    return tuple(word.removesuffix("'s") for word in words)


def _is_part(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether the words stand in the name in a row."""
    size = len(words)
    return size > 0 and any(name[start : start + size] == words for start in range(len(name) - size + 1))
