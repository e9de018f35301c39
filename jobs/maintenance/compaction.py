"""Compacts many small files into few, so that a lake that is written every day stays fast to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deltalake import CommitProperties

from infra.lake import Lake, ledger
from infra.lake.locks import hold
from infra.settings import Settings

_APPENDED = "ops"  # the ledger is appended to without a lock, at any time
_RETRIES = 30


@dataclass(frozen=True)
class Compacted:
    """Result of compaction of one table, or of its dry run: files before and after. Rows do not change."""

    table: str
    files_before: int
    files_after: int


def compact(settings: Settings, tables: Sequence[str] = (), dry_run: bool = False) -> Iterator[Compacted]:
    """Compact the tables that have more files a partition than `maintenance.compact_above_files`.

    Args:
        tables: default: all that there are.
        dry_run: count only; `files_after` is the least that there can be.

    Raises:
        LockHeld: a job is writing the table; those before it are done.
        JobUnknown, ContractError: there is no such table.
    """
    lake = Lake.of(settings)
    chosen = lake.chosen(tables)
    for table in chosen:
        files, partitions = _files(lake, table)
        if files <= partitions * settings.maintenance.compact_above_files:
            continue
        if dry_run:
            yield Compacted(table, files, partitions)
            continue
        if table.split(".")[0] == _APPENDED:
            _optimize(lake, table)
        else:
            with hold(lake.locks, [table], ledger.new_run_id(), settings.lake.lock_seconds) as locks:
                locks[table].check()
                _optimize(lake, table)
        yield Compacted(table, files, _files(lake, table)[0])


def _files(lake: Lake, table: str) -> tuple[int, int]:
    """Files of the latest version, and partitions that they lie in."""
    uris = lake.open(table).file_uris()
    return len(uris), max(len({uri.rsplit("/", 1)[0] for uri in uris}), 1)


def _optimize(lake: Lake, table: str) -> None:
    lake.open(table).optimize.compact(commit_properties=CommitProperties(max_commit_retries=_RETRIES))
