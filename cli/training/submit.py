"""`flywheel submit`: a flywheel command on the GPU queue, watched until it ends."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.console import err
from infra.settings import load_settings


def submit(
    command: Annotated[list[str], typer.Argument(help="A flywheel command with its options, after --.")],
    name: Annotated[
        str, typer.Option(help="Under which it is watched again; default: the command's words.")
    ] = "",
) -> None:
    """Run a flywheel command on the GPU queue (setting queue.kind: local, slurm, kubernetes) and wait for its end.

    It is ended, and this command fails and says why, when it writes neither output nor progress for
    queue.heartbeat_minutes, runs longer than queue.deadline_hours, or has not started after queue.waiting_hours.
    Ctrl-C ends it too. If this command itself is killed, the same again watches the job that still runs.

    Example: flywheel submit -- train reward --kind pointwise --config reward-pointwise-cluster
    """
    from infra.queueing.kinds import queue_of
    from infra.queueing.watch import run

    settings = load_settings()
    chosen = name or "-".join(word for word in command if word.replace("-", "").isalnum() and word[0] != "-")
    # An orchestrator that gives a task up sends SIGTERM: the job must not go on without it.
    signal.signal(signal.SIGTERM, _interrupted)
    run(
        queue_of(settings.queue),
        settings.queue,
        settings.home
        / ".flywheel"
        / "queue"
        / "".join(c if c.isalnum() or c in "-_." else "-" for c in chosen),
        [sys.executable, "-m", "cli.main", *command],
        settings.home,
        beats=lambda: _progress(settings.home / ".flywheel" / "training"),
        say=lambda line: err.print(line, highlight=False),
    )


def _progress(runs: Path) -> list[tuple[str, int]]:
    """When each training last told how far it is."""
    found = []
    for file in runs.glob("*/progress.json"):
        with suppress(FileNotFoundError):  # it is replaced, or its run was removed
            found.append((str(file), file.stat().st_mtime_ns))
    return sorted(found)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt
