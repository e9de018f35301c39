"""Deletes rows and landed files that are older than the `retention_days` in a table's DDL.

Deleted rows leave the disk with the first vacuum after `maintenance.keep_deleted_hours`. The ledger records up to
which day a table was emptied, so plans do not make such a day again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from infra.contracts import contract
from infra.lake import Lake, ledger
from infra.lake.locks import hold
from infra.settings import Settings
from jobs.declaration import all_jobs, is_landed
from jobs.landing.zone import delete_day, landing_days, landing_files

RAW = "traffic.events"
"""The table whose retention all landed files have: they hold raw text."""


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
        tables: default: all, and the landing zones, whose files hold raw text.
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
    for zone in (
        sorted({name for job in all_jobs() for name in job.reads if is_landed(name)}) if not tables else ()
    ):
        if (expired := _zone(lake, zone, _before(RAW, last), dry_run)).files:
            yield expired
    for table in chosen:
        if "ds" in contract(table).column_names:
            expired = _table(settings, lake, table, _before(table, last), dry_run)
            if expired.rows:
                yield expired


def _before(table: str, today: date) -> date:
    return today - timedelta(days=contract(table).retention_days)


def _zone(lake: Lake, zone: str, before: date, dry_run: bool) -> Expired:
    root = lake.landing_of(zone)
    days = [day for day in landing_days(root) if day < before]
    files = sum(len(landing_files(root, day)) for day in days)
    if files and not dry_run:
        # The ledger first: a day without files must not be landed again, which would empty it.
        run_id, now = ledger.new_run_id(), ledger.now()
        ledger.append(lake, "ops.runs", [_row(zone, before, run_id, now, {"expired_files": files})], run_id)
    for day in days if not dry_run else ():
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
        row = _row(table, before, run_id, started, {"expired": int(rows)})
        ledger.append(lake, "ops.runs", [row | {"output_version": lake.version(table)}], run_id)
    return expired


def _row(
    place: str, before: date, run_id: str, started: datetime, counts: Mapping[str, int]
) -> dict[str, Any]:
    return ledger.run_row(
        run_id,
        ledger.RETENTION,
        place,
        before,
        started,
        state="succeeded",
        rows_out=0,
        rows_rejected=dict(counts),
    )
