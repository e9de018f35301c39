"""Reads rows of a Parquet file as records: sets of public chats are published so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import InputDamaged
from infra.records import TOO_LARGE, Record
from jobs.landing.zone import has_too_many_rows

# Few at a time: a row is a whole conversation.
_BATCH_ROWS = 32
_CONVERSION_ERRORS = (ValueError, OverflowError, LookupError, TypeError, pa.ArrowException)


def parquet_records(path: Path, max_bytes: int) -> Iterator[Record]:
    """Each row of a Parquet file, or the reason why it is none.

    Raises:
        InputDamaged: the file is cut short or damaged, or holds more rows than it can.
    """
    number = 0
    try:
        parquet = pq.ParquetFile(path)
        if has_too_many_rows(parquet.metadata, path.stat().st_size):
            raise InputDamaged(
                f"{path.name} says that it holds more rows than bytes", hint="Export it again."
            )
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            for place in range(batch.num_rows):
                number += 1
                row = batch.slice(place, 1)
                yield _record(number, row) if row.nbytes <= max_bytes else Record(number, None, TOO_LARGE)
    except (OSError, pa.ArrowException) as error:
        raise InputDamaged(
            f"{path.name} is truncated or damaged ({type(error).__name__})",
            hint="Copy the whole file again, and repeat the command.",
        ) from None


def _record(number: int, row: pa.RecordBatch) -> Record:
    try:
        (value,) = row.to_pylist()
    except _CONVERSION_ERRORS:
        return Record(number, None, "unreadable_value")
    return Record(number, _plain(value), None)


def _plain(value: Any) -> Any:
    """A value as JSON has it: times as text, bytes left out."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value) if isinstance(value, float) else None
    return number if number is not None and number - number == 0 else None
