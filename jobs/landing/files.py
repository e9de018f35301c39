"""Writes the files of an import to a landing zone, all or none. The same lines give the same bytes."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from infra.storage import Draft, Folder, Upload, folder
from jobs.landing.zone import day_folder

_SHARD_LINES = 250_000


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
        self._stack = ExitStack()

    def __enter__(self) -> DayFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
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
        self._open[day].write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _start(self, day: date) -> None:
        if day in self._open:
            self._open[day].close()
        name = f"{day_folder(day)}/{self._name}-{self._counts[day] // _SHARD_LINES:03d}.jsonl.gz"
        draft = self._drafts[name] = self._landing.draft(name)
        # No name and no time in the gzip header, so that the same lines give the same bytes.
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=draft.out, compresslevel=5, mtime=0)
        self._open[day] = cast(BinaryIO, self._stack.enter_context(stream))
