"""Derive necessary conditions of a match from a regular expression: literals, digits, token runs, first characters.

Literal factors as in Cox, "Regular Expression Matching with a Trigram Index" (2012). A condition that cannot be proved
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from models.screening.privacy.bounds import LATIN, is_latin

_parser: Any = re._parser  # type: ignore[attr-defined]  # the parser of `re` itself: no second reading of a pattern
TOKEN_CHARS = re.compile(r"[A-Za-z0-9_/+=\-]", re.IGNORECASE)
_TOKEN_ASCII = frozenset(filter(TOKEN_CHARS.match, map(chr, range(128))))
_MOST_STRINGS, _MOST_CHOICES = 800, 6
# Marks the beginning of a word in a literal. The scan passes it before the first character of each word.
WORD_STARTS = "\b"
_WORD_CHAR = re.compile(r"\w")
_LATIN_MEMBERS = frozenset(
    (str(operator), str(argument)) for operator, argument in _parser.parse(f"[{LATIN}]")[0][1]
)
_MOST_FIRST = 60


@dataclass(frozen=True)
class Need:
    """Contents of every match: one of each set of `literals` (folded; at most two sets), digits, and a token run.

    `words`: so many words of three to eight letters in a row, whatever stands between them.
    """

    literals: tuple[frozenset[str], ...]
    digits: int
    run: int
    words: int = 0


@dataclass(frozen=True)
class _Part:
    """Properties of every string that a part of a pattern matches.

    `exact`: all such strings, if they are few; `literals`: the string contains one of each set; `tokens`: it has token
    characters only.
    """

    exact: frozenset[str] | None
    literals: tuple[frozenset[str], ...]
    digits: int
    run: int
    tokens: bool
    length: int

    def rarest(self) -> tuple[frozenset[str], ...]:
        """The most selective sets of `literals` and `exact`."""
        return _rarest(*self.literals, self.exact)


_EMPTY = _Part(frozenset({""}), (), 0, 0, True, 0)
_WORD_BOUNDARY = _Part(frozenset({WORD_STARTS}), (), 0, 0, True, 0)


def need(pattern: re.Pattern[str]) -> Need:
    """The necessary conditions of a match of `pattern`."""
    part = _sequence(_parser.parse(pattern.pattern, pattern.flags))
    literals = tuple(frozenset(map(with_word_starts, literals_of_part)) for literals_of_part in part.rarest())
    return Need(literals, part.digits, part.run)


def fold(char: str) -> str:
    """The representative of all characters that `re.IGNORECASE` treats as equal to this one."""
    lower = char.lower()
    return lower if len(lower) == 1 else char


def with_word_starts(literal: str) -> str:
    """Mark where a word certainly begins: inside the literal, or at its head if the pattern requires a boundary there.

    A word begins too where a Latin letter or digit follows a character of another script (see `bounds`). Marks before
    other characters are dropped: what stands before the head of a literal is not known.
    """
    written = []
    previous, is_boundary = "", False
    for char in literal:
        if char == WORD_STARTS:
            is_boundary = True
            continue
        if starts_word(previous, char) if previous else is_boundary and is_latin(char):
            written.append(WORD_STARTS)
        written.append(char)
        previous, is_boundary = char, False
    return "".join(written)


def starts_word(previous: str, char: str) -> bool:
    """Whether `char` after `previous` begins a word or, inside one of another script, a Latin part."""
    return any(kind(char) and not kind(previous) for kind in (_is_word_char, is_latin))


def _is_word_char(char: str) -> bool:
    return _WORD_CHAR.match(char) is not None


def _sequence(items: Iterable[tuple[Any, Any]]) -> _Part:
    literals: list[frozenset[str] | None] = []
    stretch: frozenset[str] | None = frozenset({""})
    is_exact = tokens = True
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
            is_exact = False
            literals += [stretch, *part.literals]
            stretch = part.exact if part.exact is not None else frozenset({""})
        else:
            stretch = joined
    literals.append(stretch)
    return _Part(
        stretch if is_exact else None, _rarest(*literals), digits, max(best_run, run), tokens, length
    )


def _joined(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None or len(left) * len(right) > _MOST_STRINGS:
        return None
    return frozenset(a + b for a, b in product(left, right))


def _part(operator: str, argument: Any) -> _Part:
    if operator == "LITERAL":
        return _char(chr(argument))
    if operator == "IN":
        return _set(argument)
    if operator == "SUBPATTERN" and not argument[1] & re.ASCII:
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
        return _EMPTY  # matches no character: its neighbours are adjacent
    if operator in ("ANY", "NOT_LITERAL", "CATEGORY", "GROUPREF"):
        return _Part(None, (), 0, 0, False, 0)
    raise NotImplementedError(f"no prefilter for the regular-expression operator {operator}")


def _is_no_word_before(direction: int, items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether a negative assertion excludes a word character before, of any script or of Latin: (?<!\\w), `START`."""
    if direction >= 0 or len(items) != 1 or str(items[0][0]) != "IN":
        return False
    members = [(str(operator), str(argument)) for operator, argument in items[0][1]]
    if ("NEGATE", "None") in members:
        return False
    return ("CATEGORY", "CATEGORY_WORD") in members or _LATIN_MEMBERS.issubset(members)


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
    # Whichever branch matches contains a literal of the first sets, and one of the second sets.
    literals = tuple(
        frozenset().union(*sets) for sets in zip(*(part.rarest() for part in parts), strict=False)
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
    literals = part.rarest() if least else ()
    run = (least * part.length if part.tokens else part.run) if least else 0
    return _Part(exact, literals, least * part.digits, run, part.tokens, least * part.length)


def _commonness(literals: frozenset[str]) -> float:
    """Expected frequency of the literals in ordinary text; only the order of these values matters."""

    def share(char: str) -> float:
        if char == WORD_STARTS:
            return 0.2
        return 0.05 if char.isalpha() else 0.15 if char == " " else 0.02 if char in ".,'" else 0.001

    return sum(float(np.prod([share(char) for char in literal])) for literal in literals)


def _rarest(*sets: frozenset[str] | None) -> tuple[frozenset[str], ...]:
    """The two most selective sets; a set with the empty string is useless and left out."""
    usable = {
        literals for literals in sets if literals and all(literal.strip(WORD_STARTS) for literal in literals)
    }
    return tuple(sorted(usable, key=lambda literals: (_commonness(literals), sorted(literals)))[:2])


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
    """Every character that `re.IGNORECASE` treats as equal to this one, itself included."""
    return frozenset((char, *re.findall(re.escape(char), cased(), re.IGNORECASE)))


def guarded(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """A faster expression with the same matches, if few characters can begin one: it checks the first character first.

    `re` tries every branch at every place of a text unless all begin with letters of one case.
    """
    first, _ = _first(_parser.parse(pattern.pattern, pattern.flags))
    if first is None or len(first) > _MOST_FIRST:
        return pattern
    return re.compile(
        f"(?=(?-i:[{''.join(sorted(first))}]))(?:{pattern.pattern})", pattern.flags & ~re.UNICODE
    )


def _first(items: Iterable[tuple[Any, Any]]) -> tuple[frozenset[str] | None, bool]:
    """Characters that can begin a match, as members of a set in `re` (None: too many), and whether it can be empty."""
    starts: frozenset[str] = frozenset()
    for operator, argument in items:
        name = str(operator)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):
            continue
        first, empty = _first_of(name, argument)
        if first is None:
            return None, empty
        starts |= first
        if not empty:
            return starts, False
    return starts, True


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
        listed = [members for members in sets if members is not None]
        return frozenset().union(*listed) if len(listed) == len(sets) else None, False
    if name == "SUBPATTERN":
        return _first(argument[3])
    if name == "BRANCH":
        branches = [_first(branch) for branch in argument[1]]
        firsts = [first for first, _ in branches if first is not None]
        either = frozenset().union(*firsts) if len(firsts) == len(branches) else None
        return either, any(empty for _, empty in branches)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        first, empty = _first(argument[2])
        return first, empty or argument[0] == 0
    return None, name == "GROUPREF"
