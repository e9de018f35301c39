"""Stores a column of repeated names as codes: four bytes a row, however long the names are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Labels:
    """One name a row.

    names: (L,) distinct names in code point order; codes: (N,) place of each row's name, -1 for a row without one.
    """

    names: npt.NDArray[Any]
    codes: Codes

    @staticmethod
    def of(column: pa.ChunkedArray | pa.Array) -> Labels:
        """Labels of a string column."""
        chunked = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
        encoded = chunked.dictionary_encode().combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):  # a column without rows has no chunk to combine
            return Labels(np.array([], dtype=str), np.array([], dtype=np.int32))
        return Labels.coded(encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy())

    @staticmethod
    def coded(names: Sequence[str], codes: npt.NDArray[np.integer[Any]]) -> Labels:
        """From names in any order, repeated or not, and (N,) places in them."""
        distinct, place = np.unique(np.array([*names], dtype=str), return_inverse=True)
        return Labels(distinct, np.append(place, -1).astype(np.int32)[codes])

    def __len__(self) -> int:
        return len(self.codes)

    def holds(self, name: str) -> Mask:
        """(N,) whether a row has the name."""
        at = np.searchsorted(self.names, name)
        known = at < len(self.names) and self.names[at] == name
        return self.codes == at if known else np.zeros(len(self.codes), dtype=bool)

    def counts(self, rows: Mask | slice = slice(None)) -> dict[str, int]:
        """Rows of each name that has any, among `rows`."""
        codes = self.codes[rows]
        counts_by_code = np.bincount(codes[codes >= 0], minlength=len(self.names))
        return {str(self.names[at]): int(counts_by_code[at]) for at in np.flatnonzero(counts_by_code)}

    def arrow(self) -> pa.Array:
        """(N,) strings, NULL without a name."""
        return pa.array([*self.names.tolist(), None], pa.string()).take(
            pa.array(np.where(self.codes < 0, len(self.names), self.codes))
        )


__all__ = ["Codes", "Labels", "Mask"]
