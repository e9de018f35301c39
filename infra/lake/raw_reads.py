"""Who was shown raw text, and when (`ops.raw_reads`): every reading is recorded before its first row is shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date

from infra.lake import Lake, ledger


def record(lake: Lake, command: str, reader: str, keys: Iterable[str], day: date | None = None) -> None:
    """Record a reading: one row a key.

    Args:
        command: first part of the run_id, such as `pull`.
        reader: who asked.
        keys: what is read: the id of a turn, or `stage.table@version` and a hash of the condition or statement.
        day: UTC day of the turn; None when it is not one turn: the day of the reading.

    Raises:
        ContractError: the table was never migrated; then nothing may be shown.
    """
    moment, run_id = ledger.now(), f"{command}-{uuid.uuid4().hex[:12]}"
    rows = [
        {
            "turn_id": key, "turn_ds": day or moment.date(), "reader": reader.strip(), "read_ts": moment,
            "ds": moment.date(), "run_id": run_id,
        }
        for key in keys
    ]  # fmt: skip
    ledger.append(lake, "ops.raw_reads", rows, run_id)
