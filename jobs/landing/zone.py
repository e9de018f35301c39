"""Reads the landing zone: the files of a received day, and their rows one by one in bounded memory.

A file is JSONL, JSONL.gz or Parquet. Nothing here knows what an event is; `parse.py` does.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import LandingFileBroken
from infra.storage import Folder, Options, folder

_UNFINISHED_SUFFIXES = (".tmp", ".part")
KNOWN_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
_BUFFER_BYTES = 1 << 20
_PARQUET_BATCH_ROWS = 512
UNDECODABLE = b"\xff"  # stands for a nested value that is not UTF-8; itself not UTF-8
UNREADABLE = (
    object()
)  # stands for a Parquet value that Python cannot hold, such as a time in the year 300,000
TOO_LARGE, UNKNOWN_KIND, DUPLICATE_COLUMN = "too_large", "unknown_file_kind", "duplicate_key"
EXPANDS_TOO_FAR = "expands_too_far"
MAX_EXPANSION = 200
_SMALL_BYTES = 1 << 22  # a file may expand to so much, however small it is
_SHARED_BYTES = 1 << 26
_SMALL_ROWS = 1_000_000
BOM = b"\xef\xbb\xbf"


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


class RawRow(NamedTuple):
    """One line (from 1) of a file, or one row of a Parquet file.

    `content` is the line's bytes without its end, a mapping of Parquet columns, or None when it was not read; `reason`
    then says why. `is_terminated` is False for a last line without a newline.
    """

    number: int
    content: bytes | Mapping[str, Any] | None
    is_terminated: bool
    reason: str | None = None


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


def iter_rows(file: LandingFile, max_line_bytes: int, max_expansion: int = MAX_EXPANSION) -> Iterator[RawRow]:
    """The rows of a file in order. Keeps one line (or one small Parquet batch) in memory.

    A file of an unknown kind gives one row without content. So does the rest of a file that expands too far.

    Args:
        max_expansion: how many times its size a compressed file may expand.

    Raises:
        LandingFileBroken: the file is truncated or damaged (truncated gzip, Parquet without footer).
    """
    if not _is_known(file.name):
        yield RawRow(0, None, True, UNKNOWN_KIND)
        return
    try:
        with file.folder.open(file.name) as source:
            if file.name.endswith(".parquet"):
                yield from _parquet_rows(source, file, max_line_bytes)
            else:
                yield from _text_rows(source, file, max_line_bytes, max_expansion)
    except FileNotFoundError as error:
        raise broken(file, "was removed while it was being read") from error
    except (EOFError, zlib.error, OSError, pa.ArrowException) as error:
        raise broken(file, f"is truncated or damaged ({type(error).__name__})") from None


def broken(file: LandingFile, what: str) -> LandingFileBroken:
    """The error of a file that cannot be landed as a whole."""
    return LandingFileBroken(
        f"{file.name} {what}",
        table="traffic.events",
        day=file.received_ds,
        hint="Deliver the whole file again, then run the day again. While you write a file, end its name in .tmp.",
    )


def iter_lines(stream: BinaryIO, max_line_bytes: int) -> Iterator[RawRow]:
    """The lines of a byte stream; one that is longer than allowed is skipped in pieces and has no content."""
    number = 0
    while True:
        line = stream.readline(max_line_bytes + 2)
        if not line:
            return
        number += 1
        is_terminated = line.endswith(b"\n")
        content: bytes | None = line.rstrip(b"\r\n") if is_terminated else line
        if len(line) == max_line_bytes + 2 and not is_terminated:
            is_terminated = _skip_line(stream)
            content = None
        elif content is not None and len(content) > max_line_bytes:
            content = None
        if number == 1 and content is not None:
            content = content.removeprefix(BOM)
        yield RawRow(number, content, is_terminated, None if content is not None else TOO_LARGE)


def _skip_line(stream: BinaryIO) -> bool:
    while piece := stream.readline(_BUFFER_BYTES):
        if piece.endswith(b"\n"):
            return True
    return False


class _ExpandedTooFar(Exception):
    """A stream gave more bytes than it may."""


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when it gives more than `most` bytes."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream, self._left = stream, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and self._stream.read(1):
            raise _ExpandedTooFar
        size = self._stream.readinto(memoryview(buffer)[: self._left])
        self._left -= size
        return size


def _text_rows(
    source: BinaryIO, file: LandingFile, max_line_bytes: int, max_expansion: int
) -> Iterator[RawRow]:
    if not file.name.endswith(".gz"):
        yield from iter_lines(source, max_line_bytes)
        return
    if file.size == 0:
        raise EOFError
    # A complete gzip stream proves that its last line is whole, even without a newline.
    with (
        gzip.GzipFile(fileobj=source, mode="rb") as stream,
        io.BufferedReader(
            _Bounded(stream, max(max_expansion * file.size, _SMALL_BYTES)), _BUFFER_BYTES
        ) as lines,
    ):
        number = 0
        try:
            for row in iter_lines(cast(BinaryIO, lines), max_line_bytes):
                number = row.number
                yield row._replace(is_terminated=True)
        except _ExpandedTooFar:
            yield RawRow(number + 1, None, True, EXPANDS_TOO_FAR)


def has_too_many_rows(metadata: pq.FileMetaData, size: int) -> bool:
    """Whether a Parquet file has less than a byte for a row, so that none of it is read."""
    return bool(metadata.num_rows > max(size, _SMALL_ROWS))


def _parquet_rows(source: BinaryIO, file: LandingFile, max_line_bytes: int) -> Iterator[RawRow]:
    number = 0
    metadata = pq.read_metadata(source)
    if has_too_many_rows(metadata, file.size):
        yield RawRow(0, None, True, EXPANDS_TOO_FAR)
        return
    schema = metadata.schema.to_arrow_schema()
    names = schema.names
    # A value that a thousand rows share is read once, not a thousand times.
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    parquet = pq.ParquetFile(source, read_dictionary=texts)
    if len(set(names)) < len(names):
        # Which of the columns is meant is anybody's guess, as it is of a JSON key that stands twice.
        for number in range(1, metadata.num_rows + 1):
            yield RawRow(number, None, True, DUPLICATE_COLUMN)
        return
    for batch in parquet.iter_batches(batch_size=_PARQUET_BATCH_ROWS):
        columns = {name: python_values(batch.column(i)) for i, name in enumerate(batch.schema.names)}
        for position in range(batch.num_rows):
            number += 1
            row = {name: values[position] for name, values in columns.items()}
            size = sum(len(value) for value in row.values() if isinstance(value, bytes))
            fits = size <= max_line_bytes
            yield RawRow(number, row if fits else None, True, None if fits else TOO_LARGE)


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
