"""What a regular expression needs, read from the expression itself: literals, digits, token runs, first characters.

Literal factors as in Cox, "Regular Expression Matching with a Trigram Index" (2012). Everything here is a necessary
condition of a match; what cannot be told is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

_parser: Any = re._parser  # type: ignore[attr-defined]  # the parser of `re` itself: no second reading of a pattern
TOKEN_CHARS = re.compile(r"[A-Za-z0-9_/+=\-]", re.IGNORECASE)
_TOKEN_ASCII = frozenset(filter(TOKEN_CHARS.match, map(chr, range(128))))
_MOST_STRINGS, _MOST_CHOICES = 800, 6
# In a literal: here a word begins. The scan passes it before each first character of a word.
WORD_STARTS = "\b"
_WORD_CHAR = re.compile(r"\w")
_MOST_FIRST = 60


@dataclass(frozen=True)
class Need:
    """What every match of a pattern holds: one of each set of `literals` (folded; at most two), digits, a token run."""

    literals: tuple[frozenset[str], ...]
    digits: int
    run: int


@dataclass(frozen=True)
class _Part:
    """What is known of every string that a piece of a pattern matches.

    `exact`: all such strings, when few; `literals`: one of each set is inside; `tokens`: token characters only.
    """

    exact: frozenset[str] | None
    literals: tuple[frozenset[str], ...]
    digits: int
    run: int
    tokens: bool
    length: int

    def known(self) -> tuple[frozenset[str], ...]:
        """What of `literals` and `exact` says most."""
        return _rarest(*self.literals, self.exact)


_EMPTY = _Part(frozenset({""}), (), 0, 0, True, 0)
_WORD_BOUNDARY = _Part(frozenset({WORD_STARTS}), (), 0, 0, True, 0)


def need(pattern: re.Pattern[str]) -> Need:
    """What every match of `pattern` holds."""
    part = _sequence(_parser.parse(pattern.pattern, pattern.flags))
    literals = tuple(frozenset(map(with_word_starts, one)) for one in part.known())
    return Need(literals, part.digits, part.run)


def fold(char: str) -> str:
    """The character that stands for all that `re.IGNORECASE` takes for this one."""
    lower = char.lower()
    return lower if len(lower) == 1 else char


def with_word_starts(literal: str) -> str:
    """The literal with a mark where a word begins for certain: inside it, or at its head if a boundary was asked for.

    Marks that say nothing here (before a character of no word) are dropped.
    """
    written = []
    for index, char in enumerate(literal):
        if char == WORD_STARTS:
            continue
        previous = literal[index - 1] if index else ""
        if _WORD_CHAR.match(char) and previous and not _WORD_CHAR.match(previous):
            written.append(WORD_STARTS)
        written.append(char)
    return "".join(written)


def _sequence(items: Iterable[tuple[Any, Any]]) -> _Part:
    known: list[frozenset[str] | None] = []
    stretch: frozenset[str] | None = frozenset({""})
    whole = tokens = True
    digits = run = best_run = length = 0
    for operator, argument in items:
        part = _part(str(operator), argument)
        digits += part.digits
        length += part.length
        if part.tokens:
            run += part.length
        else:
            best_run, run, tokens = max(best_run, run, part.run), 0, False
        joined = _joined(stretch, part.exact)
        if joined is None:
            whole = False
            known += [stretch, *part.literals]
            stretch = part.exact if part.exact is not None else frozenset({""})
        else:
            stretch = joined
    known.append(stretch)
    return _Part(stretch if whole else None, _rarest(*known), digits, max(best_run, run), tokens, length)


def _joined(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None or len(left) * len(right) > _MOST_STRINGS:
        return None
    return frozenset(a + b for a, b in product(left, right))


def _part(operator: str, argument: Any) -> _Part:
    if operator == "LITERAL":
        return _char(chr(argument))
    if operator == "IN":
        return _set(argument)
    if operator == "SUBPATTERN":
        return _sequence(argument[3])
    if operator == "ATOMIC_GROUP":
        return _sequence(argument)
    if operator == "BRANCH":
        return _either([_sequence(branch) for branch in argument[1]])
    if operator in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _repeated(int(argument[0]), int(argument[1]), _sequence(argument[2]))
    if operator == "AT" and str(argument) == "AT_BOUNDARY":
        return _WORD_BOUNDARY
    if operator == "ASSERT_NOT" and _is_no_word_before(*argument):
        return _WORD_BOUNDARY
    if operator in ("AT", "ASSERT", "ASSERT_NOT"):
        return _EMPTY  # takes no character: what stands before and after it is still side by side
    if operator in ("ANY", "NOT_LITERAL", "CATEGORY", "GROUPREF"):
        return _Part(None, (), 0, 0, False, 0)
    raise NotImplementedError(f"no prefilter for the regular-expression operator {operator}")


def _is_no_word_before(direction: int, items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether a negative assertion says that no word character stands before: (?<!\\w), (?<![\\w@])."""
    if direction >= 0 or len(items) != 1 or str(items[0][0]) != "IN":
        return False
    names = [(str(operator), str(argument)) for operator, argument in items[0][1]]
    return ("CATEGORY", "CATEGORY_WORD") in names and ("NEGATE", "None") not in names


def _char(char: str) -> _Part:
    token = char in _TOKEN_ASCII
    digit = int(char.isdecimal())
    return _Part(frozenset({fold(char)}), (), digit, int(token), token, 1)


def _set(items: Sequence[tuple[Any, Any]]) -> _Part:
    chars: list[str] = []
    digits = tokens = True
    listed = True
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            chars.append(chr(argument))
        elif name == "RANGE":
            low, high = argument
            within = high < 128
            digits = digits and within and all(chr(code).isdecimal() for code in range(low, high + 1))
            tokens = tokens and within and all(chr(code) in _TOKEN_ASCII for code in range(low, high + 1))
            listed = False
        else:
            digits = digits and name == "CATEGORY" and str(argument) == "CATEGORY_DIGIT"
            tokens = listed = False
    digits = digits and all(map(str.isdecimal, chars))
    tokens = tokens and all(char in _TOKEN_ASCII for char in chars)
    exact = frozenset(map(fold, chars)) if listed and len(chars) <= _MOST_CHOICES else None
    return _Part(exact, (), int(digits), int(tokens), tokens, 1)


def _either(parts: Sequence[_Part]) -> _Part:
    exact: frozenset[str] | None = frozenset()
    for part in parts:
        exact = None if exact is None or part.exact is None else exact | part.exact
    # One of the first sets of the branches is there whichever branch matches, and one of the second.
    literals = tuple(
        frozenset().union(*sets) for sets in zip(*(part.known() for part in parts), strict=False)
    )
    if exact is not None and len(exact) > _MOST_STRINGS:
        exact = None
    return _Part(
        exact,
        literals,
        min(part.digits for part in parts),
        min(part.run for part in parts),
        all(part.tokens for part in parts),
        min(part.length for part in parts),
    )


def _repeated(least: int, most: int, part: _Part) -> _Part:
    if (least, most) == (1, 1):
        return part
    exact = part.exact | {""} if (least, most) == (0, 1) and part.exact is not None else None
    literals = part.known() if least else ()
    run = (least * part.length if part.tokens else part.run) if least else 0
    return _Part(exact, literals, least * part.digits, run, part.tokens, least * part.length)


def _commonness(literals: frozenset[str]) -> float:
    """How often one of the literals is expected at a place of an ordinary text; only their order matters."""

    def share(char: str) -> float:
        if char == WORD_STARTS:
            return 0.2
        return 0.05 if char.isalpha() else 0.15 if char == " " else 0.02 if char in ".,'" else 0.001

    return sum(float(np.prod([share(char) for char in literal])) for literal in literals)


def _rarest(*sets: frozenset[str] | None) -> tuple[frozenset[str], ...]:
    """The two sets that say most; a set with the empty string says nothing."""
    known = {one for one in sets if one and all(literal.strip(WORD_STARTS) for literal in one)}
    return tuple(sorted(known, key=lambda one: (_commonness(one), sorted(one)))[:2])


@lru_cache(maxsize=1)
def characters() -> str:
    """Every code point, in order."""
    return "".join(map(chr, range(0x110000)))


@lru_cache(maxsize=1)
def cased() -> str:
    """Every character that has another case."""
    return "".join(char for char in characters() if char.lower() != char or char.upper() != char)


@lru_cache(maxsize=4096)
def variants(char: str) -> frozenset[str]:
    """Every character that `re.IGNORECASE` takes for this one, itself included."""
    return frozenset((char, *re.findall(re.escape(char), cased(), re.IGNORECASE)))


def guarded(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """An expression with the same matches that gives up sooner where no match can begin, if few characters begin one.

    `re` tries every branch at every place of a text unless all begin with letters of one case.
    """
    first, _ = _first(_parser.parse(pattern.pattern, pattern.flags))
    if first is None or len(first) > _MOST_FIRST:
        return pattern
    return re.compile(
        f"(?=(?-i:[{''.join(sorted(first))}]))(?:{pattern.pattern})", pattern.flags & ~re.UNICODE
    )


def _first(items: Iterable[tuple[Any, Any]]) -> tuple[frozenset[str] | None, bool]:
    """What can begin a match, as members of a set in `re` (None: too many), and whether a match can be empty."""
    found: frozenset[str] = frozenset()
    for operator, argument in items:
        name = str(operator)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):
            continue
        first, empty = _first_of(name, argument)
        if first is None:
            return None, empty
        found |= first
        if not empty:
            return found, False
    return found, True


def _members(char: str) -> frozenset[str]:
    return frozenset(map(re.escape, variants(char)))


def _listed(operator: str, value: Any) -> frozenset[str] | None:
    """A part of a set, if it is short."""
    if operator == "LITERAL":
        return _members(chr(value))
    if operator == "RANGE" and value[1] - value[0] < 10:
        return frozenset().union(*(_members(chr(code)) for code in range(value[0], value[1] + 1)))
    return frozenset({r"\d"}) if operator == "CATEGORY" and str(value) == "CATEGORY_DIGIT" else None


def _first_of(name: str, argument: Any) -> tuple[frozenset[str] | None, bool]:
    if name == "LITERAL":
        return _members(chr(argument)), False
    if name == "IN":
        sets = [_listed(str(operator), value) for operator, value in argument]
        known = [one for one in sets if one is not None]
        return frozenset().union(*known) if len(known) == len(sets) else None, False
    if name == "SUBPATTERN":
        return _first(argument[3])
    if name == "BRANCH":
        branches = [_first(branch) for branch in argument[1]]
        known = [first for first, _ in branches if first is not None]
        either = frozenset().union(*known) if len(known) == len(branches) else None
        return either, any(empty for _, empty in branches)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        first, empty = _first(argument[2])
        return first, empty or argument[0] == 0
    return None, name == "GROUPREF"
