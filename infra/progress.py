"""Progress for people: one line a step on standard error, and in the file that FLYWHEEL_PROGRESS names.

`make demo` follows that file, because Airflow mixes standard error with its own log.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from infra.inert import visible

PROGRESS_FILE = "FLYWHEEL_PROGRESS"


def report(line: str) -> None:
    """Show a line of progress. It must not hold raw text or a secret."""
    show(line)
    record(line)


def show(line: str) -> None:
    """Show a line on standard error only. Names in it may come from data: nothing in it acts on a terminal."""
    print(visible(line), file=sys.stderr, flush=True)


def record(line: str) -> None:
    """Add a line to the progress file only, for what standard error shows already."""
    if name := os.environ.get(PROGRESS_FILE):
        with Path(name).open("a", encoding="utf-8") as stream:
            stream.write(f"{visible(line)}\n")


class Heartbeat:
    """Reports that a step is still at work, every `seconds` until the block ends.

    Args:
        name: of the step.
        detail: how far it is, in a few words; asked each time, from another thread.
    """

    def __init__(self, name: str, detail: Callable[[], str] = str, seconds: float = 15.0) -> None:
        self._name, self._detail, self._seconds = name, detail, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"progress of {name}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds):
            seconds = time.monotonic() - self._started
            detail = self._detail()
            report(f"  {self._name}: running for {seconds:.0f} s{f', {detail}' if detail else ''}")
