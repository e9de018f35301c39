"""How the records of a file are laid out, and where each begins and ends, in bounded memory.

A file holds one record a line, one JSON array of records (in one line or indented), or indented objects one after
another. Blank lines are no records. Whatever the layout, a bad record spoils only itself.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from infra.records.streams import BUFFER_BYTES

TOO_LARGE: Final = "too_large"
CUT_OFF: Final = "cut_off"
"""Reason of what follows when an array or an indented object has no end."""

BOM: Final = b"\xef\xbb\xbf"
_MARKS: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_OTHER_KINDS: Final = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PAR1": "Parquet"}
_MARKED_BYTES: Final = 1_000
_LINE_THAT_IS_NOT_BLANK: Final = re.compile(rb"[^\s][^\n]*")
# A whole string, or a sign of structure. A string never goes over the end of its line.
_STRING: Final = rb'"(?:[^"\\\n]++|\\[^\n])*+"'
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+')


class NotText(Exception):
    """The file is no UTF-8 text; the argument names what it is."""


class RawRow(NamedTuple):
    """One line, array element or object of a file: its number from 1, and its bytes.

    `content` is None if it was not read; `reason` then says why. `is_terminated` is False for a last line without a
    newline, and for what stands at the end of a file that is cut off.
    """

    number: int
    content: bytes | None
    is_terminated: bool
    reason: str | None = None


class Layout(Enum):
    """What separates one record from the next; within brackets it separates nothing."""

    LINES = None
    ARRAY = b","
    OBJECTS = b"\n"


def iter_rows(stream: io.BufferedReader, max_bytes: int) -> Iterator[RawRow]:
    """The records of a stream at its beginning, in order; longer ones are skipped in pieces and have no content.

    Raises:
        NotText: the stream begins like another encoding or a compressed file.
    """
    return rows_in(stream, begun(stream), max_bytes)


def rows_in(stream: BinaryIO, layout: Layout, max_bytes: int) -> Iterator[RawRow]:
    """The records of a stream that `begun` has begun."""
    return _lines(stream, max_bytes) if layout is Layout.LINES else _values(stream, layout, max_bytes)


def begun(stream: io.BufferedReader) -> Layout:
    """The layout of a stream, which stands after the byte order mark then.

    Raises:
        NotText: it begins like another encoding or a compressed file.
    """
    start = stream.peek(BUFFER_BYTES)
    if what := _other_kind(start):
        raise NotText(what)
    if start.startswith(BOM):
        stream.read(len(BOM))
    return _layout(start.removeprefix(BOM))


def _other_kind(start: bytes) -> str | None:
    """What a file is that is no UTF-8, by its first bytes."""
    if kind := next((kind for begin, kind in _OTHER_KINDS.items() if start.startswith(begin)), None):
        return kind
    # Marks and no zeros are a bad line: in UTF-16 every quote and line break has one.
    if b"\0" in start[:_MARKED_BYTES] and (
        kind := next((kind for mark, kind in _MARKS.items() if start.startswith(mark)), None)
    ):
        return kind
    # Without a mark: signs of ASCII, each with a zero before or after it.
    first = start[:8]
    for zeros, signs in ((first[::2], first[1::2]), (first[1::2], first[::2])):
        if len(first) == 8 and not any(zeros) and all(signs):
            return "UTF-16"
    return None


def _layout(start: bytes) -> Layout:
    ahead = [match.group().rstrip() for match in islice(_LINE_THAT_IS_NOT_BLANK.finditer(start), 2)]
    first = ahead[0] if ahead else b""
    second = ahead[1] if len(ahead) > 1 else None
    if first.startswith(b"["):
        goes_on = second is None or first[-1:] in b"[{,:" or second[:1] in b",]}:"
        return Layout.ARRAY if goes_on else Layout.LINES
    # No line of a file of lines begins with a quote, but for a bad one.
    if first.startswith(b"{") and first[-1:] in b"{[,:" and second is not None and second[:1] in b'"}]':
        return Layout.OBJECTS
    return Layout.LINES


def _lines(stream: BinaryIO, max_bytes: int) -> Iterator[RawRow]:
    number = 0
    while line := stream.readline(max_bytes + 2):
        number += 1
        is_terminated = line.endswith(b"\n")
        content = line.rstrip(b"\r\n") if is_terminated else line
        if len(line) == max_bytes + 2 and not is_terminated:
            yield RawRow(number, None, _skip_line(stream), TOO_LARGE)
        elif len(content) > max_bytes:
            yield RawRow(number, None, is_terminated, TOO_LARGE)
        elif content and not content.isspace():
            yield RawRow(number, content, is_terminated)


def _skip_line(stream: BinaryIO) -> bool:
    while piece := stream.readline(BUFFER_BYTES):
        if piece.endswith(b"\n"):
            return True
    return False


def _values(stream: BinaryIO, layout: Layout, max_bytes: int) -> Iterator[RawRow]:
    parts = _Parts(layout)
    content: bytearray | None = bytearray()
    number = 1
    for kind, data in parts.of(stream):
        if kind is _VALUE:
            if content is not None and len(content) + len(data) <= max_bytes:
                content += data
            else:
                content = None
        elif kind is _SEPARATOR:
            if row := _row(number, content):
                yield row
            number, content = number + 1, bytearray()
    if parts.is_open:
        yield RawRow(number, None, False, CUT_OFF)
        return
    if row := _row(number, content):
        yield row
        number += 1
    if layout is Layout.ARRAY and not parts.is_closed:
        yield RawRow(number, None, False, CUT_OFF)


def _row(number: int, content: bytearray | None) -> RawRow | None:
    if content is None:
        return RawRow(number, None, True, TOO_LARGE)
    return RawRow(number, stripped, True) if (stripped := bytes(content.strip())) else None


def cut(stream: io.BufferedReader, piece_bytes: int) -> Iterator[tuple[int, bytes, bool]]:
    """All bytes of a stream but its byte order mark, in pieces: the number of the record, the piece, and whether it
    is of the record itself (else it separates records). Numbers are those of `iter_rows`.

    Raises:
        NotText: as of `iter_rows`.
    """
    layout = begun(stream)
    if layout is Layout.LINES:
        number = 1
        while piece := stream.readline(piece_bytes):
            content = piece.removesuffix(b"\n")
            yield number, content, True
            if len(content) < len(piece):
                yield number, b"\n", False
                number += 1
        return
    number = 1
    for kind, data in _Parts(layout).of(stream):
        yield number, data, kind is _VALUE
        number += kind is _SEPARATOR


_VALUE, _SEPARATOR, _FRAME = "value", "separator", "frame"


class _Parts:
    """Cuts a stream at the separators of a layout that stand outside of strings and brackets.

    Attributes:
        is_open: whether the stream ended within a string or bracket.
        is_closed: whether the bracket that ends an array was met.
    """

    def __init__(self, layout: Layout) -> None:
        self.is_closed = False
        self._layout = layout
        self._depth = -1 if layout is Layout.ARRAY else 0
        self._in_string = self._is_escaped = False
        separator = layout.value or b""
        self._outside = re.compile(_STRING + rb'|["\[\]{}' + separator + rb"]")
        self._inside = re.compile(_STRING + rb'|["\[\]{}]')

    @property
    def is_open(self) -> bool:
        return self._in_string or self._depth > 0

    def of(self, stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
        """Kind and bytes of each part, in order: `_VALUE` parts of one record follow each other."""
        while chunk := stream.read(BUFFER_BYTES):
            begin = 0
            for kind, start, end in self._marks(chunk):
                if kind is _FRAME:  # only blanks stand before it
                    start = begin
                if start > begin:
                    yield _VALUE, chunk[begin:start]
                yield kind, chunk[start:end]
                begin = end
            if begin < len(chunk):
                yield _VALUE, chunk[begin:]

    def _marks(self, chunk: bytes) -> Iterator[tuple[str, int, int]]:
        """What is no part of a record: its kind, start and end."""
        place = 0
        while place < len(chunk):
            if self._in_string:
                place = self._after_string(chunk, place)
                continue
            match = (self._inside if self._depth > 0 else self._outside).search(chunk, place)
            if match is None:
                return
            place, sign = match.end(), match.group()
            if sign == b'"':
                self._in_string = True
            elif sign in (b"[", b"{"):
                self._depth += 1
                if self._depth == 0:  # of an array
                    yield _FRAME, match.start(), place
            elif sign in (b"]", b"}"):
                if self._depth > 0:
                    self._depth -= 1
                elif sign == b"]" and self._layout is Layout.ARRAY and not self.is_closed:
                    self.is_closed = True
                    # What follows, if anything, is a record of its own.
                    yield _SEPARATOR, match.start(), place
            elif sign == self._layout.value:
                yield _SEPARATOR, match.start(), place

    def _after_string(self, chunk: bytes, place: int) -> int:
        """The place after the string that is open, or the end of the chunk if it goes on there."""
        if self._is_escaped:
            self._is_escaped = False
            if chunk[place : place + 1] != b"\n":
                place += 1
        match = _REST_OF_STRING.match(chunk, place)
        place = match.end() if match else place
        if place == len(chunk):
            return place
        if chunk[place : place + 1] == b"\\" and place + 1 == len(chunk):
            self._is_escaped = True
            return place + 1
        # A quote ends it; so does the end of the line, where one was forgotten.
        self._in_string = False
        return place + 1 if chunk[place : place + 1] in (b'"', b"\\") else place
