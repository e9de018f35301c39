"""Read the row groups of a table version in a fixed order, in pieces that ranks and workers divide and can resume.

A row's position is its number among the selected rows. Opening a version counts the selected rows of each row group
once. So each rank reads only its own row groups, ranks differ by at most one row, and a resumed run skips row groups
without decoding them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pyarrow.lib import ArrowException

from infra.errors import InputDamaged
from infra.storage import Folder
from models.tables.filters import Filter
from models.tables.version import DataFile, TableVersion

ROWS_PER_PIECE: Final = 65_536
"""A piece ends with the row group that brings it to this many rows."""

BATCH_ROWS: Final = 16_384
"""Rows of a batch before the filter."""

_READERS: Final = 8


@dataclass(frozen=True)
class Unit:
    """A row group and how many of its rows the filter selects (at least one)."""

    file: DataFile
    row_group: int
    rows: int


@dataclass(frozen=True)
class Piece:
    """`take` rows of consecutive units, after the first `skip` of them."""

    units: tuple[Unit, ...]
    skip: int
    take: int


@dataclass(frozen=True)
class Source:
    """Reads units; picklable, so that worker processes can use it.

    Attributes:
        columns: the columns to return, in this order.
    """

    table: str
    folder: Folder
    schema: pa.Schema
    columns: tuple[str, ...]
    filter: Filter

    @property
    def read_schema(self) -> pa.Schema:
        """Schema of what is read."""
        return pa.schema([self.schema.field(name) for name in self.columns])

    def batches(self, piece: Piece, start: int = 0) -> Iterator[pa.RecordBatch]:
        """The piece's rows from row `start` on; batches are cut at the same places each time.

        Raises:
            InputDamaged: a file cannot be read.
        """
        skip, remaining = piece.skip + start, piece.take - start
        units = list(piece.units)
        while units and skip >= units[0].rows:
            skip -= units.pop(0).rows
        if remaining <= 0:
            return
        with _readable(self.table):
            for batch in self._filtered(_joined(units)):
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                cut = batch.slice(skip, remaining)
                skip, remaining = 0, remaining - cut.num_rows
                yield cut
                if remaining == 0:
                    return

    def units(self, version: TableVersion) -> list[Unit]:
        """Row groups with selected rows, in the order of files and of row groups within; footers are read in parallel.

        Raises:
            InputDamaged: a file cannot be read.
        """
        with _readable(self.table), ThreadPoolExecutor(_READERS) as pool:
            return [unit for units in pool.map(self._units_of, version.files) for unit in units]

    def may_hold(self, file: DataFile) -> bool:
        """Whether the file's partition values allow selected rows."""
        if self.filter.pushed is None:
            return True
        fragments = self._dataset([self._fragment(file, None)]).get_fragments(self.filter.pushed)
        return next(iter(fragments), None) is not None

    def _units_of(self, file: DataFile) -> list[Unit]:
        fragment = self._fragment(file, None)
        parts = fragment.split_by_row_group(filter=self.filter.pushed, schema=self.schema)
        counts = [(part.row_groups[0].id, self._count(part)) for part in parts]
        return [Unit(file, number, rows) for number, rows in counts if rows]

    def _count(self, fragment: pads.ParquetFileFragment) -> int:
        # `count_rows` of a single row group counts the whole file (pyarrow 25).
        if self.filter.exact is None and self.filter.pushed is None:
            return int(fragment.row_groups[0].num_rows)
        if self.filter.exact is None:
            scanner = self._dataset([fragment]).scanner(columns=[], filter=self.filter.pushed)
            return sum(batch.num_rows for batch in scanner.to_batches())
        filter_source = Source(
            self.table, self.folder, self.schema, tuple(sorted(self.filter.columns)), self.filter
        )
        return sum(batch.num_rows for batch in filter_source._scanned([fragment]))

    def _filtered(self, groups: Sequence[tuple[DataFile, list[int]]]) -> Iterator[pa.RecordBatch]:
        return self._scanned([self._fragment(file, numbers) for file, numbers in groups])

    def _scanned(self, fragments: Sequence[pads.ParquetFileFragment]) -> Iterator[pa.RecordBatch]:
        exact = self.filter.exact
        output_columns = list(self.columns)
        scan_columns = (
            output_columns
            if exact is None
            else [*output_columns, *sorted(self.filter.columns - set(output_columns))]
        )
        scanner = self._dataset(fragments).scanner(
            columns=scan_columns, filter=self.filter.pushed, batch_size=BATCH_ROWS
        )
        for batch in scanner.to_batches():
            if exact is not None:
                selected = (
                    pa.Table.from_batches([batch]).filter(exact).select(output_columns).combine_chunks()
                )
                batch = next(iter(selected.to_batches()), batch.slice(0, 0))
            if batch.num_rows:
                yield batch

    def _dataset(self, fragments: Sequence[pads.ParquetFileFragment]) -> pads.FileSystemDataset:
        return pads.FileSystemDataset(list(fragments), self.schema, _FORMAT, self.folder.arrow()[0])

    def _fragment(self, file: DataFile, row_groups: list[int] | None) -> pads.ParquetFileFragment:
        system, root = self.folder.arrow()
        values = [_equals(name, value, self.schema) for name, value in file.partition.items()]
        return _FORMAT.make_fragment(
            f"{root}{file.path}",
            filesystem=system,
            partition_expression=reduce(lambda a, b: a & b, values) if values else None,
            row_groups=row_groups,
        )


# Spark writes timestamps as INT96. Read as nanoseconds, years after 2262 would wrap around.
_FORMAT: Final = pads.ParquetFileFormat(
    read_options=pads.ParquetReadOptions(coerce_int96_timestamp_unit="us"),
    default_fragment_scan_options=pads.ParquetFragmentScanOptions(pre_buffer=True),
)


def _equals(name: str, value: Any, schema: pa.Schema) -> pc.Expression:
    field = pc.field(name)
    return field.is_null() if value is None else field == pc.scalar(pa.scalar(value, schema.field(name).type))


def _joined(units: Sequence[Unit]) -> list[tuple[DataFile, list[int]]]:
    """Consecutive row groups of a file in one group, so that its footer is read once."""
    groups: list[tuple[DataFile, list[int]]] = []
    for unit in units:
        if groups and groups[-1][0].path == unit.file.path:
            groups[-1][1].append(unit.row_group)
        else:
            groups.append((unit.file, [unit.row_group]))
    return groups


def pieces(units: Sequence[Unit], rank: int, world: int) -> list[Piece]:
    """The rank's pieces: rows n·rank/world up to n·(rank + 1)/world of all n.

    Only the first and the last piece may begin or end inside a row group.
    """
    total = sum(unit.rows for unit in units)
    first, last = total * rank // world, total * (rank + 1) // world
    complete: list[Piece] = []
    pending: list[Unit] = []
    skip = take = position = 0
    for unit in units:
        low, high = max(first, position), min(last, position + unit.rows)
        if high > low:
            if not pending:
                skip = low - position
            pending.append(unit)
            take += high - low
            if take >= ROWS_PER_PIECE:
                complete.append(Piece(tuple(pending), skip, take))
                pending, take = [], 0
        position += unit.rows
    return [*complete, Piece(tuple(pending), skip, take)] if pending else complete


class _readable:
    """Turns a read error into InputDamaged, without the bytes that it may quote."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError | ArrowException):
            raise InputDamaged(
                f"a file of the table cannot be read: {type(error).__name__}",
                table=self._table,
                hint="It is damaged, or was removed during the read (by vacuum, or the erasure of a user): open the "
                "table again. If it is damaged, make its days again: flywheel run JOB --days D --force.",
            ) from None
