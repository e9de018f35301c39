"""The interface of signal models: log-odds of a signal, given a context and a response only."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEEN = ("context", "response", "language")
"""The only columns that a model may read: they were known when the response was served."""


class SignalModel(Protocol):
    """u(x, y) of equation 6."""

    @property
    def name(self) -> str:
        """Name of the model family: `transformer`, `length_only`, ..."""
        ...

    def logits(self, rows: pa.Table) -> Floats:
        """Uncalibrated log-odds, one a row of `SEEN` columns; NaN for a row that the model cannot read."""
        ...


def labelled(table: pa.Table, signal: str) -> pa.Table:
    """The rows whose signal is known. An unknown signal (NULL) is no negative label."""
    return table.filter(pc.is_valid(table[signal]))


def happened(table: pa.Table, signal: str) -> Bools:
    """s of equation 7 for rows of `labelled`."""
    return np.asarray(table[signal].to_numpy(zero_copy_only=False), dtype=bool)


def texts(table: pa.Table, column: str) -> list[str]:
    """A column of text as Python strings."""
    values: list[str] = table[column].to_pylist()
    return values
