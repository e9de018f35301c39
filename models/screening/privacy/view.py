"""Readable views of an obfuscated text, with a map of every character to its original offsets.

Rules read the views. Here: NFKC without zero-width characters and with homoglyphs as Latin, and spaced-out letters
joined. `spoken.py` has numbers in words, `disguise.py` further disguises. Spans are reported on the original text.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models.screening.privacy.number_words import NUMBER_WORDS

# Look-alikes of Latin letters that NFKC does not change (common Unicode TR39 confusables).
_HOMOGLYPHS = str.maketrans(
    "асеорхуіјѕһԁԛԝкмтАВЕКМНОРСТХУІЈЅαοενικρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧɑɡıօսհոᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "aceopxyijshdqwkmtABEKMHOPCTXYIJSaoevikptuxABEZHIKMNOPTYXagiouhnabcdefghijklmnoprstuvwyz",
)
_HOMOGLYPH_CHARS = frozenset(map(chr, _HOMOGLYPHS))
_TOKEN = re.compile(r"\S+")
_LATIN_OR_SIGN = re.compile(r"[A-Za-z0-9@]")
_INVISIBLE = frozenset("\ufe0e\ufe0f\u20e3\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u3164")
_LETTER = re.compile(r"[A-Za-z.@]")
_DIGIT_WORDS = {
    word: str(meaning.value)
    for word, meaning in NUMBER_WORDS.items()
    if meaning.role == "digit" and word.isascii()
}
UNSURE = "_"
"""Stands in a view between digits of one number that were parted or disguised: they need a cue word or a checksum."""


class View(NamedTuple):
    """A text to read and, for each of its characters, the half-open original range that it stands for.

    `starts` and `ends` are None when the view is the original text itself.
    """

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original range of `view.text[start:end]` (end > start)."""
        if self.starts is None or self.ends is None:
            return start, end
        # A view may read backwards.
        return min(self.starts[start], self.starts[end - 1]), max(self.ends[start], self.ends[end - 1])

    def edited(self, edits: Sequence[tuple[int, int, str]]) -> View:
        """A further view in which each `(start, end, replacement)` of this one is replaced (in order)."""
        text: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        position = 0
        for start, end, replacement in [*edits, (len(self.text), len(self.text), "")]:
            for index in range(position, start):
                first, last = self.original(index, index + 1)
                text.append(self.text[index])
                starts.append(first)
                ends.append(last)
            if replacement:
                first, last = self.original(start, end)
                text.extend(replacement)
                starts.extend([first] * len(replacement))
                ends.extend([last] * len(replacement))
            position = end
        return View("".join(text), starts, ends)


def _readable(char: str) -> str:
    """The readable form of a non-ASCII character: '' when invisible, a digit, a plain space or dash, or NFKC."""
    category = unicodedata.category(char)
    if category == "Cf" or char in _INVISIBLE:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category in ("Zs", "Zl", "Zp"):
        return "\n" if category in ("Zl", "Zp") else " "
    if category == "Pd" or char == "\u2212":
        return "-"
    if char in "＠﹫":
        return "@"
    if char in "。．｡․":
        return "."
    if char in "：﹕∶":
        return ":"
    if category == "No" and (digit := unicodedata.digit(char, None)) is not None:
        return str(digit)
    if "\U0001f130" <= char <= "\U0001f189" and (place := (ord(char) - 0x1F130) % 32) < 26:
        return chr(ord("A") + place)  # letters in squares and circles, dark ones too
    return unicodedata.normalize("NFKC", char)


class _Readings(dict[int, str]):
    """Readable form of each code point, filled on demand; `special` are those that need more than one replacement."""

    def __init__(self) -> None:
        super().__init__((code, chr(code)) for code in range(128))
        self.special: set[str] = set()

    def __missing__(self, code: int) -> str:
        reads = self[code] = _readable(chr(code))
        if len(reads) != 1 or reads in _HOMOGLYPH_CHARS:
            self.special.add(chr(code))
        return reads


_READINGS = _Readings()


def normalised(text: str) -> View:
    """The view of a text with Unicode disguises removed; a text without any is its own view."""
    if text.isascii():
        return View(text)
    readable = text.translate(_READINGS)
    if _READINGS.special.isdisjoint(text):
        return View(readable)
    sizes = [len(_READINGS[ord(char)]) for char in text]
    starts = [index for index, size in enumerate(sizes) for _ in range(size)]
    # A character's range includes the invisible characters after it, so that a span covers them.
    following = dict(itertools.pairwise([*sorted(set(starts)), len(text)]))
    ends = [following[start] for start in starts]
    if not _HOMOGLYPH_CHARS.isdisjoint(readable):
        readable = _TOKEN.sub(_latin_token, readable)
    return View(readable, starts, ends)


def _latin_token(match: re.Match[str]) -> str:
    token = match.group()
    # A word that is all Cyrillic or Greek is a word of that language, with no homoglyphs.
    return token.translate(_HOMOGLYPHS) if _LATIN_OR_SIGN.search(token) else token


def joined_letters(view: View) -> View | None:
    """The view with spelled-out tokens joined: 'j o h n @ x . c o m', 'G-B-2-1', 'G B two one'; None if there are none.

    A run is six or more single characters or digit words, all separated by the same sign.
    """
    edits: list[tuple[int, int, str]] = []
    for run_start, run_end in spelled_runs(view.text):
        pieces: list[tuple[int, int, str]] = []
        position = run_start
        while position < run_end:
            word = _UNIT.match(view.text, position)
            end = word.end() if word and word.end() <= run_end else position + 1
            written = view.text[position:end]
            pieces.append((position, end, _DIGIT_WORDS.get(written.lower(), written)))
            position = end + 1  # a sign
        joined = "".join(piece for _, _, piece in pieces)
        if not _LETTER.search(joined):
            continue
        for (start, end, piece), after in zip(pieces, [*pieces[1:], None], strict=True):
            if view.text[start:end] != piece:
                edits.append((start, end, piece))
            if after is not None:
                edits.append((end, after[0], ""))
    return view.edited(edits) if edits else None


_UNIT = re.compile(
    r"(?:"
    + "|".join(sorted((word for word in _DIGIT_WORDS if len(word) > 1), key=len, reverse=True))
    + r")(?![A-Za-z])",
    re.IGNORECASE,
)
_WORDS = re.compile(rf"(?=({_UNIT.pattern}))", re.IGNORECASE)
_SINGLE, _ALPHANUMERIC, _LAST = (
    re.compile(characters, re.IGNORECASE) for characters in ("[!-~]", "[A-Za-z0-9]", "[A-Za-z0-9@.]")
)
_SIGNS = frozenset(" .-_")
_LEAST_SIGNS = 5


def spelled_runs(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every run of spelled-out characters, in time linear in the text.

    A run is a unit and a sign, four times or more the same sign after further units, and a last unit that is a digit
    word, a letter, a digit, @ or a dot; no letter or digit touches it. A unit is a digit word or a printable ASCII
    character. As one regular expression this is read from every place to the end of the text.
    """
    size = len(text)
    word_ends = {match.start(): match.end(1) for match in _WORDS.finditer(text)}
    single, alphanumeric, last = (_places(kind, text) for kind in (_SINGLE, _ALPHANUMERIC, _LAST))
    # Of each place where a unit with a sign after it begins: where the last unit of the longest run begins, and how
    # many signs before it. From right to left, each place needs the one after its sign only.
    longest: dict[int, tuple[int, int]] = {}

    def last_unit(place: int, sign: str) -> tuple[int, int] | None:
        if (run := longest.get(place)) is not None and text[unit_end(place)] == sign:
            return run
        return (place, 0) if run_end(place) else None

    def unit_end(place: int) -> int:
        return word_ends.get(place, place + 1)

    def run_end(place: int) -> int:
        """Where a run ends whose last unit begins here; 0 if none can."""
        if place >= size:
            return 0
        end = word_ends.get(place, place + 1 if last[place] else 0)
        return end if end and not alphanumeric[end] else 0

    for place in range(size - 1, -1, -1):
        end = unit_end(place)
        if (place in word_ends or single[place]) and end < size and text[end] in _SIGNS:
            following = last_unit(end + 1, text[end])
            if following is not None:
                longest[place] = following[0], following[1] + 1
            elif run_end(place):
                longest[place] = place, 0
    place = 0
    while place < size:
        run = longest.get(place)
        if run is not None and run[1] >= _LEAST_SIGNS and not (place and alphanumeric[place - 1]):
            end = run_end(run[0])
            yield place, end
            place = end
        else:
            place += 1


def _places(kind: re.Pattern[str], text: str) -> bytearray:
    """For each place whether a character of the kind stands there; one more for the end."""
    places = bytearray(len(text) + 1)
    for match in kind.finditer(text):
        places[match.start()] = 1
    return places
