"""Hashed word and character n-grams of texts in any script, as sparse rows; fast enough to read all traffic.

A token is a run of letters and digits, or one sign, emoji or Chinese character. Features are words, pairs and
triples of neighbouring words, and the character n-grams of each word with its edges marked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from infra.compiled import compiled
from models.screening.privacy.detect import joined_views
from models.screening.privacy.view import normalised

RECIPE = "ngrams-2"
BUCKETS = 1 << 18
_WORD_SIZES = 3
_CHARACTER_SIZES = (3, 5)
_SEED = 2166136261
_PRIME = 16777619
_PER_CHARACTER = _CHARACTER_SIZES[1] - _CHARACTER_SIZES[0] + 1 + _WORD_SIZES + 2
_DIGIT = re.compile(r"\d")
_STRETCHED = re.compile(r"(.)\1{3,}")


def features(texts: Sequence[str]) -> sparse.csr_matrix:
    """Counts of hashed n-grams, shape (len(texts), BUCKETS), float32; obfuscations are undone first."""
    views = [normalised(text) for text in texts]
    codes = [_codes((joined or view).text) for view, joined in zip(views, joined_views(views), strict=True)]
    ends = np.cumsum([len(code) for code in codes], dtype=np.int64) if codes else np.zeros(0, np.int64)
    flat = np.concatenate(codes) if codes else np.zeros(0, np.uint32)
    rows, buckets, counts = _count(flat, ends)
    return sparse.csr_matrix((counts, buckets, rows), shape=(len(texts), BUCKETS))


def _codes(text: str) -> npt.NDArray[np.uint32]:
    plain = _DIGIT.sub("0", _STRETCHED.sub(r"\1\1", text.lower()))
    return np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@compiled()
def _kind(code: int) -> int:
    """0 space, 1 part of a word, 2 a token of its own."""
    if code <= 32 or code == 0xA0 or code == 0x3000 or 0x2000 <= code <= 0x200D:
        return 0
    if code < 128:
        return 1 if 48 <= code <= 57 or 97 <= code <= 122 or 65 <= code <= 90 or code == 39 else 2
    if 0x2010 <= code <= 0x2BFF or 0x3001 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or code >= 0xFE00:
        return 2
    return 2 if code in (0xA1, 0xAB, 0xBB, 0xBF) else 1


@compiled()
def _count(
    flat: npt.NDArray[np.uint32], ends: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """CSR parts: row pointers, buckets (rising within a row), counts."""
    rows = np.zeros(len(ends) + 1, np.int64)
    buckets = np.empty(len(flat) * _PER_CHARACTER + 1, np.int32)
    counts = np.empty(len(buckets), np.float32)
    written = 0
    begin = 0
    for row in range(len(ends)):
        row_buckets = np.empty((ends[row] - begin) * _PER_CHARACTER + 1, np.int32)
        size = _hashed(flat[begin : ends[row]], row_buckets)
        ordered = np.sort(row_buckets[:size])
        for index in range(size):
            if index and ordered[index] == ordered[index - 1]:
                counts[written - 1] += 1
            else:
                buckets[written] = ordered[index]
                counts[written] = 1
                written += 1
        begin = ends[row]
        rows[row + 1] = written
    return rows, buckets[:written].copy(), counts[:written].copy()


@compiled()
def _hashed(text: npt.NDArray[np.uint32], buckets: npt.NDArray[np.int32]) -> int:
    """Write the bucket of every n-gram of one text to `buckets`; returns how many there are."""
    size = 0
    before = np.zeros(_WORD_SIZES - 1, np.uint32)  # hashes of the words before, the nearest first
    place = 0
    while place < len(text):
        kind = _kind(text[place])
        if kind == 0:
            place += 1
            continue
        end = place + 1
        while kind == 1 and end < len(text) and _kind(text[end]) == 1:
            end += 1
        word = np.uint32(_SEED)
        for index in range(place, end):
            word = np.uint32((word ^ text[index]) * np.uint32(_PRIME))
        grown = word
        buckets[size] = _bucket(word)
        size += 1
        for step in range(_WORD_SIZES - 1):
            if before[step] == 0:
                break
            grown = np.uint32((grown ^ before[step]) * np.uint32(_PRIME) + np.uint32(step + 1))
            buckets[size] = _bucket(grown)
            size += 1
        if kind == 1:
            size = _characters(text[place:end], buckets, size)
        for step in range(_WORD_SIZES - 2, 0, -1):
            before[step] = before[step - 1]
        before[0] = word if word else np.uint32(1)
        place = end
    return size


@compiled()
def _characters(word: npt.NDArray[np.uint32], buckets: npt.NDArray[np.int32], size: int) -> int:
    """Character n-grams of one word between two edge marks."""
    padded = len(word) + 2
    for start in range(padded):
        value = np.uint32(_SEED + 7)
        for end in range(start, min(start + _CHARACTER_SIZES[1], padded)):
            code = np.uint32(32) if end == 0 or end == padded - 1 else word[end - 1]
            value = np.uint32((value ^ code) * np.uint32(_PRIME))
            if end - start + 1 >= _CHARACTER_SIZES[0]:
                buckets[size] = _bucket(value)
                size += 1
    return size


@compiled()
def _bucket(value: int | np.uint32) -> np.int32:
    mixed = np.uint32((value ^ (value >> np.uint32(15))) * np.uint32(2246822519))
    return np.int32((mixed ^ (mixed >> np.uint32(13))) & np.uint32(BUCKETS - 1))
