"""What every race shares: arguments, alternate timing of two sides, the table and the closing line."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

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
    """Print the closing JSON line; `passed` says of each goal whether it was met."""
    line = {"race": race, **figures, "goal": dict(goal), "met": dict(passed), "pass": all(passed.values())}
    print(json.dumps(line, ensure_ascii=False))
    return all(passed.values())
