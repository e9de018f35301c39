"""Whether a regular expression that somebody configures can be read, and read in time, before anything runs with it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]  # the parser of `re` itself: no second reading of a pattern
# Screening reads a text in pieces of this many characters by default.
_LONGEST = 4_000
_GROWTH = 1.4
# A pattern whose time grows with the length of the text reads a piece in less than a thousandth of this.
_MOST_SECONDS = 0.05
_MOST_UNITS = 12


def fault_of(pattern: str) -> str:
    """Why the pattern cannot be used, '' if it can: it cannot be read, it matches nothing at all, or it takes too long.

    Each of its characters, and each two beside each other, is repeated to ever longer texts. A pattern whose time grows
    with a power of the length stands out while the text is short, so that the test itself ends in time.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    if compiled.match(""):
        return "matches an empty text, so it would match everywhere"
    for unit in _units(pattern):
        size = 10.0
        while size <= _LONGEST:
            text = unit * (int(size) // len(unit)) + "\0"
            if _seconds(compiled, text) > _MOST_SECONDS and _seconds(compiled, text) > _MOST_SECONDS:
                return f"takes too long on a text of {int(size):,} characters: remove repeats of what repeats"
            size = size * _GROWTH if size > 40 else size + 2
    return ""


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.thread_time()
    for _ in pattern.finditer(text):
        pass
    return time.thread_time() - began


def _units(pattern: str) -> list[str]:
    """Characters that the pattern can match, and pairs of them."""
    chars = [*dict.fromkeys([*_chars(_parser.parse(pattern)), "a", "0", " "])][:_MOST_UNITS]
    return [*chars, *(a + b for a, b in itertools.pairwise(chars))]


def _chars(items: Iterable[tuple[Any, Any]]) -> list[str]:
    """The characters of a parsed pattern: those that it names, the ends of its ranges, one of each category."""
    found: list[str] = []
    for operator, argument in items:
        name = str(operator)
        if name in ("LITERAL", "NOT_LITERAL"):
            found.append(chr(argument))
        elif name == "RANGE":
            found += map(chr, argument)
        elif name == "CATEGORY":
            found.append({"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a"))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            found += _chars(argument[2])
        elif name == "SUBPATTERN":
            found += _chars(argument[3])
        elif name == "BRANCH":
            found += [char for branch in argument[1] for char in _chars(branch)]
        elif name in ("IN", "ATOMIC_GROUP"):
            found += _chars(argument)
        elif name in ("ASSERT", "ASSERT_NOT"):
            found += _chars(argument[1])
    return found
