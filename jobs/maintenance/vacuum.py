"""Routine vacuum: deletes files that no version in use needs.

Kept are the latest version, files younger than `maintenance.keep_deleted_hours`, the versions that registered
models were made from, and those that a setting pins for a job. Erasure (`erasure.py`) follows other rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.errors import SnapshotRefused
from infra.lake import Lake, ledger
from infra.lake.locks import hold
from infra.settings import Settings
from jobs.declaration import all_jobs
from models.registry.pins import pins
from models.tables.version import open_version


@dataclass(frozen=True)
class Vacuumed:
    """Result of vacuuming one table, or of its dry run.

    Attributes:
        files: how many were deleted.
        spared: version to its users: `name/version` of models, or the setting.
        gone: versions in use that were already unreadable.
    """

    table: str
    files: int
    spared: dict[int, list[str]]
    gone: tuple[int, ...]


def vacuum(settings: Settings, tables: Sequence[str] = (), dry_run: bool = False) -> Iterator[Vacuumed]:
    """Vacuum the tables (default: all that there are), one after another, each under its lock.

    Raises:
        RegistryUnavailable: the versions that models use are unknown; nothing was vacuumed.
        LockHeld: a job is writing the table; those before it are done.
        JobUnknown, ContractError: there is no such table.
    """
    lake = Lake.of(settings)
    chosen = lake.chosen(tables)
    # Read the registry before deleting anything: if it is not available, nothing is vacuumed.
    standing = in_use(settings)
    for table in chosen:
        if dry_run:
            yield _vacuum(settings, lake, table, standing.get(table, {}), dry_run=True)
            continue
        run_id = ledger.new_run_id()
        with hold(lake.locks, [table], run_id, settings.lake.lock_seconds):
            # A model may have been registered while other tables were vacuumed.
            yield _vacuum(settings, lake, table, in_use(settings).get(table, {}), dry_run=False)


def in_use(settings: Settings) -> dict[str, dict[int, list[str]]]:
    """For each table and version in use, its users: registered models, and settings that pin a version for a job."""
    users = pins(settings)
    for job in all_jobs():
        for table, setting in job.pinned.items():
            if (pin := settings.value(setting)) is not None:
                users.setdefault(table, {}).setdefault(int(pin.table_version), []).append(setting)
    return users


def _vacuum(
    settings: Settings, lake: Lake, table: str, standing: dict[int, list[str]], dry_run: bool
) -> Vacuumed:
    there = [version for version in sorted(standing) if is_whole(lake, table, version)]
    files = lake.open(table).vacuum(
        retention_hours=settings.maintenance.keep_deleted_hours,
        dry_run=dry_run,
        enforce_retention_duration=False,
        # Files that a killed writer left are in no log. Only a full vacuum finds them.
        full=True,
        keep_versions=there,
    )
    if not dry_run and (lost := [version for version in there if not is_whole(lake, table, version)]):
        raise SnapshotRefused(
            f"vacuum deleted files of version {lost[0]}, which is used by {', '.join(standing[lost[0]])}",
            table=table,
            hint="Stop vacuuming and restore the table's folder from a copy.",
        )
    return Vacuumed(
        table,
        len(files),
        dict(sorted(standing.items())),
        tuple(v for v in sorted(standing) if v not in there),
    )


def is_whole(lake: Lake, table: str, version: int) -> bool:
    """Whether the version can still be read: its log and all its files are there."""
    try:
        opened = open_version(lake, table, version)
        opened.check_files(lake, opened.files)
    except SnapshotRefused:
        return False
    return True
