"""From a table at a version, a condition and a split to the rows that a trainer reads, without a JVM.

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
    """Rows of one table version, counted and ready to be read; get it with `open_snapshot`.

    Attributes:
        snapshot: what is read.
        source: how.
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
        """Sixteen hex digits of what is read: version, files, condition, split and columns."""
        what = self.snapshot
        text = json.dumps(
            [what.table, what.version, what.files_hash, what.filter_hash, list(self.source.columns)]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in Arrow batches, in the order of the files; the fastest way.

        Raises:
            InputDamaged: a file cannot be read, or was vacuumed meanwhile.
        """
        return self.source.batches(Piece(self.units, 0, self.snapshot.rows))

    def streaming(self, rank: int = 0, world: int = 1) -> IterableDataset:
        """One rank's rows as a streaming dataset: ranks are disjoint, together complete, and differ by one row at most.

        `state_dict()` and `load_state_dict()` continue at exactly the next row. For speed read it in batches:
        `with_format("arrow").iter(batch_size=...)`.

        Under `transformers.Trainer` and plain accelerate give rank 0 of 1 and let accelerate share it out: it reads
        rank 0's dataset for all ranks (`dispatch_batches`), or takes its own share of each rank's, so that of a share
        given here only a share would be used.

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
        """All rows as a dataset with random access, memory-mapped from a temporary folder that ends with the process.

        Args:
            batches: what `batches()` gives, where somebody else counts them on their way.

        Raises:
            SnapshotRefused: a column of a type that `datasets` does not know.
            DiskFull: no room in the temporary folder (TMPDIR).
        """
        from models.tables.mapped import mapped

        found = self.batches() if batches is None else batches
        return mapped(found, self.schema, self._features(), self.identity, self.snapshot.table)

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
        columns: those to read, in this order; None for all.
        raw: allow a table of the restricted root: text as users wrote it, before screening.

    Raises:
        JobUnknown: no such table is declared.
        ContractError: it was never migrated.
        VersionGone: the version's log or a file that holds selected rows is gone; says what can be had.
        SnapshotRefused: the version cannot be read exactly so, or raw text was not asked for.
        InputDamaged: a file is damaged.
    """
    lake = Lake.of(settings)
    name, number = _parsed(table)
    if contract(name).root == "restricted" and not raw:
        raise SnapshotRefused(
            "the table holds text as users wrote it, before screening",
            table=name,
            hint="Train on curated tables. If you may and must read it: raw=True, or --raw at the command line.",
        )
    version = open_version(lake, name, number)
    source = Source(
        name, version.folder, version.schema, _columns(version, columns), _filter(version, where, split)
    )
    holding = [file for file in version.files if source.may_hold(file)]
    version.check_files(lake, holding)
    units = tuple(source.units(replace(version, files=tuple(holding))))
    rows = sum(unit.rows for unit in units)
    snapshot = Snapshot(name, version.version, where.strip(), split, rows, version.files_hash)
    return Opened(snapshot, source, units)


def _parsed(table: str) -> tuple[str, int | None]:
    name, at, version = table.partition("@")
    if at and not version.isdecimal():
        raise SnapshotRefused(
            "a version is a number",
            table=name,
            hint="Write stage.table or stage.table@12; see DESCRIBE HISTORY.",
        )
    return name, int(version) if at else None


def _columns(version: TableVersion, asked: Sequence[str] | None) -> tuple[str, ...]:
    there = version.schema.names
    if asked is None:
        return tuple(there)
    if unknown := [name for name in asked if name not in there]:
        raise SnapshotRefused(
            f"version {version.version} has no column {', '.join(unknown)}",
            table=version.table,
            hint=f"Columns are {', '.join(there)}.",
        )
    if not asked or len(set(asked)) != len(asked):
        raise SnapshotRefused("columns must be named, each once", table=version.table)
    return tuple(asked)


def _filter(version: TableVersion, where: str, split: str) -> Filter:
    if not split:
        return parse_filter(where, version.schema, version.table)
    if split not in SPLITS:
        raise SnapshotRefused(
            "there is no such split",
            table=version.table,
            setting="split",
            hint=f"Splits are {', '.join(SPLITS)}.",
        )
    if _SPLIT not in version.schema.names:
        raise SnapshotRefused(
            "the table has no column split, so nobody knows whose rows are for training",
            table=version.table,
            hint="Leave the split out, or join the table with one that has it (by turn_id or user_id).",
        )
    both = f"({where}\n) AND {_SPLIT} = '{split}'" if where.strip() else f"{_SPLIT} = '{split}'"
    return parse_filter(both, version.schema, version.table)
