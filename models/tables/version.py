"""List the Parquet files of one version of a Delta table, for readers that do not know Delta.

Reading the files one by one ignores deletion vectors, renamed columns and widened types. So a table that uses a reader
feature which is not known to be harmless is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from infra.contracts import contract
from infra.errors import InputDamaged, SnapshotRefused, VersionGone
from infra.lake import Lake
from infra.lake.erasures import how_to_restore, last_erasure
from infra.storage import Folder
from models.tables.log import COLUMN_MAPPING, protocols, ranges, versions_left

HARMLESS_FEATURES: Final = frozenset({"timestampNtz", "vacuumProtocolCheck"})
"""Reader features that do not change how files are read: a type that Parquet has too, and a rule for VACUUM."""

_ABSOLUTE: Final = re.compile(r"/|[a-z][a-z0-9+.-]*:/", re.IGNORECASE)


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a version.

    Attributes:
        path: relative to the table.
        size: bytes, from the log.
        partition: value of each partition column; the file itself does not contain them.
    """

    path: str
    size: int
    partition: Mapping[str, Any]


@dataclass(frozen=True)
class TableVersion:
    """A version that can be read file by file; files are sorted by path, so that all readers see the same order."""

    table: str
    version: int
    folder: Folder
    schema: pa.Schema
    files: tuple[DataFile, ...]

    @property
    def files_hash(self) -> str:
        """Hash of the names and sizes of all files. If the history is rewritten, the same number has another hash."""
        text = json.dumps([[file.path, file.size] for file in self.files])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def check_files(self, lake: Lake, files: Iterable[DataFile]) -> None:
        """Check that the files exist and have the sizes in the log.

        Raises:
            VersionGone: files were vacuumed; names the versions that are left.
            InputDamaged: a file does not have the size that the log states.
        """
        expected = list(files)
        sizes = self.folder.sizes([file.path for file in expected])
        if missing := sizes.count(None):
            raise _version_gone(
                lake, self.table, self.version, f"{missing} of its {len(expected)} files were vacuumed"
            )
        if any(size != file.size for size, file in zip(sizes, expected, strict=True)):
            raise InputDamaged(
                f"a file of version {self.version} does not have the size that the log states",
                table=self.table,
                hint=f"It was cut off or overwritten. {how_to_restore(lake)}",
            )


def open_version(lake: Lake, table: str, version: int | None = None) -> TableVersion:
    """A version of `stage.table`, the latest by default.

    Raises:
        JobUnknown: no such table is declared.
        ContractError: the table was never migrated.
        VersionGone: the version does not exist yet or any more; names the versions that are left.
        SnapshotRefused: the version uses a feature that makes reading its files one by one wrong.
    """
    folder = lake.folder(contract(table).name)
    try:
        delta = lake.open(table, version)
    except (DeltaError, DeltaProtocolError, TableNotFoundError, OverflowError) as error:
        # deltalake's message does not help users. Read the log to find an unsupported feature.
        for number, features in protocols(folder):
            if version is None or number <= version:
                _check_features(table, number if version is None else version, features)
        raise _version_gone(
            lake, table, version, f"its log cannot be replayed ({type(error).__name__})"
        ) from None
    number = int(delta.version())
    _check_protocol(table, number, delta)
    return TableVersion(table, number, folder, _schema(delta), _files(table, number, delta))


def _check_protocol(table: str, version: int, delta: DeltaTable) -> None:
    protocol = delta.protocol()
    features = set(protocol.reader_features or ())
    if delta.metadata().configuration.get(COLUMN_MAPPING, "none") != "none":
        features.add("columnMapping")
    _check_features(table, version, features)


def _check_features(table: str, version: int, features: Iterable[str]) -> None:
    if unknown := sorted(set(features) - HARMLESS_FEATURES):
        raise SnapshotRefused(
            f"version {version} uses {', '.join(unknown)}, which this reader does not support",
            table=table,
            hint="Rewrite the table without it (ALTER TABLE ... DROP FEATURE, after a purge), and read that version.",
        )


def _schema(delta: DeltaTable) -> pa.Schema:
    """Names and types, all nullable: files older than a column lack it."""
    return pa.schema([pa.field(field.name, field.type) for field in pa.schema(delta.schema().to_arrow())])


def _files(table: str, version: int, delta: DeltaTable) -> tuple[DataFile, ...]:
    actions = pa.table(delta.get_add_actions(flatten=False))
    partitions: Sequence[Mapping[str, Any] | None] = (
        actions["partition"].to_pylist() if "partition" in actions.column_names else [None] * len(actions)
    )
    files = [
        # The log percent-encodes paths.
        DataFile(unquote(path), size, partition or {})
        for path, size, partition in zip(
            actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), partitions, strict=True
        )
    ]
    if any(_ABSOLUTE.match(path) for path in actions["path"].to_pylist()):
        raise SnapshotRefused(
            f"version {version} is a shallow clone: its files belong to another table",
            table=table,
            hint="Copy it (CREATE TABLE ... AS SELECT), or read the table that it is a clone of.",
        )
    return tuple(sorted(files, key=lambda file: file.path))


def _version_gone(lake: Lake, table: str, version: int | None, reason: str) -> VersionGone:
    readable = versions_left(lake.folder(table))
    erased = last_erasure(lake)
    available = f"Readable versions: {ranges(readable)}." if readable else "No version of it can be read."
    if version is not None and readable and version > readable[-1]:
        reason = "there is no such version yet"
    if version is not None and readable and version < readable[-1] and erased is not None:
        return VersionGone(
            f"version {version} is gone: an erasure of users (the last was on {erased}) or a vacuum deleted it",
            table=table,
            hint=f"Do not restore it from a copy: that could bring erased rows back. {available} Pull or train again "
            "from one of them; flywheel lineage lists the models that were made from erased versions.",
        )
    return VersionGone(
        f"version {'latest' if version is None else version} cannot be read: {reason}",
        table=table,
        hint=f"{available} Pin versions that must last: flywheel vacuum keeps those that registered models name.",
    )
