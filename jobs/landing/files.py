"""The files that an import writes to a landing zone: whole or not at all, and the same bytes for the same lines."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from jobs.landing.zone import day_folder

_SHARD_LINES = 250_000


class DayFiles:
    """One set of compressed JSON-lines files a received day, renamed into place together when all is well.

    Attributes:
        days: received days written to.
        files_written: the files, relative to the landing root, once all are in place.
    """

    def __init__(self, landing: Path, name: str) -> None:
        self.days: set[date] = set()
        self.files_written: list[str] = []
        self._landing, self._name = landing, name
        self._open: dict[date, BinaryIO] = {}
        self._counts: Counter[date] = Counter()
        self._paths: list[Path] = []
        self._stack = ExitStack()

    def __enter__(self) -> DayFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        for path in self._paths:
            part = path.with_name(f"{path.name}.part")
            if kind is not None or (path.exists() and path.read_bytes() == part.read_bytes()):
                part.unlink()  # failed, or the same bytes as before: their time stays, so nothing lands again
            else:
                part.replace(path)
        if kind is None:
            self.files_written = [path.relative_to(self._landing).as_posix() for path in self._paths]

    def put(self, day: date, line: dict[str, Any]) -> None:
        """Write one line to a received day."""
        if self._counts[day] % _SHARD_LINES == 0:
            self._start(day)
        self._counts[day] += 1
        self.days.add(day)
        self._open[day].write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _start(self, day: date) -> None:
        if day in self._open:
            self._open[day].close()
        folder = self._landing / day_folder(day)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._name}-{self._counts[day] // _SHARD_LINES:03d}.jsonl.gz"
        self._paths.append(path)
        raw = self._stack.enter_context(path.with_name(f"{path.name}.part").open("wb"))
        # No name and no time in the header: the same lines are the same bytes.
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=5, mtime=0)
        self._open[day] = cast(BinaryIO, self._stack.enter_context(stream))
