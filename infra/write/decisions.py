"""What a person decides, as rows of a table: written under the table's lock and entered in the ledger, like a job's.

A review of a turn and the definition of an experiment are such decisions. They start no JVM.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra import write
from infra.contracts import contract
from infra.errors import LockHeld
from infra.lake import Lake, ledger
from infra.lake.locks import TableLock, hold
from infra.settings import Settings
from infra.write.frames import arrow_table

# Another person's decision is written in less than a second; a command waits for so many seconds.
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Decision:
    """The right to write one table for a moment, as run `run_id` of `name` in the ledger."""

    name: str
    table: str
    lake: Lake
    lock: TableLock
    run_id: str
    started_ts: datetime

    def record(self, rows: Sequence[Mapping[str, Any]]) -> write.Written:
        """Write rows (all columns of the DDL but `run_id`; what is left out is NULL) and their ledger rows.

        Raises:
            ContractError, ExpectationFailed, LockHeld, DiskFull: the table is as it was.
        """
        frame = arrow_table(contract(self.table), rows)
        days = sorted({row["ds"] for row in rows})
        written = write.write(None, self.lake, self.lock, write.Write(self.table, frame, days, self.run_id))
        rows_of_run = [
            ledger.run_row(
                self.run_id, self.name, self.table, day, self.started_ts, state="succeeded",
                rows_out=written.rows[day], content_hash=written.content_hashes[day],
                output_version=written.output_version,
            )
            for day in days
        ]  # fmt: skip
        ledger.append(self.lake, "ops.runs", rows_of_run, self.run_id)
        return written


@contextmanager
def deciding(settings: Settings, name: str, table: str) -> Iterator[Decision]:
    """Hold the table's lock while a command reads the table and records what a person decided.

    Args:
        name: what the ledger calls it, `stage.command`.

    Raises:
        LockHeld: another run writes the table and does not end soon.
        DiskFull: the lake's disk has too little room.
    """
    lake = Lake.of(settings)
    lake.check_room()
    run_id, started = ledger.new_run_id(), ledger.now()
    with ExitStack() as stack:
        locks = _wait(stack, settings, lake, table, run_id)
        yield Decision(name, table, lake, locks[table], run_id, started)


def _wait(
    stack: ExitStack, settings: Settings, lake: Lake, table: str, run_id: str
) -> Mapping[str, TableLock]:
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return stack.enter_context(hold(lake.locks, [table], run_id, settings.lake.lock_seconds))
        except LockHeld:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
