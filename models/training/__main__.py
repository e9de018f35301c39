"""One rank of a prepared run, as `models.training.run.launch_command` starts it."""

from __future__ import annotations

import sys
from pathlib import Path

from models.training.run import execute


def print_progress(step: int, steps: int, loss: float) -> None:
    """A line of progress on stderr."""
    print(f"step {step} of {steps}, loss {loss:.4f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    execute(Path(sys.argv[1]), print_progress)
