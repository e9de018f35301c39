"""The prefilter: which rules can match a text at all, decided in one pass over its characters.

What a rule needs is read from its own regular expression, so the two cannot drift apart: every match holds one of
some literals, a number of digits, and a run of token characters (the literal factors of Cox, "Regular Expression
Matching with a Trigram Index", 2012). All needs of all rules are checked by one Aho–Corasick automaton. A need
is a necessary condition, so a rule whose need is not met has no match: the prefilter loses nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, product
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_parser: Any = re._parser  # type: ignore[attr-defined]  # the parser of `re` itself: no second reading of a pattern
_TOKEN_CHARS = re.compile(r"[A-Za-z0-9_/+=\-]", re.IGNORECASE)
_TOKEN_ASCII = frozenset(filter(_TOKEN_CHARS.match, map(chr, range(128))))
_MOST_STRINGS, _MOST_CHOICES = 800, 6
_MOST_DIGITS, _LONGEST_RUN = 31, 63

_DIGIT, _TOKEN, _SIGN, _LETTER, _PRINTABLE, _WORD = 1, 2, 4, 8, 16, 32
# Bits of a mask above those of the rules: the text may have a further view.
SPELLED, SPOKEN = 1 << 62, 1 << 61
_MOST_RULES = 60


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


# In a literal: here a word begins. The scan passes it before each first character of a word.
_WORD_STARTS = "\b"
_WORD_CHAR = re.compile(r"\w")
_EMPTY = _Part(frozenset({""}), (), 0, 0, True, 0)
_WORD_BOUNDARY = _Part(frozenset({_WORD_STARTS}), (), 0, 0, True, 0)


def need(pattern: re.Pattern[str]) -> Need:
    """What every match of `pattern` holds."""
    part = _sequence(_parser.parse(pattern.pattern, pattern.flags))
    literals = tuple(frozenset(map(_with_word_starts, one)) for one in part.known())
    return Need(literals, part.digits, part.run)


def fold(char: str) -> str:
    """The character that stands for all that `re.IGNORECASE` takes for this one."""
    lower = char.lower()
    return lower if len(lower) == 1 else char


def _with_word_starts(literal: str) -> str:
    """The literal with a mark where a word begins for certain: inside it, or at its head if a boundary was asked for.

    Marks that say nothing here (before a character of no word) are dropped.
    """
    written = []
    for index, char in enumerate(literal):
        if char == _WORD_STARTS:
            continue
        previous = literal[index - 1] if index else ""
        if _WORD_CHAR.match(char) and previous and not _WORD_CHAR.match(previous):
            written.append(_WORD_STARTS)
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
        if char == _WORD_STARTS:
            return 0.2
        return 0.05 if char.isalpha() else 0.15 if char == " " else 0.02 if char in ".,'" else 0.001

    return sum(float(np.prod([share(char) for char in literal])) for literal in literals)


def _rarest(*sets: frozenset[str] | None) -> tuple[frozenset[str], ...]:
    """The two sets that say most; a set with the empty string says nothing."""
    known = {one for one in sets if one and all(literal.strip(_WORD_STARTS) for literal in one)}
    return tuple(sorted(known, key=lambda one: (_commonness(one), sorted(one)))[:2])


@lru_cache(maxsize=1)
def _characters() -> str:
    return "".join(map(chr, range(0x110000)))


@lru_cache(maxsize=1)
def _cased() -> str:
    """Every character that has another case."""
    return "".join(char for char in _characters() if char.lower() != char or char.upper() != char)


class Gate:
    """The needs of rules, checked together. Bit i of a mask is set where the i-th rule may match.

    `SPELLED` and `SPOKEN` are set where `models.privacy.view` may find spelled-out tokens or spoken digits, given
    the digit words of those views and how many digits each of them adds.
    """

    def __init__(self, needs: Sequence[Need], words: Mapping[str, int]) -> None:
        """Build the automaton. Raises ValueError for more rules than a mask has bits."""
        if len(needs) > _MOST_RULES:
            raise ValueError(f"{len(needs)} rules do not fit into {_MOST_RULES} bits")
        outputs: dict[str, list[int]] = {}
        always = [0, 0]
        for bit, one in enumerate(needs):
            for place in (0, 1):
                literals = one.literals[place : place + 1]
                always[place] |= (not literals) << bit
                for literal in chain(*literals):
                    outputs.setdefault(literal, [0, 0])[place] |= 1 << bit
        self._always = np.array(always, np.uint64)
        self._digits = _thresholds([one.digits for one in needs], _MOST_DIGITS)
        self._runs = _thresholds([one.run for one in needs], _LONGEST_RUN)
        words = {_with_word_starts("".join(map(fold, word))): digits for word, digits in words.items()}
        alphabet = sorted(set("".join([*outputs, *words])))
        self._classes, self._kinds, ids = _char_classes(alphabet)
        self._next, self._out, self._word, self._weight = _automaton(
            outputs, words, ids, len(self._kinds) + 1
        )

    def masks(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        """One mask a text."""
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        masks: NDArray[np.uint64] = _scan(
            codes, sizes, self._classes, self._kinds, self._next, self._out, self._word, self._weight,
            self._digits, self._runs, self._always,
        )  # fmt: skip
        return masks


def _thresholds(least: Sequence[int], most: int) -> NDArray[np.uint64]:
    """By count (capped at `most`): the bits of the rules that are content with it."""
    return np.array(
        [sum((min(n, most) <= count) << bit for bit, n in enumerate(least)) for count in range(most + 1)],
        np.uint64,
    )


def _char_classes(
    alphabet: Sequence[str],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[str, list[int]]]:
    """The class of each code point, the kinds of each class, and the class of each folded literal character."""
    kinds_of = np.zeros(0x110000, np.uint8)
    for kind, pattern in (
        (_DIGIT, r"\d"), (_TOKEN, _TOKEN_CHARS.pattern), (_SIGN, r"[ .\-_]"),
        (_LETTER, r"[^\W\d_]|[\u0900-\u0903\u093a-\u094f\u0951-\u0957]"), (_PRINTABLE, "[!-~]"), (_WORD, r"\w"),
    ):  # fmt: skip
        members = re.compile(pattern, re.IGNORECASE if kind == _TOKEN else 0).findall(_characters())
        kinds_of[np.fromiter(map(ord, members), np.int64, len(members))] |= kind
    letter_of = np.zeros(0x110000, np.int32)
    for index, char in enumerate(alphabet, start=1):
        if char == _WORD_STARTS:
            continue
        variants = {char, *re.findall(re.escape(char), _cased(), re.IGNORECASE)}
        letter_of[[ord(variant) for variant in variants]] = index
    pairs, classes = np.unique(letter_of * 256 + kinds_of, return_inverse=True)
    if len(pairs) > 255:
        raise ValueError("more character classes than a byte can tell apart")
    # A folded character has variants of several kinds: their classes move alike.
    ids = {
        char: [int(c) for c in np.flatnonzero(pairs // 256 == index)]
        for index, char in enumerate(alphabet, 1)
    }
    kinds = (pairs % 256).astype(np.uint8)
    ids[_WORD_STARTS] = [len(kinds)]
    return classes.astype(np.uint8), kinds, ids


def _automaton(
    outputs: Mapping[str, Sequence[int]],
    words: Mapping[str, int],
    ids: Mapping[str, Sequence[int]],
    classes: int,
) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32]]:
    """Aho–Corasick: the next state by class; by state the rules, the longest digit word that ends there, its digits."""
    moves: list[dict[str, int]] = [{}]
    out, word, weight = [[0, 0]], [0], [0]
    for literal in sorted({*outputs, *words}):
        state = 0
        for char in literal:
            if char not in moves[state]:
                moves[state][char] = len(moves)
                moves.append({})
                out.append([0, 0])
                word.append(0)
                weight.append(0)
            state = moves[state][char]
        out[state] = list(outputs.get(literal, (0, 0)))
        if literal in words:
            word[state], weight[state] = len(literal.replace(_WORD_STARTS, "")), words[literal]
    table = np.zeros((len(moves), classes), np.int32)
    fail = [0] * len(moves)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        if state:
            table[state] = table[fail[state]]
        for char, following in moves[state].items():
            if state:
                fail[following] = int(table[fail[state], ids[char][0]])
            queue.append(following)
        for char, following in moves[state].items():
            table[state, ids[char]] = following
        if state:
            out[state] = [a | b for a, b in zip(out[state], out[fail[state]], strict=True)]
            if not word[state]:
                word[state], weight[state] = word[fail[state]], weight[fail[state]]
    return table, np.array(out, np.uint64), np.array(word, np.int32), np.array(weight, np.int32)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scan(
    codes: Any, sizes: Any, classes: Any, kinds: Any, moves: Any, out: Any, word: Any, weight: Any,
    digit_bits: Any, run_bits: Any, always: Any,
) -> Any:  # fmt: skip
    masks = np.zeros(len(sizes), np.uint64)
    word_starts = len(kinds)
    begin = 0
    for text in range(len(sizes)):
        end = begin + sizes[text]
        state = digits = run = longest = 0
        bits, more = always
        spelled = spelled_end = best_spelled = 0
        spoken = best_spoken = 0
        spoken_end = -9
        has_word = False
        in_word = False
        for i in range(begin, end):
            kind = kinds[classes[codes[i]]]
            if kind & _WORD and not in_word:
                state = moves[state, word_starts]
            in_word = kind & _WORD != 0
            state = moves[state, classes[codes[i]]]
            if out[state, 0] or out[state, 1]:
                bits |= out[state, 0]
                more |= out[state, 1]
            unit = 0  # its length
            worth = 0
            if kind & _TOKEN:
                run += 1
                longest = max(longest, run)
            else:
                run = 0
            if kind & _DIGIT:
                digits += 1
                unit = worth = 1
            size = word[state]
            is_word = False
            if (
                size
                and (i + 1 == end or not kinds[classes[codes[i + 1]]] & _LETTER)
                and (i - size < begin or not kinds[classes[codes[i - size]]] & _LETTER)
            ):
                unit, worth, is_word = size, weight[state], True
            if unit:
                # Digit words and digits at most three characters apart: how many digits they may spell.
                if i - unit - spoken_end > 3:
                    spoken, has_word = 0, False
                spoken += worth
                has_word = has_word or is_word
                if has_word:
                    best_spoken = max(best_spoken, spoken)
                spoken_end = i
            # Single characters and digit words with one sign between them.
            single = (
                kind & _PRINTABLE
                and i > begin
                and i + 1 < end
                and kinds[classes[codes[i - 1]]] & _SIGN
                and kinds[classes[codes[i + 1]]] & _SIGN
            )
            if single or is_word:
                first = i if single else i - size + 1
                spelled = spelled + 1 if spelled and first == spelled_end + 2 else 1
                spelled_end = i
                best_spelled = max(best_spelled, spelled)
        bits &= (
            more & digit_bits[min(digits, len(digit_bits) - 1)] & run_bits[min(longest, len(run_bits) - 1)]
        )
        if best_spelled >= 4:
            bits |= np.uint64(1) << np.uint64(62)
        if best_spoken >= 5:
            bits |= np.uint64(1) << np.uint64(61)
        masks[text] = bits
        begin = end
    return masks
