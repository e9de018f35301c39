"""Folders that end with the process that made them, whatever ends it: those of the dead are swept by the next."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from infra.storage import locked, publish

_LOCK: Final = ".lock"
_SETTLED_SECONDS: Final = 60


class Scratch:
    """A new folder in `parent`, named by `prefix`, for this process alone while it lives.

    Args:
        private: readable by its owner only, whatever the umask.
    """

    def __init__(self, parent: Path, prefix: str, *, private: bool = True) -> None:
        for old in parent.glob(f"{prefix}*"):
            _sweep(old)
        self.path = parent / f"{prefix}{uuid.uuid4().hex}"
        self.path.mkdir(mode=0o700 if private else 0o777)
        self._owner = os.getpid()
        self._held: IO[str] | None = locked(self.path / _LOCK)

    def move(self, to: Path) -> None:
        """Give it its name: from now on it stays.

        Raises:
            OSError: the name is taken by something that is not an empty folder.
        """
        (self.path / _LOCK).unlink(missing_ok=True)
        publish(self.path, to)
        self._release()

    def remove(self) -> None:
        """Remove it, unless it was moved or this is a fork of its owner."""
        if os.getpid() == self._owner:
            shutil.rmtree(self.path, ignore_errors=True)
            self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


def _sweep(old: Path) -> None:
    with suppress(OSError):
        # A live owner holds the lock; a young folder may not have one yet.
        settled = time.time() - old.stat().st_mtime > _SETTLED_SECONDS
        if settled and (held := locked(old / _LOCK)) is not None:
            shutil.rmtree(old, ignore_errors=True)
            held.close()
