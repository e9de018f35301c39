"""Temporary folders of one process. If it is killed, the next process that makes such a folder removes its own too."""

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
    """A new folder in `parent` whose name begins with `prefix`, for this process only.

    Args:
        private: readable by its owner only, whatever the umask.
    """

    def __init__(self, parent: Path, prefix: str, *, private: bool = True) -> None:
        for old in parent.glob(f"{prefix}*"):
            _sweep(old)
        self.path = parent / f"{prefix}{uuid.uuid4().hex}"
        self.path.mkdir(mode=0o700 if private else 0o777)
        self._owner = os.getpid()
        self._lock_file: IO[str] | None = locked(self.path / _LOCK)

    def move(self, to: Path) -> None:
        """Rename the folder to `to`; it is permanent from then on.

        Raises:
            OSError: the name is taken by something that is not an empty folder.
        """
        (self.path / _LOCK).unlink(missing_ok=True)
        publish(self.path, to)
        self._release()

    def remove(self) -> None:
        """Remove the folder, unless it was moved or this process is a fork of its owner."""
        if os.getpid() == self._owner:
            shutil.rmtree(self.path, ignore_errors=True)
            self._release()

    def _release(self) -> None:
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


def _sweep(old: Path) -> None:
    with suppress(OSError):
        # A live owner holds the lock; a young folder may not have one yet.
        settled = time.time() - old.stat().st_mtime > _SETTLED_SECONDS
        if settled and (lock := locked(old / _LOCK)) is not None:
            shutil.rmtree(old, ignore_errors=True)
            lock.close()
