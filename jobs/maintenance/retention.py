"""Deletes rows and landed files that are older than the `retention_days` in a table's DDL.

Deleted rows leave the disk with the first vacuum after `maintenance.keep_deleted_hours`. The ledger records up to
which day a table was emptied, so plans do not make such a day again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow.compute as pc

from infra import ledger
from infra.contracts import contract
from infra.lake import Lake
from infra.locks import hold
from infra.settings import Settings
from jobs.declaration import LANDED_IN
from jobs.landing.zone import delete_day, landing_days, landing_files


@dataclass(frozen=True)
class Expired:
    """Rows or files of one table or landing zone that are past their retention.

    Attributes:
        place: `stage.table`, or the landing zone.
        before: first day that stays.
        rows: rows of the table.
        files: landed files of the zone.
    """

    place: str
    before: date
    rows: int
    files: int = 0


def enforce(
    settings: Settings, tables: Sequence[str] = (), dry_run: bool = False, today: date | None = None
) -> Iterator[Expired]:
    """Delete what is older than its table's retention, one table after another, each under its lock.

    Args:
        tables: default: all, and the landing zones.
        dry_run: count only.
        today: the day to count from; default: today, UTC.

    Raises:
        LockHeld: a job is writing the table; those before it are done.
        JobUnknown, ContractError: there is no such table.
    """
    lake = Lake.of(settings)
    last = today or ledger.now().date()
    chosen = lake.chosen(tables)
    # Delete files first: otherwise, after a kill in between, landing could bring back deleted rows.
    for zone, table in LANDED_IN.items():
        if table in chosen and (expired := _zone(lake, zone, _before(table, last), dry_run)).files:
            yield expired
    for table in chosen:
        if "ds" in contract(table).column_names:
            expired = _table(settings, lake, table, _before(table, last), dry_run)
            if expired.rows:
                yield expired


def _before(table: str, today: date) -> date:
    return today - timedelta(days=contract(table).retention_days)


def _zone(lake: Lake, zone: str, before: date, dry_run: bool) -> Expired:
    root, files = lake.landing_of(zone), 0
    for day in landing_days(root):
        if day < before:
            files += len(landing_files(root, day))
            if not dry_run:
                delete_day(root, day)
    return Expired(zone, before, 0, files)


def _table(settings: Settings, lake: Lake, table: str, before: date, dry_run: bool) -> Expired:
    rows = lake.open(table).to_pyarrow_dataset().count_rows(filter=pc.field("ds") < before)
    expired = Expired(table, before, int(rows))
    if dry_run or not rows:
        return expired
    run_id, started = ledger.new_run_id(), ledger.now()
    with hold(lake.locks, [table], run_id, settings.lake.lock_seconds) as locks:
        delta = lake.open(table)
        locks[table].check()
        delta.delete(f"ds < DATE '{before.isoformat()}'")
        ended = ledger.now()
        row = {
            "run_id": run_id, "job": ledger.RETENTION, "table_name": table, "ds": before, "started_ts": started,
            "ended_ts": ended, "state": "succeeded", "rows_out": 0, "rows_rejected": {"expired": int(rows)},
            "output_version": lake.version(table), "code_version": ledger.code_version(),
            "seconds": (ended - started).total_seconds(),
        }  # fmt: skip
        ledger.append(lake, "ops.runs", [row], run_id)
    return expired
