"""Opens a file's bytes for reading: compressed or not by its name, and never more bytes than a bomb may give."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast

BUFFER_BYTES: Final = 1 << 20
SMALL_BYTES = 1 << 22
"""A file may expand to so much, however small it is."""


class ExpandedTooFar(Exception):
    """A stream gave more bytes than it may."""


@contextmanager
def opened(source: BinaryIO, name: str, size: int, max_expansion: int | None) -> Iterator[io.BufferedReader]:
    """The content of a file: `source` itself, or what it expands to if its name ends in .gz.

    Reading raises EOFError, OSError or zlib.error for damaged gzip, and ExpandedTooFar.

    Args:
        size: bytes of the file as it is stored.
        max_expansion: how many times its size it may expand; None = without a bound.
    """
    if not name.endswith(".gz"):
        # Not every store gives a stream with a buffer to look ahead in.
        yield (
            source
            if isinstance(source, io.BufferedReader)
            else io.BufferedReader(cast(Any, source), BUFFER_BYTES)
        )
        return
    if size == 0:
        raise EOFError
    with gzip.GzipFile(fileobj=source, mode="rb") as stream:
        bounded = (
            stream if max_expansion is None else _Bounded(stream, max(max_expansion * size, SMALL_BYTES))
        )
        with io.BufferedReader(cast(Any, bounded), BUFFER_BYTES) as lines:
            yield lines


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when it gives more than `most` bytes."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream, self._left = stream, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and self._stream.read(1):
            raise ExpandedTooFar
        size = self._stream.readinto(memoryview(buffer)[: self._left])
        self._left -= size
        return size
