"""One rank of a prepared run, as `models.training.run.launch_command` starts it."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.progress import show
from infra.storage.private import keep_private
from models.training.run import execute


def print_progress(step: int, steps: int, loss: float) -> None:
    """A line of progress on stderr."""
    show(f"step {step} of {steps}, loss {loss:.4f}")


if __name__ == "__main__":
    keep_private()
    execute(Path(sys.argv[1]), print_progress)
