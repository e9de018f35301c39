"""Unicode's compatibility form (NFKC) of a text, in time that grows with the text's length only.

Python sorts the marks that follow a character by moving one after another: a text that is all marks takes a minute at
100,000 characters, inside native code that no deadline interrupts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

_MOST_MARKS: Final = 30
"""Marks in a row that are read, the limit of Unicode's stream-safe text format (UAX #15). No language has more."""
_LAST: Final = 0x20000
"""Beyond are ideographs, tags and private characters: none combines."""
_SHORT: Final = 1_000
"""A text of all marks of this length takes four milliseconds: there is no need to count them."""


def nfkc(text: str) -> str:
    """The NFKC form of a text. In a text over 1,000 characters, only the first 30 of marks in a row are kept."""
    if text.isascii():
        return text
    if len(text) <= _SHORT:
        return unicodedata.normalize("NFKC", text)
    return unicodedata.normalize("NFKC", _too_many_marks().sub(lambda marks: marks[0][:_MOST_MARKS], text))


@cache
def _too_many_marks() -> re.Pattern[str]:
    """Runs of marks that are too long: characters that combine with the one before, also those that stand for such."""
    marks = [char for char in map(chr, range(0x300, _LAST)) if _combines(char)]
    return re.compile(f"[{''.join(map(re.escape, marks))}]{{{_MOST_MARKS + 1},}}")


def _combines(char: str) -> bool:
    if unicodedata.decomposition(char):  # most characters have none, and need not be taken apart
        char = unicodedata.normalize("NFKD", char)[0]
    return unicodedata.combining(char) > 0
