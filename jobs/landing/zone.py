"""Reads the landing zone: the files of a received day, and their rows one by one in bounded memory.

A file is JSONL, JSONL.gz or Parquet. Nothing here knows what an event is; `parse.py` does.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import LandingFileBroken
from infra.storage import Folder, Options, folder

_UNFINISHED_SUFFIXES = (".tmp", ".part")
_KNOWN_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
_BUFFER_BYTES = 1 << 20
_PARQUET_BATCH_ROWS = 512
UNDECODABLE = b"\xff"  # stands for a nested value that is not UTF-8; itself not UTF-8
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

    `content` is the line's bytes without its end, a mapping of Parquet columns, or None when it was longer
    than allowed and was skipped. `is_terminated` is False for a last line without a newline.
    """

    number: int
    content: bytes | Mapping[str, Any] | None
    is_terminated: bool


def day_folder(day: date) -> str:
    """The folder of a received day, relative to the landing root."""
    return f"received_ds={day.isoformat()}"


def landing_files(landing: str | Folder, day: date) -> list[LandingFile]:
    """The finished files of a received day in the order of their names; none when the folder is absent.

    Names that start with `_` or `.`, and names that end in `.tmp` or `.part`, are being written: they are ignored.

    Raises:
        LandingFileBroken: a file is of a kind that the contract does not know, so its rows would be lost.
    """
    root = folder(landing)
    files = []
    for entry in root.entries(day_folder(day)):
        name = entry.name
        if entry.is_folder or name.startswith(("_", ".")):
            continue
        if name.endswith(_UNFINISHED_SUFFIXES):
            continue
        if not name.endswith(_KNOWN_SUFFIXES):
            raise LandingFileBroken(
                f"{day_folder(day)}/{name} is neither .jsonl, .jsonl.gz nor .parquet",
                day=day,
                hint="Rename it. While you write a file, end its name in .tmp.",
            )
        path = f"{day_folder(day)}/{name}"
        files.append(LandingFile(root.uri, path, day, entry.size, entry.modified_ns, root.options))
    return sorted(files, key=lambda file: file.name)


def landing_days(landing: str | Folder) -> list[date]:
    """The received days that have a folder, in order."""
    days = []
    for entry in folder(landing).entries():
        prefix, _, value = entry.name.partition("=")
        if entry.is_folder and prefix == "received_ds":
            try:
                days.append(date.fromisoformat(value))
            except ValueError:
                continue  # a folder of another name is not a received day
    return sorted(days)


def delete_day(landing: str | Folder, day: date) -> None:
    """Delete a received day with all its files, finished or not."""
    folder(landing).delete_folder(day_folder(day))


def landing_fingerprint(landing: str | Folder, day: date) -> str:
    """Hash of the names, sizes and modification times of a day's files. When it changes, landing must run."""
    text = "\n".join(f"{file.name}\t{file.size}\t{file.mtime_ns}" for file in landing_files(landing, day))
    return hashlib.sha256(text.encode()).hexdigest()


def iter_rows(file: LandingFile, max_line_bytes: int) -> Iterator[RawRow]:
    """The rows of a file in order. Keeps one line (or one small Parquet batch) in memory.

    Raises:
        LandingFileBroken: the file is truncated or damaged (truncated gzip, Parquet without footer).
    """
    try:
        with file.folder.open(file.name) as source:
            if file.name.endswith(".parquet"):
                yield from _parquet_rows(source, max_line_bytes)
            else:
                yield from _text_rows(source, file, max_line_bytes)
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
        yield RawRow(number, content, is_terminated)


def _skip_line(stream: BinaryIO) -> bool:
    while piece := stream.readline(_BUFFER_BYTES):
        if piece.endswith(b"\n"):
            return True
    return False


def _text_rows(source: BinaryIO, file: LandingFile, max_line_bytes: int) -> Iterator[RawRow]:
    if not file.name.endswith(".gz"):
        yield from iter_lines(source, max_line_bytes)
        return
    if file.size == 0:
        raise EOFError
    # A complete gzip stream proves that its last line is whole, even without a newline.
    with (
        gzip.GzipFile(fileobj=source, mode="rb") as stream,
        io.BufferedReader(stream, _BUFFER_BYTES) as lines,
    ):
        for row in iter_lines(cast(BinaryIO, lines), max_line_bytes):
            yield row._replace(is_terminated=True)


def _parquet_rows(source: BinaryIO, max_line_bytes: int) -> Iterator[RawRow]:
    number = 0
    for batch in pq.ParquetFile(source).iter_batches(batch_size=_PARQUET_BATCH_ROWS):
        columns = {name: _python_values(batch.column(i)) for i, name in enumerate(batch.schema.names)}
        for position in range(batch.num_rows):
            number += 1
            row = {name: values[position] for name, values in columns.items()}
            size = sum(len(value) for value in row.values() if isinstance(value, bytes))
            yield RawRow(number, row if size <= max_line_bytes else None, True)


def _python_values(column: Any) -> list[Any]:
    """A column as Python values. Strings stay bytes, so that invalid UTF-8 spoils one row and not the file."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    try:
        return cast(list[Any], column.to_pylist())
    except UnicodeDecodeError:  # a string inside a struct or list
        return [_python_value(value) for value in column]


def _python_value(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return UNDECODABLE
