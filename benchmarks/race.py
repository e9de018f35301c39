"""What every race shares: arguments, alternate timing of two sides, the table and the closing line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import TypeVar

import psutil

_T = TypeVar("_T")


def arguments(
    description: str | None, size: int, more: Mapping[str, tuple[str, str]] | None = None
) -> argparse.Namespace:
    """`--data`, `--seed`, `--size` (rows; the default is the race's own).

    Args:
        more: options of one race, name to (default, help); their values are text.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("FLYWHEEL_SHARED_DATA", "../shared/data")),
        help="directory of real data; what is not there is generated, and the output says so",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=size, help="rows")
    for name, (default, text) in (more or {}).items():
        parser.add_argument(f"--{name}", default=default, help=f"{text} (default: {default or 'none'})")
    return parser.parse_args()


class _Meter(threading.Thread):
    """Adds up the CPU seconds of this process and all that descend from it, also of those that ended.

    Spark's Python daemon leaves workers behind that nobody waits for, so what the living say of their children is too
    little: every process is looked at twice a second, and the last that was seen of it counts.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._seen: dict[tuple[int, float], float] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        """Look, until the process ends."""
        while True:
            self.seconds()
            time.sleep(0.5)

    def seconds(self) -> float:
        """So far."""
        top = psutil.Process()
        with self._lock:
            for process in (top, *top.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    self._seen[process.pid, process.create_time()] = times.user + times.system
            return sum(self._seen.values())


@cache
def _meter() -> _Meter:
    meter = _Meter()
    meter.start()
    return meter


def cpu_seconds() -> float:
    """CPU seconds of this process and all its descendants since the first call; up to half a second of one that ended
    is missing."""
    return _meter().seconds()


def alternate(
    sides: Mapping[str, Callable[[], _T]], rounds: int = 3, clock: Callable[[], float] = time.process_time
) -> tuple[dict[str, float], dict[str, _T]]:
    """Run all sides in turn, `rounds` times: median seconds and last answer of each.

    Args:
        clock: CPU seconds so far; by default of this process and all its threads.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    answers: dict[str, _T] = {}
    for _ in range(rounds):
        for name, run in sides.items():
            began = clock()
            answers[name] = run()
            seconds[name].append(clock() - began)
    return {name: median(times) for name, times in seconds.items()}, answers


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def close(
    race: str, figures: Mapping[str, object], goal: Mapping[str, object], passed: Mapping[str, bool]
) -> bool:
    """Print the closing JSON line; `passed` says of each goal whether it was met. Where none was asked, none was."""
    met = bool(passed) and all(passed.values())
    line = {"race": race, **figures, "goal": dict(goal), "met": dict(passed), "pass": met}
    print(json.dumps(line, ensure_ascii=False))
    return met
