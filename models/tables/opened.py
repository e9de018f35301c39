"""Open a table at a version, with a condition and a split, for training; no JVM needed.

opened = open_snapshot(settings, "curation.samples@12", split="train", where="language = 'en'")
opened.map_style()                     # a datasets.Dataset, memory-mapped
opened.streaming(rank=0, world=8)      # a datasets.IterableDataset: this rank's rows, resumable
opened.snapshot                        # what was read, for the lineage
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from infra.contracts import contract
from infra.errors import SnapshotRefused
from infra.lake import Lake
from infra.settings import Settings
from models.tables.filters import Filter, parse_filter
from models.tables.scan import Piece, Source, Unit, pieces
from models.tables.snapshot import Snapshot
from models.tables.version import TableVersion, open_version

if TYPE_CHECKING:
    from datasets import Dataset, Features, IterableDataset

SPLITS: Final = ("train", "evaluation")
_SPLIT: Final = "split"


@dataclass(frozen=True)
class Opened:
    """Rows of one table version, counted and ready to be read. `open_snapshot` makes it.

    Attributes:
        snapshot: table, version, condition, split and number of rows.
        source: reads the row groups.
        units: row groups with selected rows, in order.
    """

    snapshot: Snapshot
    source: Source
    units: tuple[Unit, ...]

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns that were asked for."""
        return self.source.read_schema

    @cached_property
    def identity(self) -> str:
        """Sixteen hex digits over version, files, condition, split and columns."""
        snapshot = self.snapshot
        text = json.dumps(
            [
                snapshot.table,
                snapshot.version,
                snapshot.files_hash,
                snapshot.filter_hash,
                list(self.source.columns),
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in Arrow batches, in the order of the files; the fastest way.

        Raises:
            InputDamaged: a file cannot be read, or was vacuumed meanwhile.
        """
        return self.source.batches(Piece(self.units, 0, self.snapshot.rows))

    def streaming(self, rank: int = 0, world: int = 1) -> IterableDataset:
        """The rows of one rank as a streaming dataset.

        Ranks are disjoint, cover all rows together, and differ by one row at most. `state_dict()` and
        `load_state_dict()` continue at exactly the next row. For speed read it in batches:
        `with_format("arrow").iter(batch_size=...)`.

        Under `transformers.Trainer` and plain accelerate give rank 0 of 1: accelerate divides the rows among ranks
        itself. A dataset that is divided here would be divided twice, and rows would be lost.

        Raises:
            SnapshotRefused: no such rank, or a column of a type that `datasets` does not know.
        """
        from models.tables.streaming import stream

        if not 0 <= rank < world:
            raise SnapshotRefused(f"there is no rank {rank} of {world}", table=self.snapshot.table)
        identity = f"{self.identity} {rank}/{world}"
        return stream(
            self.source, pieces(self.units, rank, world), self._features(), identity, self.snapshot.table
        )

    def map_style(self, batches: Iterator[pa.RecordBatch] | None = None) -> Dataset:
        """All rows as a dataset with random access, memory-mapped from a temporary folder of the process.

        Args:
            batches: read these instead of `batches()`; for callers that count the rows on the way.

        Raises:
            SnapshotRefused: a column of a type that `datasets` does not know.
            DiskFull: no room in the temporary folder (TMPDIR).
        """
        from models.tables.mapped import mapped

        rows = self.batches() if batches is None else batches
        return mapped(rows, self.schema, self._features(), self.identity, self.snapshot.table)

    def _features(self) -> Features:
        from datasets import Features

        try:
            return Features.from_arrow_schema(self.schema)
        except ValueError:
            maps = [field.name for field in self.schema if pa.types.is_map(field.type)]
            raise SnapshotRefused(
                f"columns of maps ({', '.join(maps)}) have no type in datasets",
                table=self.snapshot.table,
                hint="Name the columns you want, or read batches().",
            ) from None


def open_snapshot(
    settings: Settings,
    table: str,
    *,
    where: str = "",
    split: str = "",
    columns: Sequence[str] | None = None,
    raw: bool = False,
) -> Opened:
    """Open `stage.table` (latest version) or `stage.table@12` and count the rows that are selected.

    Args:
        where: SQL condition of columns and constants (`models.tables.filters`), applied to every row.
        split: train or evaluation; empty for both.
        columns: the columns to read, in this order; None for all.
        raw: allow a table of the restricted root, whose text is as users wrote it, before screening.

    Raises:
        JobUnknown: no such table is declared.
        ContractError: the table was never migrated.
        VersionGone: the version's log or a file with selected rows is missing; names the versions that are left.
        SnapshotRefused: the version cannot be read exactly, or the table holds raw text and `raw` is False.
        InputDamaged: a file is damaged.
    """
    lake = Lake.of(settings)
    name, number = _parse_table(table)
    if contract(name).root == "restricted" and not raw:
        raise SnapshotRefused(
            "the table holds text as users wrote it, before screening",
            table=name,
            hint="Train on curated tables. If you are allowed to read raw text and need it, "
            "use raw=True, or --raw on the command line.",
        )
    version = open_version(lake, name, number)
    source = Source(
        name, version.folder, version.schema, _columns(version, columns), _filter(version, where, split)
    )
    relevant_files = [file for file in version.files if source.may_hold(file)]
    version.check_files(lake, relevant_files)
    units = tuple(source.units(replace(version, files=tuple(relevant_files))))
    rows = sum(unit.rows for unit in units)
    snapshot = Snapshot(name, version.version, where.strip(), split, rows, version.files_hash)
    return Opened(snapshot, source, units)


def _parse_table(table: str) -> tuple[str, int | None]:
    name, at, version = table.partition("@")
    if at and not version.isdecimal():
        raise SnapshotRefused(
            "a version must be a number",
            table=name,
            hint="Write stage.table or stage.table@12; see DESCRIBE HISTORY.",
        )
    return name, int(version) if at else None


def _columns(version: TableVersion, requested: Sequence[str] | None) -> tuple[str, ...]:
    available = version.schema.names
    if requested is None:
        return tuple(available)
    if unknown := [name for name in requested if name not in available]:
        raise SnapshotRefused(
            f"version {version.version} has no column {', '.join(unknown)}",
            table=version.table,
            hint=f"Available: {', '.join(available)}.",
        )
    if not requested or len(set(requested)) != len(requested):
        raise SnapshotRefused("name at least one column, and each column only once", table=version.table)
    return tuple(requested)


def _filter(version: TableVersion, where: str, split: str) -> Filter:
    partition = contract(version.table).partition
    if not split:
        return parse_filter(where, version.schema, version.table, partition)
    if split not in SPLITS:
        raise SnapshotRefused(
            "there is no such split",
            table=version.table,
            setting="split",
            hint=f"Available: {', '.join(SPLITS)}.",
        )
    if _SPLIT not in version.schema.names:
        raise SnapshotRefused(
            "the table has no column split, so its training rows are unknown",
            table=version.table,
            hint="Leave the split out, or join the table with one that has it (by turn_id or user_id).",
        )
    # Alone first: of `a) OR (b`, the split would bind to b only.
    parse_filter(where, version.schema, version.table, partition)
    condition = f"({where}\n) AND {_SPLIT} = '{split}'" if where.strip() else f"{_SPLIT} = '{split}'"
    return parse_filter(condition, version.schema, version.table, partition)
