"""`flywheel submit`: run a flywheel command on the GPU queue and wait for it."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.console import err


def submit(
    command: Annotated[list[str], typer.Argument(help="A flywheel command and its options, after --.")],
    name: Annotated[
        str, typer.Option(help="Name of the job in the queue. Default: the words of the command.")
    ] = "",
) -> None:
    """Run a flywheel command on the GPU queue and wait for it.

    The setting queue.kind chooses the queue: local, slurm or kubernetes. The job is cancelled if it writes no output
    and no progress for queue.heartbeat_minutes, runs longer than queue.deadline_hours, or has not started after
    queue.waiting_hours. This command then fails with the reason. Ctrl-C also cancels the job. If this command is
    killed, run it again: it finds the job that is still running.

    \b
    Example:
      flywheel submit -- train reward --kind pointwise --config reward-pointwise-cluster
    """
    from infra.queueing.kinds import queue_of
    from infra.queueing.watch import run
    from infra.settings import load_settings

    settings = load_settings()
    job_name = name or "-".join(
        word for word in command if word.replace("-", "").isalnum() and word[0] != "-"
    )
    # An orchestrator that cancels its task sends SIGTERM. The job must end with it.
    signal.signal(signal.SIGTERM, _interrupted)
    run(
        queue_of(settings.queue),
        settings.queue,
        settings.home
        / ".flywheel"
        / "queue"
        / "".join(c if c.isalnum() or c in "-_." else "-" for c in job_name),
        [sys.executable, "-m", "cli.main", *command],
        settings.home,
        beats=lambda: _progress(settings.home / ".flywheel" / "training"),
        say=lambda line: err.print(line),
    )


def _progress(runs: Path) -> list[tuple[str, int]]:
    """When each training last wrote its progress."""
    files = []
    for file in runs.glob("*/progress.json"):
        with suppress(FileNotFoundError):  # it was replaced, or its run removed
            files.append((str(file), file.stat().st_mtime_ns))
    return sorted(files)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt
