"""The file formats of a pull. A writer returns notes for the card about values that the format cannot represent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import PullRefused
from models.tables.opened import Opened

ROWS_PER_FILE: Final = 200_000
"""Most rows of a file; there is always at least one file."""

_ROWS_PER_GROUP: Final = 20_000
_UNSPLIT: Final = "rows"
# Escaped, because some readers split lines at these Unicode characters too.
_LINE_ENDS: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})

Notes = list[str]


def loading(kind: str, split: str) -> tuple[str, dict[str, str]]:
    """Python code that loads a pulled folder, and the file patterns by split for the card."""
    if kind == "hf":
        return 'from datasets import load_from_disk\n\nrows = load_from_disk("DIR")', {}
    name = split or _UNSPLIT
    # The card lies beside `data`, which holds rows only: readers of folders take every file for one of theirs.
    other = (
        'import pandas\n\nrows = pandas.read_parquet("DIR/data")'
        if kind == "parquet"
        else 'import pyarrow.dataset\n\nrows = pyarrow.dataset.dataset("DIR/data", format="json")'
    )
    return (
        f'from datasets import load_dataset\n\nrows = load_dataset("DIR", split="{name}")\n\n# or\n{other}',
        {name: f"data/{name}-*.{kind}"},
    )


def _parquet(opened: Opened, batches: Iterator[pa.RecordBatch], folder: Path) -> Notes:
    for path, file_batches in _files(opened, batches, folder, "parquet"):
        with pq.ParquetWriter(path, opened.schema, compression="zstd") as writer:
            buffered: list[pa.RecordBatch] = []
            for batch in file_batches:
                buffered.append(batch.cast(opened.schema))
                if sum(buffered_batch.num_rows for buffered_batch in buffered) >= _ROWS_PER_GROUP:
                    writer.write_table(pa.Table.from_batches(buffered))
                    buffered = []
            if buffered:
                writer.write_table(pa.Table.from_batches(buffered))
    return []


def _jsonl(opened: Opened, batches: Iterator[pa.RecordBatch], folder: Path) -> Notes:
    non_finite = 0
    for path, file_batches in _files(opened, batches, folder, "jsonl"):
        with path.open("w", encoding="utf-8", newline="\n") as sink:
            for batch in file_batches:
                non_finite += _write_lines(batch, sink, opened.snapshot.table)
    return (
        [f"{non_finite} floating-point values that JSON cannot represent (NaN, infinity) are null."]
        if non_finite
        else []
    )


def _write_lines(batch: pa.RecordBatch, sink: IO[str], table: str) -> int:
    non_finite = 0
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_floating(field.type):
            finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, field.type))
            non_finite += finite.null_count - column.null_count
            column = finite
        values = column.to_pylist()
        columns.append(
            [None if v is None else dict(v) for v in values] if pa.types.is_map(field.type) else values
        )
    names = batch.schema.names
    try:
        for row in zip(*columns, strict=True):
            text = json.dumps(
                dict(zip(names, row, strict=True)), ensure_ascii=False, allow_nan=False, default=_json_value
            )
            sink.write(text.translate(_LINE_ENDS) + "\n")
    except ValueError:
        raise PullRefused(
            "a list holds NaN or infinity, which JSON cannot represent",
            table=table,
            hint="Pull it as parquet.",
        ) from None
    return non_finite


def _json_value(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)


def _hf(opened: Opened, batches: Iterator[pa.RecordBatch], folder: Path) -> Notes:
    from models.training.sequences import quiet

    with quiet():
        rows = opened.map_style(batches)
        rows.save_to_disk(str(folder), num_shards=_file_count(opened))
    return []


def _file_count(opened: Opened) -> int:
    return max(1, -(-opened.snapshot.rows // ROWS_PER_FILE))


def _files(
    opened: Opened, batches: Iterator[pa.RecordBatch], folder: Path, ending: str
) -> Iterator[tuple[Path, Iterator[pa.RecordBatch]]]:
    """Each file with its batches. Read all batches of a file before you take the next file."""
    (folder / "data").mkdir()
    name, files = opened.snapshot.split or _UNSPLIT, _file_count(opened)
    remainder: list[pa.RecordBatch] = []

    def file_batches() -> Iterator[pa.RecordBatch]:
        remaining = ROWS_PER_FILE
        while remaining:
            batch = remainder.pop() if remainder else next(batches, None)
            if batch is None:
                return
            yield batch.slice(0, remaining)
            if batch.num_rows > remaining:
                remainder.append(batch.slice(remaining))
            remaining -= min(remaining, batch.num_rows)

    for number in range(files):
        yield folder / "data" / f"{name}-{number:05d}-of-{files:05d}.{ending}", file_batches()
    # Exhaust the iterator, so that the caller's count of rows is complete.
    for _ in batches:
        pass


WRITERS: Final[dict[str, Callable[[Opened, Iterator[pa.RecordBatch], Path], Notes]]] = {
    "parquet": _parquet, "jsonl": _jsonl, "hf": _hf,
}  # fmt: skip
