"""The view of a text in which spoken numbers are digits: 'four fifteen eight sixty-seven' is read as '4_15_8_67'."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.screening.privacy.number_words import HAN_DIGITS, NUMBER_WORDS, NumberWord
from models.screening.privacy.view import UNSURE, View

# Every word of a spoken number and how many digits it adds, for the prefilter.
SPOKEN_WORDS = {word: meaning.digits for word, meaning in NUMBER_WORDS.items()}
_LEAST_DIGITS, _LEAST_SPOKEN, _LEAST_WITH_SOUNDS = 5, 3, 7
_HAN = "".join(HAN_DIGITS)
_TOKEN = re.compile(
    rf"[{_HAN}]|[^\W\d_{_HAN}](?:[^\W\d_{_HAN}]|[\u0900-\u0903\u093a-\u094f\u0951-\u0957])*|\d"
)
_GAP = re.compile(r"[^\w<>]{0,3}")
_FRENCH_TENS = {"soixante": range(10, 20), "vingt": range(10, 20), "vingts": range(10, 20)}


@dataclass
class _Number:
    """A number of the run: where it stands, its digits, and what may still be added to it.

    `room`: numbers that the next word may have to belong to it: 1 to 9 after "sixty", 1 to 99 after "six hundred".
    """

    start: int
    end: int
    digits: str
    room: range = range(0)
    is_sound: bool = False
    is_word: bool = True

    def takes(self, meaning: NumberWord, end: int, word: str) -> bool:
        """Add the word to the number, if it belongs to it: "seven" to "sixty", "hundred" to "six"."""
        if meaning.role == "hundred":
            if len(self.digits) > 1 or self.digits == "0" or not self.is_word:
                return False
            self.digits, self.room = f"{self.digits}00", range(1, 100)
        elif meaning.value in self.room and meaning.role in ("digit", "whole", "tens"):
            self.digits = str(int(self.digits) + meaning.value)
            self.room = _room(meaning, word) if len(self.digits) == 3 else range(0)
        elif word in ("vingt", "vingts") and self.digits == "4" and self.is_word:
            self.digits, self.room = "80", range(1, 20)
        else:
            return False
        self.end = end
        return True


def _room(meaning: NumberWord, word: str) -> range:
    if meaning.role in ("hundred", "hundreds"):
        return range(1, 100)
    if meaning.role == "tens":
        return range(1, 20) if word in _FRENCH_TENS else range(1, 10)
    return range(0)


class _Run:
    """Numbers that follow one another, read from left to right."""

    def __init__(self) -> None:
        self.numbers: list[_Number] = []
        self.edits: list[tuple[int, int, str]] = []
        self._repeat, self._opened = 1, -1

    @property
    def is_open(self) -> bool:
        """Whether a number may follow."""
        return bool(self.numbers) or self._opened >= 0

    def read(self, word: str, start: int, end: int) -> None:
        """Take the next word of the text, after a short gap."""
        if word.isdigit() or word in HAN_DIGITS:
            self._add(_Number(start, end, str(HAN_DIGITS.get(word, word)), is_word=not word.isdigit()))
            return
        meaning = NUMBER_WORDS.get(word)
        if meaning is None:
            self.close()
        elif meaning.role == "and":
            if not self.numbers or not self.numbers[-1].room:
                self.close()
        elif meaning.role == "repeat":
            self._repeat, self._opened = meaning.value, start
        elif self._opened < 0 and self.numbers and self.numbers[-1].takes(meaning, end, word):
            return  # a part of the number before it
        else:
            digits = str(meaning.value) * (self._repeat if meaning.role in ("digit", "sound") else 1)
            self._add(_Number(start, end, digits, _room(meaning, word), meaning.role == "sound"))

    def _add(self, number: _Number) -> None:
        number.start = self._opened if self._opened >= 0 else number.start
        self.numbers.append(number)
        self._repeat, self._opened = 1, -1

    def close(self) -> None:
        """End the run; it is written as digits if it is long enough."""
        spoken = [number for number in self.numbers if number.is_word]
        size = sum(len(number.digits) for number in self.numbers)
        if any(number.is_sound for number in spoken):
            said = sum(len(number.digits) for number in self.numbers if not number.is_sound)
            is_number = size >= _LEAST_WITH_SOUNDS and said >= _LEAST_SPOKEN
        else:
            is_number = bool(spoken) and size >= _LEAST_DIGITS and len(self.numbers) >= 2
        if is_number:
            self._write()
        self.numbers = []
        self._repeat, self._opened = 1, -1

    def _write(self) -> None:
        # With UNSURE between them they need a cue word or a checksum: "sixty, seventy, eighty" is no telephone number.
        is_plain = not any(n.is_sound or (n.is_word and len(set(n.digits)) > 1) for n in self.numbers)
        sign = " " if is_plain else UNSURE
        previous = -1
        for number in self.numbers:
            # Include the gap in the edit, so that commas between spoken digits do not divide the number.
            self.edits.append(
                (number.start, number.end, number.digits)
                if previous < 0
                else (previous, number.end, sign + number.digits)
            )
            previous = number.end


def digits_of(words: str) -> str:
    """The digits of numbers in words, one after the other: "4821" for 'forty-eight twenty-one'."""
    run = _Run()
    for match in _TOKEN.finditer(words.lower()):
        run.read(match.group(), *match.span())
    return "".join(number.digits for number in run.numbers)


def spoken_digits(view: View) -> View | None:
    """The view with runs of spoken numbers of five or more digits written as digits; None if there are none.

    Languages: see `number_words.py`. Numbers above 999 are read in parts, as nobody dictates a telephone number so.
    """
    lowered = view.text.lower()
    if len(lowered) != len(view.text):  # one capital letter (İ) has a small form of two
        lowered = "".join(char.lower()[0] for char in view.text)
    run = _Run()
    previous_end = 0
    for match in _TOKEN.finditer(lowered):
        if run.is_open and not _GAP.fullmatch(lowered, previous_end, match.start()):
            run.close()
        run.read(match.group(), *match.span())
        previous_end = match.end()
    run.close()
    return view.edited(run.edits) if run.edits else None
