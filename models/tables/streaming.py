"""A streaming dataset of `datasets` over the pieces of a table version: resumable to the row, read in Arrow batches.

`IterableDataset.from_generator` would make a dictionary of every row. So this uses the private interface below it, as
`load_dataset(..., streaming=True)` does. It depends on the pinned version of `datasets`; tests check it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import DatasetInfo, Features, IterableDataset
from datasets.iterable_dataset import _BaseExamplesIterable

from infra.errors import TrainingRefused
from models.tables.scan import Piece, Source


def stream(
    source: Source, pieces: Sequence[Piece], features: Features, identity: str, table: str
) -> IterableDataset:
    """A streaming dataset in which each piece is a shard.

    Args:
        identity: of the opened rows and the rank; a saved state with another identity is refused.
    """
    examples = _PieceExamples(source, tuple(pieces), features, identity, table)
    return IterableDataset(ex_iterable=examples, info=DatasetInfo(features=features))


class _PieceExamples(_BaseExamplesIterable):  # type: ignore[misc]
    """The state is the number of the current piece and how many of its rows were returned."""

    def __init__(
        self, source: Source, pieces: tuple[Piece, ...], features: Features, identity: str, table: str
    ) -> None:
        super().__init__()
        self._state_dict: dict[str, Any] | None = None
        self._sleep_on_threads_shutdown = False
        self._source, self._pieces, self._features = source, pieces, features
        self._identity, self._table = identity, table

    @property
    def features(self) -> Features:
        """What a row looks like."""
        return self._features

    @property
    def is_typed(self) -> bool:
        """True: rows have these features already and need no cast."""
        return True

    @property
    def num_shards(self) -> int:
        """Number of pieces; 1 for a dataset without rows."""
        return max(1, len(self._pieces))

    @property
    def iter_arrow(self) -> Callable[[], Iterator[tuple[str, pa.Table]]]:
        """The iterator in Arrow batches."""
        return self._iter_arrow

    def shuffle_data_sources(self, generator: np.random.Generator) -> _PieceExamples:
        """The pieces in another order."""
        order = generator.permutation(len(self._pieces)).tolist()
        return self._with(tuple(self._pieces[index] for index in order))

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> _PieceExamples:
        """The pieces of one of several workers."""
        piece_indices = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return self._with(
            tuple(
                self._pieces[piece_index] for piece_index in piece_indices if piece_index < len(self._pieces)
            )
        )

    def reshard_data_sources(self) -> _PieceExamples:
        """The same pieces: they are small enough."""
        return self._with(self._pieces)

    def _with(self, pieces: tuple[Piece, ...]) -> _PieceExamples:
        return _PieceExamples(self._source, pieces, self._features, self._identity, self._table)

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict = {"piece": 0, "row": 0, "of": self._identity, "type": type(self).__name__}
        return self._state_dict

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, batch in self._batches():
            names, columns = batch.schema.names, [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                self._advance(1)
                yield key, dict(zip(names, values, strict=True))

    def _iter_arrow(self) -> Iterator[tuple[str, pa.Table]]:
        for key, batch in self._batches():
            self._advance(batch.num_rows)
            yield key, pa.Table.from_batches([batch])

    def _advance(self, rows: int) -> None:
        if self._state_dict:
            self._state_dict["row"] += rows

    def _batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        first_piece, row = 0, 0
        if self._state_dict:
            first_piece, row = self._state_dict["piece"], self._state_dict["row"]
            if self._state_dict["of"] != self._identity:
                raise TrainingRefused(
                    "the saved state belongs to another version, filter, choice of columns, rank or number of ranks",
                    table=self._table,
                    hint="Resume with the table@version, condition, split, rank and number of ranks of the run that "
                    "saved it, or start from the beginning.",
                )
        for number in range(first_piece, len(self._pieces)):
            for batch in self._source.batches(self._pieces[number], row):
                yield str(number), batch
            row = 0
            if self._state_dict:
                self._state_dict["piece"], self._state_dict["row"] = number + 1, 0
