"""Reads the landing zone: the files of a received day, and their rows one by one in bounded memory.

A file is JSON lines (or a JSON array) in .jsonl or .jsonl.gz, or Parquet. Nothing here knows what an event is;
`parse.py` does.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import LandingFileBroken
from infra.records import EXPANDS_TOO_FAR, MAX_EXPANSION, TOO_LARGE, NotText, RawRow, bounded_rows, remedy
from infra.storage import Folder, Options, folder

_UNFINISHED_SUFFIXES = (".tmp", ".part")
KNOWN_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
_PARQUET_BATCH_ROWS = 512
UNDECODABLE = b"\xff"  # stands for a nested value that is not UTF-8; itself not UTF-8
UNREADABLE = (
    object()
)  # stands for a Parquet value that Python cannot hold, such as a time in the year 300,000
UNKNOWN_KIND, DUPLICATE_COLUMN = "unknown_file_kind", "duplicate_key"
_SHARED_BYTES = 1 << 26
_SMALL_ROWS = 1_000_000


@dataclass(frozen=True)
class LandingFile:
    """One file of one received day. `name` is relative to the landing root and uses forward slashes.

    Attributes:
        root: path or URI of the landing root.
        options: storage options, for an object store.
    """

    root: str
    name: str
    received_ds: date
    size: int
    mtime_ns: int
    options: Options = ()

    @property
    def folder(self) -> Folder:
        """The landing root."""
        return Folder(self.root, self.options)


class ColumnRow(NamedTuple):
    """One row (from 1) of a Parquet file, or a file that is refused as a whole.

    `content` maps columns to values, or is None when it was not read; `reason` then says why.
    """

    number: int
    content: Mapping[str, Any] | None
    reason: str | None = None
    is_terminated: bool = True


Row = RawRow | ColumnRow


@dataclass(frozen=True)
class Unread:
    """A file or folder in a landing zone that landing does not read, and why."""

    name: str
    why: str


def day_folder(day: date) -> str:
    """The folder of a received day, relative to the landing root."""
    return f"received_ds={day.isoformat()}"


def landing_files(landing: str | Folder, day: date) -> list[LandingFile]:
    """The finished files of a received day in the order of their names; none when the folder is absent.

    Names that start with `_` or `.`, and names that end in `.tmp` or `.part`, are being written: they are ignored. A
    file of an unknown kind is listed: reading it gives one refused row, so that it stops nothing and is not lost.
    """
    root = folder(landing)
    files = []
    for entry in root.entries(day_folder(day)):
        name = entry.name
        if entry.is_folder or not _is_finished(name):
            continue
        path = f"{day_folder(day)}/{name}"
        files.append(LandingFile(root.uri, path, day, entry.size, entry.modified_ns, root.options))
    return sorted(files, key=lambda file: file.name)


def landing_days(landing: str | Folder) -> list[date]:
    """The received days that have a folder, in order."""
    days = []
    for entry in folder(landing).entries():
        if entry.is_folder and (day := _day_of(entry.name)) is not None:
            days.append(day)
    return sorted(days)


def unread(landing: str | Folder, zones: Collection[str] = ()) -> list[Unread]:
    """What lies in a landing zone and is not landed, though it does not look like a file that is being written.

    Args:
        zones: names of folders of other zones in this one.
    """
    root = folder(landing)
    left: list[Unread] = []
    for entry in root.entries():
        if entry.name in zones or entry.name.startswith(("_", ".")):
            continue
        if not entry.is_folder:
            left.append(Unread(entry.name, "it lies outside the folder of a received day"))
        elif (day := _day_of(entry.name)) is None:
            left.append(Unread(f"{entry.name}/", "its name is not received_ds=YYYY-MM-DD"))
        else:
            for inner in root.entries(day_folder(day)):
                name = f"{day_folder(day)}/{inner.name}"
                if inner.is_folder and not inner.name.startswith(("_", ".")):
                    left.append(Unread(f"{name}/", "folders in the folder of a received day are not read"))
                elif not inner.is_folder and not _is_known(inner.name) and _is_finished(inner.name):
                    left.append(Unread(name, "it is neither .jsonl, .jsonl.gz nor .parquet"))
    return left


def _day_of(name: str) -> date | None:
    """The received day of a folder's name. Only one spelling counts: Python reads `20261121` and `2026-W47-6` too."""
    prefix, _, value = name.partition("=")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return day if prefix == "received_ds" and value == day.isoformat() else None


def _is_finished(name: str) -> bool:
    return not name.startswith(("_", ".")) and not name.endswith(_UNFINISHED_SUFFIXES)


def _is_known(name: str) -> bool:
    return name.endswith(KNOWN_SUFFIXES)


def delete_day(landing: str | Folder, day: date) -> None:
    """Delete a received day with all its files, finished or not."""
    folder(landing).delete_folder(day_folder(day))


def landing_fingerprint(landing: str | Folder, day: date) -> str:
    """Hash of the names, sizes and modification times of a day's files. When it changes, landing must run."""
    text = "\n".join(f"{file.name}\t{file.size}\t{file.mtime_ns}" for file in landing_files(landing, day))
    return hashlib.sha256(text.encode()).hexdigest()


def iter_rows(file: LandingFile, max_line_bytes: int, max_expansion: int = MAX_EXPANSION) -> Iterator[Row]:
    """The rows of a file in order. Keeps one line (or one small Parquet batch) in memory.

    A file of an unknown kind gives one row without content. So does the rest of a file that expands too far.

    Args:
        max_expansion: how many times its size a compressed file may expand.

    Raises:
        LandingFileBroken: the file is truncated or damaged (truncated gzip, Parquet without footer), or no UTF-8.
    """
    if not _is_known(file.name):
        yield ColumnRow(0, None, UNKNOWN_KIND)
        return
    try:
        with file.folder.open(file.name) as source:
            if file.name.endswith(".parquet"):
                yield from _parquet_rows(source, file, max_line_bytes)
            else:
                yield from bounded_rows(source, file.name, file.size, max_line_bytes, max_expansion)
    except FileNotFoundError as error:
        raise broken(file, "was removed while it was being read") from error
    except NotText as kind:
        raise not_text(file, str(kind)) from None
    except (EOFError, zlib.error, OSError, pa.ArrowException) as error:
        raise broken(file, f"is truncated or damaged ({type(error).__name__})") from None


def broken(file: LandingFile, what: str, hint: str | None = None) -> LandingFileBroken:
    """The error of a file that cannot be landed as a whole."""
    return LandingFileBroken(
        f"{file.name} {what}",
        table="traffic.events",
        day=file.received_ds,
        hint=hint
        or "Deliver the whole file again, then run the day again. While you write a file, end its name in .tmp.",
    )


def not_text(file: LandingFile, kind: str) -> LandingFileBroken:
    """The error of a file that is of another kind than its name says, such as UTF-16."""
    return broken(file, f"is {kind}, not UTF-8 text", f"{remedy(kind)} Then run the day again.")


def has_too_many_rows(metadata: pq.FileMetaData, size: int) -> bool:
    """Whether a Parquet file has less than a byte for a row, so that none of it is read."""
    return bool(metadata.num_rows > max(size, _SMALL_ROWS))


def _parquet_rows(source: BinaryIO, file: LandingFile, max_line_bytes: int) -> Iterator[ColumnRow]:
    number = 0
    metadata = pq.read_metadata(source)
    if has_too_many_rows(metadata, file.size):
        yield ColumnRow(0, None, EXPANDS_TOO_FAR)
        return
    schema = metadata.schema.to_arrow_schema()
    names = schema.names
    # A value that a thousand rows share is read once, not a thousand times.
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    parquet = pq.ParquetFile(source, read_dictionary=texts)
    if len(set(names)) < len(names):
        # Which of the columns is meant is anybody's guess, as it is of a JSON key that stands twice.
        for number in range(1, metadata.num_rows + 1):
            yield ColumnRow(number, None, DUPLICATE_COLUMN)
        return
    for batch in parquet.iter_batches(batch_size=_PARQUET_BATCH_ROWS):
        columns = {name: python_values(batch.column(i)) for i, name in enumerate(batch.schema.names)}
        for position in range(batch.num_rows):
            number += 1
            row = {name: values[position] for name, values in columns.items()}
            size = sum(len(value) for value in row.values() if isinstance(value, bytes))
            fits = size <= max_line_bytes
            yield ColumnRow(number, row if fits else None, None if fits else TOO_LARGE)


def python_values(column: Any) -> list[Any]:
    """A column as Python values. Strings stay bytes, so that invalid UTF-8 spoils one row and not the file."""
    if pa.types.is_dictionary(column.type):
        if (shared := _shared_values(column)) is not None:
            return shared
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    try:
        return cast(list[Any], column.to_pylist())
    except _CONVERSION_ERRORS:
        return [_python_value(value) for value in column]


def _shared_values(column: pa.DictionaryArray) -> list[Any] | None:
    """The values of a column of long texts, as many objects as there are different ones; None for short texts."""
    values = column.dictionary
    if not pa.types.is_string(values.type) or not len(values):
        return None
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest * len(column) <= _SHARED_BYTES:
        return None
    texts = values.cast(pa.large_binary()).to_pylist()
    return [None if place is None else texts[place] for place in column.indices.to_pylist()]


# A string inside a struct or list that is not UTF-8; a time or date that Python cannot hold; an unknown time zone.
_CONVERSION_ERRORS = (ValueError, OverflowError, LookupError, TypeError, pa.ArrowException)


def _python_value(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return UNDECODABLE
    except _CONVERSION_ERRORS:
        return UNREADABLE
