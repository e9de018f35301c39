"""Lexical near-duplicates: one normalised form, MinHash candidates, and an edit ratio that decides.

Works for every language, also those that no encoder knows. Two prompts are lexical near-duplicates when both the whole
prompt and the user message alone reach the edit ratio: a long greeting that two prompts share must not make their
different questions one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BANDS: Final = 20
"""MinHash bands. Each is two values of the whole prompt and two of the message, so both must be alike to collide."""

PROFILE_DIMENSION: Final = 256
"""Dimensions of the hashed character profile that stands in for an embedding where no encoder knows the language."""

_WHOLE_SHINGLE: Final = 5
_MESSAGE_SHINGLE: Final = 3
_ROWS: Final = 2 * BANDS
_PAIRS_AT_ONCE: Final = 1_000_000
# Of 64 one-bit MinHash values two unrelated texts agree on 32; alike ones on far more (b-bit minwise hashing).
_SKETCH_AGREEMENT: Final = 34
_KEPT_CATEGORIES: Final = frozenset("LMNS")

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_SEEDS: Final = np.random.default_rng(20260101).integers(1, 2**63, size=(2, 64), dtype=np.uint64) | np.uint64(
    1
)

Uint64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Normal:
    """Normalised form of a prompt: `whole` is all of it, `message` the user message in it."""

    whole: str
    message: str

    @property
    def key(self) -> int:
        """Signed 64-bit hash: equal for prompts that differ only in case, punctuation and spacing."""
        digest = hashlib.blake2b(f"{self.message}\0{self.whole}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def normalise(prompt_text: str) -> Normal:
    """The normal form of a prompt text (character name, last assistant message, user message: one a line)."""
    message = prompt_text.split("\n", 2)[-1]
    return Normal(_normal(prompt_text), _normal(message))


def _normal(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if unicodedata.category(c)[0] in _KEPT_CATEGORIES else " " for c in folded)
    # "!!!" and "?" are all punctuation: without it nothing would be left and all such messages would be one.
    return " ".join(kept.split()) or " ".join(folded.split())


def shingles(text: str, length: int) -> Uint64s:
    """Hashes of the distinct runs of `length` characters of the padded text."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < length:
        codes = np.pad(codes, (0, length - len(codes)))
    hashes = np.zeros(len(codes) - length + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for offset in range(length):
            hashes = _scrambled(hashes * _MIX + codes[offset : offset + len(hashes)])
    return np.unique(hashes)


def _scrambled(values: Uint64s) -> Uint64s:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(31))) * np.uint64(0x7FB5D329728EA185)
        return values ^ (values >> np.uint64(27))


@dataclass(frozen=True)
class Signature:
    """MinHash of a prompt: `bands` (BANDS,) keys to meet in, and one-bit sketches of 64 values of both parts."""

    bands: Int64s
    whole_sketch: int
    message_sketch: int


def signature(normal: Normal) -> Signature:
    """MinHash signature of a prompt; the same on every machine."""
    whole = _minima(shingles(normal.whole, _WHOLE_SHINGLE), 0)
    message = _minima(shingles(normal.message, _MESSAGE_SHINGLE), 1)
    with np.errstate(over="ignore"):
        rows = np.stack([whole[:_ROWS:2], whole[1:_ROWS:2], message[:_ROWS:2], message[1:_ROWS:2]])
        keys = np.arange(BANDS, dtype=np.uint64)
        for row in rows:
            keys = _scrambled(keys * _MIX + row)
    return Signature(keys.view(np.int64), _sketch(whole), _sketch(message))


def _minima(hashes: Uint64s, part: int) -> Uint64s:
    # The shingle hashes are mixed already: an odd multiplier is enough to reorder them.
    with np.errstate(over="ignore"):
        return np.asarray((hashes[:, None] * _SEEDS[part]).min(axis=0), dtype=np.uint64)


def _sketch(minima: Uint64s) -> int:
    bits = np.packbits((_scrambled(minima) & np.uint64(1)).astype(np.uint8))
    return int.from_bytes(bits.tobytes(), "big", signed=True)


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
    differing = np.bitwise_count((sketches[a] ^ sketches[b]).view(np.uint64))
    return np.asarray(differing <= 64 - _SKETCH_AGREEMENT)


def edit_ratio(first: str, second: str) -> float:
    """Indel similarity 2·LCS/(|a|+|b|) in 0..1, by Hyyrö's bit-parallel longest common subsequence."""
    if first == second:
        return 1.0
    total = len(first) + len(second)
    if not first or not second:
        return 0.0
    positions: dict[str, int] = {}
    for place, character in enumerate(first):
        positions[character] = positions.get(character, 0) | (1 << place)
    full = (1 << len(first)) - 1
    state = full
    for character in second:
        matched = state & positions.get(character, 0)
        state = ((state + matched) | (state - matched)) & full
    return 2.0 * (len(first) - state.bit_count()) / total


def similarity(first: Normal, second: Normal, threshold: float) -> float:
    """The smaller edit ratio of whole prompt and message, rounded to six digits; 0 when one is below threshold."""
    ratio = 1.0
    for a, b in ((first.message, second.message), (first.whole, second.whole)):
        longest = max(len(a), len(b))
        # 2·min/(a+b) is the most that lengths allow.
        if longest and 2 * min(len(a), len(b)) / (len(a) + len(b)) < threshold:
            return 0.0
        ratio = min(ratio, round(edit_ratio(a, b), 6))
        if ratio < threshold:
            return 0.0
    return ratio


def profiles(normals: Sequence[Normal]) -> npt.NDArray[np.float32]:
    """Hashed character-trigram profiles, shape (n, PROFILE_DIMENSION), unit length.

    They only name the nearest kept turn of a prompt that no encoder knows; they never call it a duplicate.
    """
    found = np.zeros((len(normals), PROFILE_DIMENSION), dtype=np.float32)
    for row, normal in enumerate(normals):
        hashes = shingles(normal.whole, _MESSAGE_SHINGLE)
        np.add.at(found[row], (hashes % np.uint64(PROFILE_DIMENSION)).astype(np.int64), 1.0)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)
