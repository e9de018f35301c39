"""Where every table is stored, and how to read one at a version without Spark.

Two roots, so that access is a matter of file or bucket permission: `restricted/` holds raw text (landing,
`traffic.*`, reviews), `curated/` everything after screening.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deltalake import DeltaTable

from infra.contracts import contract, table_names
from infra.errors import ContractError, DiskFull
from infra.settings import Settings
from infra.storage import Folder, Options, local_path, options_of


@dataclass(frozen=True)
class Lake:
    """The places of one lake.

    Attributes:
        restricted, curated: roots of the tables, absolute paths or URIs without a trailing slash.
        landing: the folder that files are delivered to.
        options: how an object store is reached.
        minimum_free_bytes: what must be free where the lake lies before a job starts.
    """

    restricted: str
    curated: str
    landing: Folder
    options: Options
    minimum_free_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Lake:
        """The lake that the settings name."""
        lake = settings.lake
        root = settings.resolve(lake.root).rstrip("/")
        restricted = settings.resolve(lake.restricted_root or f"{root}/restricted").rstrip("/")
        curated = settings.resolve(lake.curated_root or f"{root}/curated").rstrip("/")
        landing = settings.resolve(lake.landing or f"{restricted}/landing").rstrip("/")
        options = options_of(lake.storage_options)
        return cls(restricted, curated, Folder(landing, options), options, lake.minimum_free_bytes)

    def path(self, table: str) -> str:
        """Path or URI of table `stage.table`."""
        stage, name = table.split(".")
        return f"{getattr(self, contract(table).root)}/{stage}/{name}"

    def folder(self, table: str) -> Folder:
        """The folder that the files of table `stage.table` lie in."""
        return Folder(self.path(table), self.options)

    def landing_of(self, zone: str) -> Folder:
        """Folder of a landing zone: `landing` that of events, `landing/KIND` a folder in it."""
        return self.landing.at(zone.removeprefix("landing").removeprefix("/"))

    @property
    def root(self) -> Folder:
        """The curated root, for what belongs to the lake and to no table."""
        return Folder(self.curated, self.options)

    @property
    def locks(self) -> Folder:
        """Who writes which table."""
        return self.root.at("_locks")

    @property
    def artifacts(self) -> Folder:
        """Versioned artifacts that are not tables (centroids): derived, without text."""
        return self.root.at("_artifacts")

    @property
    def delta_options(self) -> dict[str, str] | None:
        """The options as delta-rs takes them."""
        return dict(self.options) or None

    def exists(self, table: str) -> bool:
        """Whether the table has been migrated."""
        return bool(DeltaTable.is_deltatable(self.path(table), storage_options=self.delta_options))

    def open(self, table: str, version: int | None = None) -> DeltaTable:
        """The table, at a version if given, through delta-rs.

        Raises:
            ContractError: it was never migrated.
        """
        if not self.exists(table):
            raise ContractError("the table does not exist yet", table=table, hint="Run: flywheel migrate")
        return DeltaTable(self.path(table), version=version, storage_options=self.delta_options)

    def version(self, table: str) -> int:
        """The table's latest version."""
        return int(self.open(table).version())

    def readable(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """Name to path or URI of every migrated table, of `names` if given, whose files the caller may read."""
        return {
            name: self.path(name)
            for name in (table_names() if names is None else names)
            if _may_read(self.path(name)) and self.exists(name)
        }

    def chosen(self, tables: Sequence[str]) -> list[str]:
        """The tables named, or every table whose files the caller may read when none is named.

        Raises:
            JobUnknown: no such table is declared.
            ContractError: it was never migrated.
        """
        names = [contract(name).name for name in tables] or sorted(self.readable())
        if missing := [name for name in names if not self.exists(name)]:
            raise ContractError(
                "the table does not exist yet", table=missing[0], hint="Run: flywheel migrate"
            )
        return names

    def check_room(self) -> None:
        """Refuse to start work that the disk cannot hold.

        Raises:
            DiskFull: less than `lake.minimum_free_bytes` is left.
        """
        place = local_path(self.curated)
        if place is None:
            return  # object stores have no disk to fill
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < self.minimum_free_bytes:
            raise DiskFull(
                f"{free // 1_000_000} MB free on the lake's disk, {self.minimum_free_bytes // 1_000_000} MB needed",
                setting="lake.minimum_free_bytes",
                hint="Nothing was changed. Free disk space or move the lake (lake.root), then run again.",
            )


def _may_read(place: str) -> bool:
    """Whether the caller may read a local folder; of an object store only an attempt can tell."""
    path = local_path(place)
    return path is None or os.access(path, os.R_OK | os.X_OK)
