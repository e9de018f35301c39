"""Reads the files that a command was given: records, or ids one a line."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from infra.errors import InputDamaged
from infra.records.layout import Layout, NotText, RawRow, begun, iter_rows, rows_in
from infra.records.streams import BUFFER_BYTES, ExpandedTooFar, opened
from infra.records.strict import Refused, decoded, load_value, refusal_of

MAX_EXPANSION: Final = 200
EXPANDS_TOO_FAR: Final = "expands_too_far"
STANDARD_INPUT: Final = "-"
_MAX_ID_BYTES: Final = 10_000


class Record(NamedTuple):
    """A record by its number from 1 (the line, or the place in an array): its object, or why it is refused."""

    number: int
    value: dict[str, Any] | None
    reason: str | None


def read_records(path: Path, max_bytes: int, max_expansion: int = MAX_EXPANSION) -> Iterator[Record]:
    """Every record of a JSON or JSON-lines file, compressed if its name ends in .gz.

    Args:
        max_bytes: longer records are refused.
        max_expansion: how many times its size a compressed file is read; the rest is one refused record.

    Raises:
        InputDamaged: the file is no UTF-8, or its compression is cut off or damaged.
    """
    for row in _rows(path, max_bytes, max_expansion):
        value, reason = (None, row.reason) if row.content is None else refusal_of(row.content)
        yield Record(row.number, value, reason)


def _rows(path: Path, max_bytes: int, max_expansion: int) -> Iterator[RawRow]:
    with path.open("rb", BUFFER_BYTES) as source, _named(path.name):
        yield from bounded_rows(source, path.name, path.stat().st_size, max_bytes, max_expansion)


def bounded_rows(
    source: BinaryIO, name: str, size: int, max_bytes: int, max_expansion: int
) -> Iterator[RawRow]:
    """The rows of an open file of a name and size, not yet parsed; the last says EXPANDS_TOO_FAR if it does.

    Raises:
        NotText: it is no UTF-8.
        EOFError, OSError, zlib.error: its compression is cut off or damaged.
    """
    number = 0
    try:
        with opened(source, name, size, max_expansion) as stream:
            for row in iter_rows(stream, max_bytes):
                number = row.number
                # A complete gzip stream proves that its last line is whole, even without a newline.
                yield row._replace(is_terminated=True) if name.endswith(".gz") else row
    except ExpandedTooFar:
        yield RawRow(number + 1, None, True, EXPANDS_TOO_FAR)


def read_ids(place: str) -> tuple[list[str], dict[int, str]]:
    """The ids of a file, or of standard input (`-`), in order; and why lines are refused, by their number.

    One id a line, or a JSON array of ids. Blanks around an id are no part of it.

    Raises:
        InputDamaged: there is no such file, or as of `read_records`.
    """
    ids: list[str] = []
    refused: dict[int, str] = {}
    with _opened_list(place) as stream:
        layout = begun(stream)
        for row in rows_in(stream, layout, _MAX_ID_BYTES):
            try:
                ids.append(_id_of(row, layout))
            except Refused as reason:
                refused[row.number] = str(reason)
    return ids, refused


@contextmanager
def _opened_list(place: str) -> Iterator[io.BufferedReader]:
    if place == STANDARD_INPUT:
        with _named("standard input"):
            yield io.BufferedReader(cast(Any, io.BytesIO(sys.stdin.buffer.read())), BUFFER_BYTES)
        return
    path = Path(place)
    if not path.is_file():
        raise InputDamaged(f"{place} is no file", hint="Name a file with one id per line.")
    with (
        path.open("rb", BUFFER_BYTES) as source,
        _named(path.name),
        opened(source, path.name, path.stat().st_size, MAX_EXPANSION) as stream,
    ):
        yield stream


def _id_of(row: RawRow, layout: Layout) -> str:
    if row.content is None:
        raise Refused(str(row.reason))
    if layout is Layout.LINES:
        return decoded(row.content).strip()
    value = load_value(row.content)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise Refused("not_an_id")
    return str(value).strip()


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says which file is damaged, and what to do."""
    try:
        yield
    except NotText as kind:
        raise InputDamaged(
            f"{name} is {kind}, not UTF-8 text", hint=f"Nothing was read. {remedy(str(kind))}"
        ) from None
    except (EOFError, OSError, zlib.error) as error:
        raise InputDamaged(
            f"{name} is truncated or damaged ({type(error).__name__})",
            hint="Copy the whole file again, and repeat the command.",
        ) from None


def remedy(kind: str) -> str:
    """What to do with a file of another kind than UTF-8 text."""
    if kind.startswith("UTF"):
        return f"Convert it: iconv -f {kind} -t UTF-8 FILE > NEW_FILE"
    return (
        "End its name in .gz."
        if kind == "gzip"
        else "Give JSON or JSON lines, plain or compressed with gzip."
    )
