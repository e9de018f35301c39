"""The prefilter: select in one pass over a text's characters the rules that can match it.

The needs of a rule are derived from its regular expression, so they always agree with it. One Aho–Corasick automaton
checks the needs of all rules. A need is a necessary condition: a rule whose need is not met has no match, so the
prefilter loses no span.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.compiled import compiled
from models.screening.privacy.bounds import LATIN
from models.screening.privacy.expression import (
    TOKEN_CHARS,
    WORD_STARTS,
    Need,
    characters,
    fold,
    variants,
    with_word_starts,
)
from models.screening.privacy.number_words import HAN_DIGITS

_MOST_DIGITS, _LONGEST_RUN, _MOST_WORDS = 31, 63, 15
_DIGIT, _TOKEN, _SIGN, _LETTER, _PRINTABLE, _WORD, _HAN, _LATIN = 1, 2, 4, 8, 16, 32, 64, 128
# Bits of a mask above those of the rules: the text may have a further view.
_MOST_RULES = 254
SPELLED, SPOKEN = 1 << _MOST_RULES + 1, 1 << _MOST_RULES
_HAN_CHARS = "".join(HAN_DIGITS)
_MASK_BITS = 64  # a mask is scanned in words of this size


class Gate:
    """The needs of rules, checked together. Bit i of a mask is set where the i-th rule may match.

    A mask has as many bits as there are rules.

    `SPELLED` and `SPOKEN` are set where `models.screening.privacy.view` may find spelled-out tokens or spoken digits,
    given the digit words of those views and how many digits each of them adds.
    """

    def __init__(self, needs: Sequence[Need], words: Mapping[str, int]) -> None:
        """Build the automaton. Raises ValueError for more rules than a mask has bits."""
        if len(needs) > _MOST_RULES:
            raise ValueError(f"{len(needs)} rules do not fit into {_MOST_RULES} bits")
        outputs: dict[str, list[int]] = {}
        always = [0, 0]
        for bit, requirement in enumerate(needs):
            for place in (0, 1):
                literals = requirement.literals[place : place + 1]
                always[place] |= (not literals) << bit
                for literal in chain(*literals):
                    outputs.setdefault(literal, [0, 0])[place] |= 1 << bit
        size = max(1, -(-len(needs) // _MASK_BITS))
        self._always = _in_words(always, size)
        self._digits = _in_words(_thresholds([n.digits for n in needs], _MOST_DIGITS), size)
        self._runs = _in_words(_thresholds([n.run for n in needs], _LONGEST_RUN), size)
        self._phrases = _in_words(_thresholds([n.words for n in needs], _MOST_WORDS), size)
        words = {with_word_starts("".join(map(fold, word))): digits for word, digits in words.items()}
        alphabet = sorted(set("".join([*outputs, *words])))
        self._classes, self._kinds, ids = _char_classes(alphabet)
        self._next, out, self._word, self._weight = _automaton(outputs, words, ids, len(self._kinds) + 1)
        self._out = _in_words([bits for both in out for bits in both], size).reshape(-1, 2, size)
        self._ends = self._out.any(axis=(1, 2))

    def masks(self, texts: Sequence[str]) -> list[int]:
        """One mask a text."""
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        rules, spelled, spoken = _scan(
            codes, sizes, self._classes, self._kinds, self._next, self._out, self._ends, self._word,
            self._weight, self._digits, self._runs, self._phrases, self._always,
        )  # fmt: skip
        masks: list[int] = rules[:, 0].tolist()
        for word in range(1, rules.shape[1]):
            for text in np.flatnonzero(rules[:, word]).tolist():
                masks[text] |= int(rules[text, word]) << _MASK_BITS * word
        for bit, texts_with in ((SPELLED, spelled), (SPOKEN, spoken)):
            for text in np.flatnonzero(texts_with).tolist():
                masks[text] |= bit
        return masks


def _in_words(masks: Sequence[int], size: int) -> NDArray[np.uint64]:
    """Each mask as a row of `size` words, the lowest bits first."""
    data = b"".join(mask.to_bytes(size * _MASK_BITS // 8, "little") for mask in masks)
    return np.frombuffer(data, np.dtype("<u8")).astype(np.uint64).reshape(len(masks), size)


def _thresholds(least: Sequence[int], most: int) -> list[int]:
    """By count (capped at `most`): the bits of the rules that need at most that many."""
    return [sum((min(n, most) <= count) << bit for bit, n in enumerate(least)) for count in range(most + 1)]


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """The kinds of each code point."""
    kinds_of = np.zeros(0x110000, np.uint8)
    for kind, pattern in (
        (_DIGIT, r"\d"), (_TOKEN, TOKEN_CHARS.pattern), (_SIGN, r"[ .\-_]"),
        (_LETTER, rf"[^\W\d_{_HAN_CHARS}]|[\u0900-\u0903\u093a-\u094f\u0951-\u0957]"), (_PRINTABLE, "[!-~]"),
        (_WORD, r"\w"), (_HAN, f"[{_HAN_CHARS}]"), (_LATIN, f"[{LATIN}]"),
    ):  # fmt: skip
        members = re.compile(pattern, re.IGNORECASE if kind in (_TOKEN, _LATIN) else 0).findall(characters())
        kinds_of[np.fromiter(map(ord, members), np.int64, len(members))] |= kind
    return kinds_of


def _char_classes(
    alphabet: Sequence[str],
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], dict[str, list[int]]]:
    """The class of each code point, the kinds of each class, and the class of each folded literal character."""
    kinds_of = _kinds()
    letter_of = np.zeros(0x110000, np.int32)
    for index, char in enumerate(alphabet, start=1):
        if char == WORD_STARTS:
            continue
        letter_of[[ord(variant) for variant in variants(char)]] = index
    combined = letter_of * 256 + kinds_of
    present = np.bincount(combined) > 0  # a sort of every code point would take most of the time
    pairs, classes = np.flatnonzero(present), (np.cumsum(present) - 1)[combined]
    # A folded character has variants of several kinds: their classes move alike.
    ids = {
        char: [int(c) for c in np.flatnonzero(pairs // 256 == index)]
        for index, char in enumerate(alphabet, 1)
    }
    kinds = (pairs % 256).astype(np.uint8)
    ids[WORD_STARTS] = [len(kinds)]
    return classes.astype(np.uint16), kinds, ids


def _automaton(
    outputs: Mapping[str, Sequence[int]],
    words: Mapping[str, int],
    ids: Mapping[str, Sequence[int]],
    classes: int,
) -> tuple[NDArray[np.uint16], list[list[int]], NDArray[np.int32], NDArray[np.int32]]:
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
            word[state], weight[state] = len(literal.replace(WORD_STARTS, "")), words[literal]
    table = np.zeros((len(moves), classes), np.uint16)
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
    return table, out, np.array(word, np.int32), np.array(weight, np.int32)


@compiled(nogil=True)
def _scan(
    codes: Any, sizes: Any, classes: Any, kinds: Any, moves: Any, out: Any, ends: Any, word: Any, weight: Any,
    digit_bits: Any, run_bits: Any, phrase_bits: Any, always: Any,
) -> Any:  # fmt: skip
    """The masks of the rules, in words, and whether a text may have spelled-out tokens or spoken digits."""
    size_of_mask = always.shape[1]
    masks = np.zeros((len(sizes), size_of_mask), np.uint64)
    is_spelled, is_spoken = np.zeros(len(sizes), np.bool_), np.zeros(len(sizes), np.bool_)
    second_bits = np.zeros(size_of_mask, np.uint64)
    word_starts = len(kinds)
    begin = 0
    for text in range(len(sizes)):
        end = begin + sizes[text]
        state = digits = run = longest = letters = phrase = most_words = 0
        bits = masks[text]
        bits[:], second_bits[:] = always[0], always[1]
        # The two runs of units that ended last: a sign may be a unit itself ('a-.-b'), so runs may interleave.
        spelled = earlier = best_spelled = 0
        spelled_end = earlier_end = -9
        spoken = best_spoken = 0
        spoken_end = -9
        has_word = False
        kind = np.uint8(0)
        for i in range(begin, end):
            previous, char = kind, classes[codes[i]]
            kind = kinds[char]
            if kind & ~previous & (_WORD | _LATIN):
                state = moves[state, word_starts]
            state = moves[state, char]
            if ends[state]:
                for part in range(size_of_mask):
                    bits[part] |= out[state, 0, part]
                    second_bits[part] |= out[state, 1, part]
            unit = 0  # its length
            unit_digits = 0  # the digits it adds
            if kind & _TOKEN:
                run += 1
                longest = max(longest, run)
            else:
                run = 0
            if kind & _LETTER:
                letters += 1
            elif letters:
                phrase = phrase + 1 if 3 <= letters <= 8 else 0
                most_words = max(most_words, phrase)
                letters = 0
            if kind & _DIGIT:
                digits += 1
                unit = unit_digits = 1
            size = word[state]
            is_word = False
            if (
                size
                and (i + 1 == end or not kinds[classes[codes[i + 1]]] & _LETTER)
                and (i - size < begin or not kinds[classes[codes[i - size]]] & _LETTER)
            ):
                unit, unit_digits, is_word = size, weight[state], True
            elif kind & _HAN:
                unit = unit_digits = 1
            if unit:
                # Digit words and digits at most three characters apart: how many digits they may spell.
                if i - unit - spoken_end > 3:
                    spoken, has_word = 0, False
                spoken += unit_digits
                has_word = has_word or is_word or kind & _HAN != 0
                if has_word:
                    best_spoken = max(best_spoken, spoken)
                spoken_end = i
            # Single characters and digit words with one sign between them.
            single = (
                previous & _SIGN
                and kind & _PRINTABLE
                and i + 1 < end
                and kinds[classes[codes[i + 1]]] & _SIGN
            )
            if single or is_word:
                first = i if single else i - size + 1
                length = 1
                if first == spelled_end + 2:
                    length += spelled
                elif first == earlier_end + 2:
                    length += earlier
                earlier, earlier_end = spelled, spelled_end
                spelled, spelled_end = length, i
                best_spelled = max(best_spelled, spelled)
        if 3 <= letters <= 8:
            most_words = max(most_words, phrase + 1)
        enough_digits = digit_bits[min(digits, len(digit_bits) - 1)]
        long_run = run_bits[min(longest, len(run_bits) - 1)]
        long_phrase = phrase_bits[min(most_words, len(phrase_bits) - 1)]
        for part in range(size_of_mask):
            bits[part] &= second_bits[part] & enough_digits[part] & long_run[part] & long_phrase[part]
        is_spelled[text], is_spoken[text] = best_spelled >= 4, best_spoken >= 5
        begin = end
    return masks, is_spelled, is_spoken
