"""What a command costs: CPU seconds of it and of all that it started, also of what nobody waits for.

python -m benchmarks.process_cost flywheel --help
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of a command, its exit code and its output."""

    cpu_seconds: float
    wall_seconds: float
    returncode: int
    output: str


def cost_of(
    command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Cost:
    """Run a command in a process that measures it and its descendants to the last of them.

    Raises:
        RuntimeError: the command failed; with the end of what it wrote to standard error.
    """
    read, write = os.pipe()
    with os.fdopen(read) as results:
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.process_cost", f"--to={write}", *command],
            capture_output=True, text=True, pass_fds=[write], cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **(environment or {})},
        )  # fmt: skip
        os.close(write)
        measured: dict[str, Any] = json.loads(results.read() or "{}")
    if result.returncode or not measured:
        raise RuntimeError(f"{' '.join(command)} failed: {result.stderr[-2000:]}")
    return Cost(measured["cpu_seconds"], measured["wall_seconds"], result.returncode, result.stdout)


def measure(command: Sequence[str]) -> tuple[int, dict[str, float]]:
    """Exit code, CPU and wall seconds of a command. Orphans of it become ours, and are waited for."""
    with suppress(AttributeError, OSError):  # Linux only; elsewhere what nobody waits for is not counted
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.perf_counter()
    returncode = subprocess.run(command, check=False).returncode
    wall = time.perf_counter() - began
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return returncode, {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "wall_seconds": round(wall, 3),
    }


def main(arguments: list[str]) -> int:
    """Measure the command and write one JSON line, to the file descriptor of `--to=N` if that comes first."""
    target = sys.stderr.fileno()
    if arguments and arguments[0].startswith("--to="):
        target = int(arguments.pop(0).removeprefix("--to="))
    returncode, figures = measure(arguments)
    os.write(target, json.dumps(figures).encode() + b"\n")
    return returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
