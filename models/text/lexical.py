"""Find lexical near-duplicates: normalise, find candidates by MinHash, and decide by an edit ratio.

Works for every language, also those that no encoder knows. Two prompts are lexical near-duplicates when both the whole
prompt and the user message alone reach the edit ratio. So a long shared greeting does not make two different questions
duplicates.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Indel, LCSseq
from rapidfuzz.process import cpdist

from infra.compiled import compiled
from models.text.compatibility import nfkc

BANDS: Final = 32
"""MinHash bands. Each has two values of the whole prompt and two of the message, so both must be alike to collide."""

PROFILE_DIMENSION: Final = 256
"""Dimensions of the hashed character profile, which replaces an embedding in languages that no encoder knows."""

_WHOLE_SHINGLE: Final = 5
_MESSAGE_SHINGLE: Final = 3
_PAIRS_AT_ONCE: Final = 1_000_000
# Of 64 one-bit MinHash values two unrelated texts agree on 32; alike ones on far more (b-bit minwise hashing).
_SKETCH_AGREEMENT: Final = 34
_KEPT_CATEGORIES: Final = frozenset("LMNS")
_DIGITS: Final = 6
_COMPARED_WHOLE: Final = 8_000
"""Characters of a text that is compared as one piece: the cost of a comparison grows with the square."""

_SEEDS: Final = np.random.default_rng(20260101).integers(1, 2**32, size=(2, 64), dtype=np.uint32) | np.uint32(
    1
)
Uint32s = npt.NDArray[np.uint32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Normal:
    """Normalised form of a prompt: `whole` is all of it, `message` the user message in it."""

    whole: str
    message: str

    @property
    def key(self) -> int:
        """Signed 64-bit hash: equal for prompts that differ only in case, spacing and punctuation without a meaning."""
        digest = hashlib.blake2b(f"{self.message}\0{self.whole}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def normalise(prompt_text: str) -> Normal:
    """The normal form of a prompt text (character name, last assistant message, user message: one a line)."""
    *context, message = prompt_text.split("\n", 2)
    user_message, earlier = _normal(message), _normal(" ".join(context))
    return Normal(f"{earlier} {user_message}" if earlier else user_message, user_message)


class _Letters(dict[int, int]):
    """A table for `str.translate`: letters, marks, numbers and symbols stay, all else becomes a space."""

    def __missing__(self, code: int) -> int:
        replacement = code if unicodedata.category(chr(code))[0] in _KEPT_CATEGORIES else ord(" ")
        self[code] = replacement
        return replacement


_LETTERS: Final = _Letters()

# Punctuation that carries meaning is told by its neighbours: `12*4` is not `12/4`, `C#` is not `C`, but `Hello!!` is
# `hello`. An operand is a number, a letter alone, or what stands in brackets; between two of them an operator stays.
_OPERATORS: Final = r"*/&+^|<>=‐‑‒–−\-"
_LEFT: Final = r"(?:(?<=[\d)\]].)|(?<=[\d)\]]\s.)|(?<=\b\w.)|(?<=\b\w\s.))"
_RIGHT: Final = r"(?=\s?-?[\d(\[.]|\s?-?[^\W\d_]\b)"
_MEANT: Final = re.compile(
    # It begins with the sign, so that a search goes from sign to sign; what stands before is looked at behind it.
    rf"(?P<sign>[{_OPERATORS}%‰٪#!().,:])(?:"
    # Set off by spaces, so that spelling it with or without is the same.
    rf"(?<=[{_OPERATORS}])(?P<operator>{_LEFT}[*/&|=]?{_RIGHT})"
    rf"|(?<=!)(?P<unequal>{_LEFT}={_RIGHT})"
    r"|(?<=[%‰٪])(?P<share>(?<=\d.)|(?<=\d\s.))"
    r"|(?<=\()(?P<opened>(?:(?<=[*/+^=<>&|-].)|(?<=[*/+^=<>&|-]\s.))(?=\s?[-(]?\w))"
    r"|(?<=\))(?P<closed>(?=\s?(?:[*/+^=<>]|[-−]\s?[\d(])))"
    # Between digits (decimals, times, ratios), signs of numbers, and signs within a name.
    r"|(?P<within>(?<=\d[.,:])(?=\d)|(?<=[-−])(?<![\w)\]].)(?=\.?\d)|(?<=\w\*)(?=\w)"
    r"|(?<=\b[^\W\d_]\#)(?!\w)|(?<=\.)(?<!\S.)(?=[^\W\d_]{2})))"
)
_DASHES: Final = str.maketrans("‐‑‒–−", "-----")
# Whether any of this can be in a text: nine of ten chat messages have no such sign, and are not searched for more.
_SIGNS: Final = f"{_OPERATORS}%‰٪#"
_MAY_BE_MEANT: Final = re.compile(f"[0-9{_SIGNS}]"), re.compile(rf"[\d{_SIGNS}]")
"""In ASCII, and in any text."""
_DOTTED_NAME: Final = re.compile(r" \.[^\W\d_]{2}")


def _normal(text: str) -> str:
    folded = nfkc(text).casefold()
    words = _with_meaning(folded) if _may_be_meant(folded) else folded.translate(_LETTERS)
    # Keep messages that are all punctuation, such as "!!!" and "?": otherwise they would all be equal.
    return " ".join(words.split()) or " ".join(folded.split())


def _may_be_meant(folded: str) -> bool:
    signs = _MAY_BE_MEANT[0 if folded.isascii() else 1]
    return signs.search(folded) is not None or folded.startswith(".") or bool(_DOTTED_NAME.search(folded))


def _with_meaning(folded: str) -> str:
    """The text without punctuation, but for that which carries meaning."""
    parts: list[str] = []
    place = 0
    for match in _MEANT.finditer(folded):
        sign = match.group().translate(_DASHES)
        around = "" if match.lastgroup == "within" else " "
        parts += [folded[place : match.start()].translate(_LETTERS), around, sign, around]
        place = match.end()
    return "".join([*parts, folded[place:].translate(_LETTERS)])


@dataclass(frozen=True)
class Signatures:
    """MinHash of n prompts: `bands` (n, BANDS) keys of the buckets, and (n,) one-bit sketches of 64 values a part."""

    bands: Int64s
    whole_sketch: Int64s
    message_sketch: Int64s


def signatures(normals: Sequence[Normal]) -> Signatures:
    """MinHash signatures of prompts; each depends on its prompt only, and is the same on every machine."""
    whole = _minima(*_codes([n.whole for n in normals]), _WHOLE_SHINGLE, _SEEDS[0])
    message = _minima(*_codes([n.message for n in normals]), _MESSAGE_SHINGLE, _SEEDS[1])
    return Signatures(_bands(whole, message), _sketches(whole), _sketches(message))


def _codes(texts: Sequence[str]) -> tuple[Uint32s, Int64s]:
    """Code points of all texts, each padded by a space on both sides, and where each text ends."""
    codes = np.frombuffer("".join([f" {text} " for text in texts]).encode("utf-32-le"), dtype=np.uint32)
    return codes, np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 2)


@compiled(nogil=True)
def _scrambled(value: np.uint32) -> np.uint32:
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled(nogil=True)
def _shingle(codes: Uint32s, start: int, stop: int) -> np.uint32:
    """Hash of the characters start..stop-1."""
    value = np.uint32(0)
    for place in range(start, stop):
        value = np.uint32(np.uint32(value ^ codes[place]) * np.uint32(0x9E3779B1))
        value = np.uint32(value ^ (value >> np.uint32(15)))
    return _scrambled(value)


@compiled(nogil=True)
def _minima(codes: Uint32s, ends: Int64s, length: int, seeds: Uint32s) -> Uint32s:
    """Minimum of each hash function over the shingles of each text; shape (texts, seeds)."""
    minima = np.full((len(ends), len(seeds)), np.uint32(0xFFFFFFFF), dtype=np.uint32)
    start = 0
    for text in range(len(ends)):
        row, end = minima[text], ends[text]
        for place in range(start, max(end - length, start) + 1):
            shingle = _shingle(codes, place, min(place + length, end))
            # The shingle's hash is mixed already: an odd multiplier is enough to reorder it.
            for function in range(len(seeds)):
                row[function] = min(row[function], np.uint32(shingle * seeds[function]))
        start = end
    return minima


@compiled(nogil=True)
def _profiles(codes: Uint32s, ends: Int64s, length: int, dimension: int) -> Floats:
    counts = np.zeros((len(ends), dimension))
    start = 0
    for text in range(len(ends)):
        for place in range(start, max(ends[text] - length, start) + 1):
            counts[text, _shingle(codes, place, min(place + length, ends[text])) % dimension] += 1.0
        start = ends[text]
    return counts


def _bands(whole: Uint32s, message: Uint32s) -> Int64s:
    rows = np.concatenate([whole[:, : 2 * BANDS], message[:, : 2 * BANDS]], axis=1).astype(np.uint64)
    keys = np.tile(np.arange(BANDS, dtype=np.uint64), (len(rows), 1))
    with np.errstate(over="ignore"):
        for row in range(4):
            keys = (keys ^ rows[:, row * BANDS : (row + 1) * BANDS]) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
    return keys.view(np.int64)


def _sketches(minima: Uint32s) -> Int64s:
    # The high bits of a minimum are mostly 0; its low bits are close to random.
    bits = np.packbits(((minima >> np.uint32(3)) & np.uint32(1)).astype(np.uint8), axis=1)
    return np.ascontiguousarray(bits).view(np.int64)[:, 0]


def meeting_pairs(
    keys: Int64s, whole_sketches: Int64s, message_sketches: Int64s
) -> Iterator[tuple[Int64s, Int64s]]:
    """Pairs of rows that share a key and whose sketches agree, in chunks of bounded size.

    Args:
        keys, whole_sketches, message_sketches: (n,) one row per (prompt, band).

    Yields:
        Two arrays of row numbers, first < second.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    # Position r pairs with r+1 .. end of its bucket - 1.
    partners = np.repeat(ends, ends - starts) - np.arange(len(ordered)) - 1
    cursor = 0
    totals = np.cumsum(partners)
    while cursor < len(ordered):
        base = totals[cursor - 1] if cursor else 0
        stop = max(cursor + 1, int(np.searchsorted(totals, base + _PAIRS_AT_ONCE, side="right")))
        count = partners[cursor:stop]
        left = np.repeat(np.arange(cursor, stop), count)
        if len(left):
            within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
            a, b = order[left], order[left + 1 + within]
            alike = _agreement(whole_sketches, a, b) & _agreement(message_sketches, a, b)
            if alike.any():
                yield np.minimum(a, b)[alike], np.maximum(a, b)[alike]
        cursor = stop


def _agreement(sketches: Int64s, a: Int64s, b: Int64s) -> npt.NDArray[np.bool_]:
    return sketches_agree(sketches[a], sketches[b])


def sketches_agree(first: Int64s, second: Int64s) -> npt.NDArray[np.bool_]:
    """Whether two sketches are alike enough to compute the edit ratio; shapes broadcast as in numpy."""
    differing = np.bitwise_count((first ^ second).view(np.uint64))
    return np.asarray(differing <= 64 - _SKETCH_AGREEMENT)


def similarities(first: Sequence[Normal], second: Sequence[Normal], threshold: float) -> Floats:
    """The smaller edit ratio (Indel: 2·LCS/(|a|+|b|)) of whole prompt and message of each pair; shape (n,).

    Texts over 8,000 characters are compared piece by piece, each with the one at the same place: never more than their
    ratio, and a little less where a text goes on after an insertion. Rounded to six digits; 0 where one of the two is
    below threshold.
    """
    ratios = _edit_ratios([n.message for n in first], [n.message for n in second], threshold)
    open_rows = np.flatnonzero(ratios).tolist()
    whole = _edit_ratios([first[i].whole for i in open_rows], [second[i].whole for i in open_rows], threshold)
    ratios[open_rows] = np.where(whole > 0, np.minimum(ratios[open_rows], whole), 0.0)
    return ratios


def _edit_ratios(first: Sequence[str], second: Sequence[str], threshold: float) -> Floats:
    # The cut-off is applied after rounding, so what rounds up to the threshold must come back.
    lowest = threshold - 10.0**-_DIGITS
    long = {
        row: _ratio_of_pieces(a, b)
        for row, (a, b) in enumerate(zip(first, second, strict=True))
        if len(a) > _COMPARED_WHOLE or len(b) > _COMPARED_WHOLE
    }
    if long:
        first, second = (
            ["" if row in long else text for row, text in enumerate(texts)] for texts in (first, second)
        )
    ratios = cpdist(first, second, scorer=Indel.normalized_similarity, score_cutoff=lowest, dtype=np.float64)
    ratios[list(long)] = list(long.values())
    ratios = np.round(ratios, _DIGITS)
    return np.where(ratios >= threshold, ratios, 0.0)


def _ratio_of_pieces(first: str, second: str) -> float:
    """A lower bound of the edit ratio: the common subsequences of aligned pieces are one of the texts."""
    common = sum(
        LCSseq.similarity(first[start : start + _COMPARED_WHOLE], second[start : start + _COMPARED_WHOLE])
        for start in range(0, min(len(first), len(second)), _COMPARED_WHOLE)
    )
    return 2.0 * common / (len(first) + len(second))


def profiles(normals: Sequence[Normal]) -> npt.NDArray[np.float32]:
    """Hashed character-trigram profiles, shape (n, PROFILE_DIMENSION), unit length.

    They only find the nearest kept turn of a prompt that no encoder knows; they never decide on a duplicate.
    """
    counts = _profiles(*_codes([n.whole for n in normals]), _MESSAGE_SHINGLE, PROFILE_DIMENSION)
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True), dtype=np.float32)
