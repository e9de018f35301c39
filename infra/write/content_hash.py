"""The content hash of rows held in Arrow: the same 64-bit numbers as Spark's `xxhash64` over the same columns.

Spark hashes a row column by column, each with the hash so far as its seed; a NULL leaves the hash as it is. Arrow rows
are hashed in the same way here, so a table's hashes do not depend on the engine that held the frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

_Hashes = npt.NDArray[np.uint64]
# Spark starts every row with this seed.
_SEED = 42
_PRIMES = tuple(
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def row_hashes(columns: pa.Table) -> npt.NDArray[np.int64]:
    """One signed 64-bit hash a row, over the columns in their order."""
    hashes = np.full(columns.num_rows, _SEED, dtype=np.uint64)
    for column in columns.columns:
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # no chunk at all
            array = pa.array([], array.type)
        hashes = _fold(array, hashes)
    return hashes.view(np.int64)


def _fold(values: pa.Array, seeds: _Hashes) -> _Hashes:
    """The hashes after one more value each: `seeds` where it is NULL."""
    kind = values.type
    if pa.types.is_struct(kind):
        folded = seeds
        for child in values.flatten():  # a child of a NULL struct is NULL
            folded = _fold(child, folded)
        return folded
    if pa.types.is_map(kind):
        return _fold_lists(_sorted_entries(values), seeds)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _fold_lists(values, seeds)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return _fold_texts(values, seeds)
    hashed = _hash_words(_words(values), seeds, wide=kind.bit_width == 64)
    present = np.asarray(values.is_valid())
    return np.where(present, hashed, seeds)


def _fold_lists(values: pa.Array, seeds: _Hashes) -> _Hashes:
    """Element after element, all rows that have one at a time."""
    folded = seeds.copy()
    lengths = np.asarray(values.value_lengths().fill_null(0)).astype(np.int64)
    elements, starts = values.flatten(), np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    for position in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > position)
        folded[rows] = _fold(elements.take(pa.array(starts[rows] + position)), folded[rows])
    return folded


def _sorted_entries(values: pa.Array) -> pa.Array:
    """A map's entries as a list in the order of the keys: maps that are equal hash alike."""
    kind = values.type
    entry = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    rows = [
        None
        if row is None
        else [{"key": key, "value": value} for key, value in sorted(row, key=lambda pair: _order(pair[0]))]
        for row in values.to_pylist()
    ]
    return pa.array(rows, pa.list_(entry))


def _order(key: Any) -> Any:
    """Spark orders text by its bytes."""
    return key.encode() if isinstance(key, str) else key


def _fold_texts(values: pa.Array, seeds: _Hashes) -> _Hashes:
    folded = seeds.copy()
    present = np.flatnonzero(np.asarray(values.is_valid()))
    texts, of_texts = values.drop_null(), seeds[present]
    if len(present) and (of_texts == of_texts[0]).all():  # so it is in a row's first columns
        encoded = texts.dictionary_encode()
        digests = _digests(encoded.dictionary, of_texts[: len(encoded.dictionary)])
        folded[present] = digests[np.asarray(encoded.indices)]
    else:
        folded[present] = _digests(texts, of_texts)
    return folded


def _digests(texts: pa.Array, seeds: _Hashes) -> _Hashes:
    encoded = texts.cast(pa.large_binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh64_intdigest, encoded, seeds.tolist()), np.uint64, len(encoded))


def _words(values: pa.Array) -> npt.NDArray[np.uint64]:
    """The bits that Spark hashes of a number, a day, a moment or a truth value; 0 where it is NULL."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return np.asarray(values.cast(pa.int32()).fill_null(0)).astype(np.uint64)
    if pa.types.is_floating(kind):
        numbers = np.asarray(values.fill_null(0.0)).copy()
        numbers[numbers == 0] = 0.0  # -0.0 is 0.0
        numbers[np.isnan(numbers)] = np.nan  # one NaN
        wide = kind.bit_width == 64
        return numbers.view(np.uint64) if wide else numbers.view(np.uint32).astype(np.uint64)
    wide = kind.bit_width == 64
    numbers = np.asarray(values.view(pa.int64() if wide else pa.int32()).fill_null(0))
    return numbers.view(np.uint64) if wide else numbers.view(np.uint32).astype(np.uint64)


def _hash_words(words: npt.NDArray[np.uint64], seeds: _Hashes, wide: bool) -> _Hashes:
    """XXH64 of 8 bytes (`wide`) or of 4."""
    p1, p2, p3, p4, p5 = _PRIMES
    with np.errstate(over="ignore"):
        if wide:
            hashes = (seeds + p5 + np.uint64(8)) ^ (_rotated(words * p2, 31) * p1)
            hashes = _rotated(hashes, 27) * p1 + p4
        else:
            hashes = (seeds + p5 + np.uint64(4)) ^ (words * p1)
            hashes = _rotated(hashes, 23) * p2 + p3
        hashes = (hashes ^ (hashes >> np.uint64(33))) * p2
        hashes = (hashes ^ (hashes >> np.uint64(29))) * p3
        mixed: _Hashes = hashes ^ (hashes >> np.uint64(32))
    return mixed


def _rotated(words: npt.NDArray[np.uint64], bits: int) -> npt.NDArray[np.uint64]:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
