"""Writes the files of an import to a landing zone, all or none. The same lines give the same bytes."""

from __future__ import annotations

import gzip
import json
import resource
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from infra.storage import Draft, Folder, Upload, folder
from jobs.landing.zone import day_folder

_SHARD_LINES = 250_000
# A stream of gzip holds a quarter of a megabyte. One that is closed goes on as another member of its file.
_MOST_STREAMS = 64
_FEW_FILES = 128


class DayFiles:
    """Compressed JSON-lines files by received day, published together if all succeeds.

    Attributes:
        days: received days written to.
        files_written: the files, relative to the landing root, once all are in place.
    """

    def __init__(self, landing: str | Path | Folder, name: str) -> None:
        self.days: set[date] = set()
        self.files_written: list[str] = []
        self._landing, self._name = folder(landing), name
        self._open: dict[date, BinaryIO] = {}
        self._counts: Counter[date] = Counter()
        self._drafts: dict[str, Draft | Upload] = {}
        self._draft_of: dict[date, Draft | Upload] = {}

    def __enter__(self) -> DayFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for stream in self._open.values():
                stream.close()
            if kind is None:
                for name, draft in self._drafts.items():
                    # An unchanged file keeps its modification time, so that it does not land again.
                    if self._landing.read_if_there(name) != draft.content():
                        draft.publish()
                self.files_written = list(self._drafts)
        finally:
            for draft in self._drafts.values():
                draft.discard()

    def put(self, day: date, line: dict[str, Any]) -> None:
        """Write one line to a received day."""
        if self._counts[day] % _SHARD_LINES == 0:
            self._start(day)
        self._counts[day] += 1
        self.days.add(day)
        self._stream(day).write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _start(self, day: date) -> None:
        """Begin the next file of a day."""
        if day in self._open:
            self._open.pop(day).close()
        name = f"{day_folder(day)}/{self._name}-{self._counts[day] // _SHARD_LINES:03d}.jsonl.gz"
        if len(self._drafts) >= _FEW_FILES:
            _allow_open_files(2 * len(self._drafts) + _FEW_FILES)
        self._drafts[name] = self._draft_of[day] = self._landing.draft(name)

    def _stream(self, day: date) -> BinaryIO:
        """The stream of a day, the last used at the end of those that are open."""
        stream = self._open.pop(day, None)
        if stream is None:
            if len(self._open) >= _MOST_STREAMS:
                self._open.pop(next(iter(self._open))).close()
            # No name and no time in the gzip header, so that the same lines give the same bytes.
            out = self._draft_of[day].out
            stream = cast(
                BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=5, mtime=0)
            )
        self._open[day] = stream
        return stream


def _allow_open_files(wanted: int) -> None:
    """Raise the limit on open files of this process, as far as the system lets it: each day's file stays open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
