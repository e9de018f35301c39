"""One writer per table at a time: a lock with an owner and an expiry, wherever a file can be created exclusively.

A lock is a numbered file, `<locks>/<table>/<n>.json`. Whoever creates the next number holds the lock, so two stealers
of one expired lock cannot both win: only one creates n + 1. A heartbeat thread moves the expiry; a writer checks that
it is still the newest before it commits.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from infra.errors import DiskFull, LockHeld, is_disk_full
from infra.storage import Folder, folder

_STATE: dict[str, Any] = {
    "run_id": str, "host": str, "pid": int, "process_started": int | float, "expires": int | float, "released": bool,
}  # fmt: skip
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Owner:
    """Who holds a lock: enough to tell a dead process from a live one on the same host."""

    run_id: str
    host: str
    pid: int
    process_started: float

    @classmethod
    def this_process(cls, run_id: str) -> Owner:
        """The owner that this process is."""
        return cls(run_id, socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def is_dead(self) -> bool:
        """Whether it is known to be dead: its host is this one and no such process runs."""
        if self.host != socket.gethostname():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.process_started) > 1
        except psutil.NoSuchProcess:
            return True


@dataclass(frozen=True)
class Broken:
    """A run that ended without a word: it was killed, or its machine went down.

    Attributes:
        doing: what it said that it does.
        taken_ts, last_sign_ts: when it took the lock, and its last sign of life, UTC.
    """

    run_id: str
    doing: Mapping[str, str]
    taken_ts: datetime
    last_sign_ts: datetime


class TableLock:
    """The held lock of one table. Get it with `hold`."""

    def __init__(
        self, root: Folder, table: str, owner: Owner, lock_seconds: float, doing: Mapping[str, str] = _NOTHING
    ) -> None:
        self._folder, self._table, self._owner, self._seconds = root.at(table), table, owner, lock_seconds
        self._doing, self._number = dict(doing), 0
        self.broken: Broken | None = None
        """What a run that ended without a word left: known once the lock is acquired."""
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._heartbeat, name=f"lock {table}", daemon=True)

    def acquire(self) -> None:
        """Take the lock or say who has it.

        Raises:
            LockHeld: a live run holds it.
        """
        written, following = self._listed()
        newest = max(written, default=0)
        if newest:
            state = self._read(newest)
            # An unreadable lock was cut off when its host lost power: it expires by its modification time.
            expired = written[newest] + self._seconds < time.time() if state is None else _is_over(state)
            if not expired:
                raise self._held(state)
            self.broken = _broken(state, self._seconds)
        try:
            self._folder.create(_file_name(following), self._state(), durable=False)
        except FileExistsError:
            raise self._held(self._read(following)) from None
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise DiskFull(
                "the disk is too full to write the table's lock", table=self._table,
                hint="Free disk space, then run again. Nothing was changed.",
            ) from None  # fmt: skip
        if self._newest() != following:
            # Between the listing and now others took this number, gave it back and went on to the next.
            self._folder.delete(_file_name(following))
            raise self._held(self._read(self._newest()))
        self._number = following
        for old in written:
            self._folder.delete(_file_name(old))
        self._beat.start()

    def check(self) -> None:
        """Make sure, just before a commit, that nobody took the lock over.

        Raises:
            LockHeld: this run was slower than its expiry and another began.
        """
        if self._newest() != self._number:
            raise self._held(self._read(self._newest()))

    def release(self) -> None:
        """Give the lock back; the next writer need not wait for the expiry."""
        self._stop.set()
        if self._beat.is_alive():
            self._beat.join()
        if self._number and self._newest() == self._number:
            try:
                self._folder.write(_file_name(self._number), self._state(released=True), durable=False)
            except (
                OSError
            ):  # a full disk allows no write, but a deletion; the write that filled it has been reported
                self._folder.delete(_file_name(self._number))

    def _heartbeat(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            if self._newest() != self._number:
                return  # taken over; check() will say so before the next commit
            # A sign of life does not wait for a busy disk, and a full one only costs this sign.
            with suppress(OSError):
                self._folder.write(_file_name(self._number), self._state(), durable=False)

    def last_state(self) -> dict[str, Any] | None:
        """What the newest lock file says; None where there is none that can be read."""
        newest = self._newest()
        return self._read(newest) if newest else None

    def _listed(self) -> tuple[dict[int, float], int]:
        """Number of each lock file to when it was last written, in seconds since 1970, and the first free number.

        A folder with the name of a lock is none, and takes up its number.
        """
        numbered = [
            (number, entry)
            for entry in self._folder.entries()
            if (number := _number_of(entry.name)) is not None
        ]
        written = {number: entry.modified_ns / 1e9 for number, entry in numbered if not entry.is_folder}
        return written, 1 + max((number for number, _ in numbered), default=0)

    def _newest(self) -> int:
        return max(self._listed()[0], default=0)

    def _read(self, number: int) -> dict[str, Any] | None:
        # A file system without hard links, or an older version of this code, shows files half written: look again.
        for _ in range(5):
            try:
                state = json.loads(self._folder.read(_file_name(number)))
            except (ValueError, RecursionError, FileNotFoundError):
                state = None
            if _is_state(state):
                return dict(state)
            time.sleep(0.05)
        return None

    def _state(self, released: bool = False) -> bytes:
        state = (
            self._doing
            | asdict(self._owner)
            | {
                "expires": time.time() + self._seconds,
                "released": released,
                "taken": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        return json.dumps(state).encode()

    def _held(self, state: dict[str, Any] | None) -> LockHeld:
        owner = f"run {state['run_id']} (pid {state['pid']} on {state['host']})" if state else "another run"
        return LockHeld(
            f"{owner} is writing the table",
            table=self._table,
            hint=f"Wait for it, or stop it. Its lock is released when it ends, or {self._seconds:.0f} s after its "
            "last sign of life when its host dies. Nothing was changed.",
        )


def _file_name(number: int) -> str:
    return f"{number:08d}.json"


def _number_of(name: str) -> int | None:
    """The number in the name of a lock file; None for any other name."""
    number = name.removesuffix(".json")
    return int(number) if name.endswith(".json") and number.isascii() and number.isdecimal() else None


def _is_state(value: object) -> bool:
    """Whether it is what `TableLock` writes: somebody else may have written to the file."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) and not (kind is not bool and isinstance(value[name], bool))
        for name, kind in _STATE.items()
    )


def _is_over(state: dict[str, Any]) -> bool:
    owner = Owner(state["run_id"], state["host"], state["pid"], state["process_started"])
    return bool(state["released"]) or state["expires"] < time.time() or owner.is_dead()


def _broken(state: dict[str, Any] | None, lock_seconds: float) -> Broken | None:
    if state is None or state["released"]:
        return None
    doing = {
        key: value for key, value in state.items() if key not in {*_STATE, "taken"} and isinstance(value, str)
    }
    last_sign = datetime.fromtimestamp(state["expires"] - lock_seconds, UTC)
    try:
        taken = datetime.fromisoformat(state["taken"])
    except (KeyError, TypeError, ValueError):  # an older version of this code did not write it
        taken = last_sign
    taken = taken if taken.tzinfo else last_sign
    # The setting may have been another then.
    return Broken(state["run_id"], doing, taken, max(taken, last_sign))


def broken(root: str | Folder, tables: Sequence[str], lock_seconds: float) -> list[Broken]:
    """The runs that ended without a word while they wrote one of the tables, each once; none of the tables is locked.

    They are listed until the next run takes the table's lock.
    """
    runs: dict[str, Broken] = {}
    for table in tables:
        lock = TableLock(folder(root), table, Owner("", "", 0, 0.0), lock_seconds)
        if (state := lock.last_state()) is not None and _is_over(state):
            left = _broken(state, lock_seconds)
            if left is not None:
                runs.setdefault(left.run_id, left)
    return list(runs.values())


@contextmanager
def hold(
    root: str | Folder,
    tables: Sequence[str],
    run_id: str,
    lock_seconds: float,
    doing: Mapping[str, str] = _NOTHING,
) -> Iterator[dict[str, TableLock]]:
    """Hold the locks of several tables, taken in name order so that two runs cannot wait for each other.

    Args:
        doing: what the run does, by name, for whoever finds its lock after it was killed.

    Yields:
        The lock of each table, to `check()` before a commit.

    Raises:
        LockHeld: one of them is held; those taken before it are released.
    """
    owner = Owner.this_process(run_id)
    with ExitStack() as stack:
        locks: dict[str, TableLock] = {}
        for table in sorted(tables):
            lock = TableLock(folder(root), table, owner, lock_seconds, doing)
            lock.acquire()
            stack.callback(lock.release)
            locks[table] = lock
        yield locks
