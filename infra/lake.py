"""Where every table lies, and how to read one at a version without Spark.

Two roots, so that access is a matter of file or bucket permission: `restricted/` holds raw text (landing,
`traffic.*`, reviews), `curated/` everything after screening.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

from infra.contracts import contract, table_names
from infra.errors import ContractError, DiskFull
from infra.settings import Settings


@dataclass(frozen=True)
class Lake:
    """The places of one lake. Roots are absolute paths or URIs without a trailing slash."""

    restricted: str
    curated: str
    landing: str
    locks: str
    minimum_free_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Lake:
        """The lake that the settings name."""
        lake = settings.lake
        root = settings.resolve(lake.root).rstrip("/")
        restricted = settings.resolve(lake.restricted_root or f"{root}/restricted").rstrip("/")
        curated = settings.resolve(lake.curated_root or f"{root}/curated").rstrip("/")
        landing = settings.resolve(lake.landing or f"{restricted}/landing").rstrip("/")
        return cls(restricted, curated, landing, f"{curated}/_locks", lake.minimum_free_bytes)

    def path(self, table: str) -> str:
        """Path or URI of table `stage.table`."""
        stage, name = table.split(".")
        return f"{getattr(self, contract(table).root)}/{stage}/{name}"

    def landing_of(self, zone: str) -> str:
        """Root of a landing zone: `landing` that of events, `landing/KIND` a folder in it."""
        return f"{self.landing}{zone.removeprefix('landing')}"

    @property
    def artifacts(self) -> str:
        """Versioned artifacts that are not tables (centroids): derived, without text."""
        return f"{self.curated}/_artifacts"

    @property
    def is_local(self) -> bool:
        """Whether the lake is a directory of this machine."""
        return "://" not in self.curated

    def exists(self, table: str) -> bool:
        """Whether the table has been migrated."""
        return bool(DeltaTable.is_deltatable(self.path(table)))

    def open(self, table: str, version: int | None = None) -> DeltaTable:
        """The table, at a version if given, through delta-rs.

        Raises:
            ContractError: it was never migrated.
        """
        if not self.exists(table):
            raise ContractError("the table does not exist yet", table=table, hint="Run: flywheel migrate")
        return DeltaTable(self.path(table), version=version)

    def version(self, table: str) -> int:
        """The table's latest version."""
        return int(self.open(table).version())

    def readable(self) -> dict[str, str]:
        """Name to path of every migrated table whose files the caller may read."""
        return {
            name: self.path(name)
            for name in table_names()
            if (not self.is_local or os.access(self.path(name), os.R_OK | os.X_OK)) and self.exists(name)
        }

    def check_room(self) -> None:
        """Refuse to start work that the disk cannot hold.

        Raises:
            DiskFull: less than `lake.minimum_free_bytes` is left.
        """
        if not self.is_local:
            return  # object stores have no disk to fill
        place = Path(self.curated)
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < self.minimum_free_bytes:
            raise DiskFull(
                f"{free // 1_000_000} MB free where the lake lies, {self.minimum_free_bytes // 1_000_000} MB wanted",
                setting="lake.minimum_free_bytes",
                hint="Free disk space or move the lake (lake.root), then run again: nothing was changed.",
            )
