"""A command on the GPU queue, watched until it ends: no silent hang.

A queue only starts a script, says whether it still runs, and ends it. What the script writes is the same everywhere:
its output, and its exit code in a file as its last act. A script that is gone without a code was killed.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from infra.errors import SubmissionFailed
from infra.settings import QueueSettings
from infra.storage import write_file
from infra.storage.private import OWNER_UMASK

_REPOSITORY = Path(__file__).resolve().parents[2]
_JOB, _SCRIPT, _OUTPUT, _CODE = "job.json", "run.sh", "output.log", "exit_code"
# A shared file system may show a file of another machine late, and a scheduler may be away for a moment.
_LATE_POLLS = 5


class Stage(Enum):
    """Where a started script is."""

    waiting = "waiting"
    running = "running"
    gone = "gone"


class Queue(Protocol):
    """Runs scripts. Every method raises QueueAway when the scheduler does not answer."""

    def start(self, script: Path, name: str, output: Path) -> str:
        """Start the script and return its id."""

    def stage(self, job: str) -> Stage:
        """Where it is."""

    def end(self, job: str) -> None:
        """End it with all its processes; one that is gone stays so."""


class QueueAway(Exception):
    """The scheduler does not answer just now."""


@dataclass(frozen=True)
class Job:
    """A started command, as recorded in its folder: a later call watches it instead of starting another."""

    job: str
    command: list[str]
    submitted: float


def run(
    queue: Queue,
    rules: QueueSettings,
    folder: Path,
    command: Sequence[str],
    home: Path,
    beats: Callable[[], object] = tuple,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the command on the queue and wait for its end.

    If the folder remembers the same command and that still runs, it is watched: a supervisor that was killed and
    started again does not train twice. Ended by a signal (an exception here), the command is ended too.

    Args:
        folder: of this command, on a file system that the queue's machines share; holds output.log.
        home: the project.
        beats: anything that changes while the command makes progress; its output counts without that.

    Raises:
        SubmissionFailed: it failed, was silent for `heartbeat_minutes`, or passed a deadline, and has been ended.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    job = _running(queue, folder, list(command)) or _started(queue, folder, list(command), home)
    say(f"{folder.name}: job {job.job} on the queue {rules.kind}; output in {folder / _OUTPUT}")
    try:
        _watch(queue, rules, folder, job, beats, say)
    except BaseException:
        _end(queue, job)
        raise


def _running(queue: Queue, folder: Path, command: list[str]) -> Job | None:
    try:
        job = Job(**json.loads((folder / _JOB).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if (folder / _CODE).exists() or _stage(queue, job) is Stage.gone:
        return None
    if job.command != command:
        raise SubmissionFailed(
            f"job {job.job} of another command still runs under the name {folder.name}",
            setting="queue.kind",
            hint="Wait for it, stop it, or give another --name.",
        )
    return job


def _started(queue: Queue, folder: Path, command: list[str], home: Path) -> Job:
    for name in (_JOB, _CODE, _OUTPUT):
        (folder / name).unlink(missing_ok=True)
    script = folder / _SCRIPT
    code, output = shlex.quote(str(folder / _CODE)), shlex.quote(str(folder / _OUTPUT))
    write_file(
        script,
        # A queue of other machines starts with their umask.
        f"#!/bin/bash\numask {OWNER_UMASK:03o}\n"
        f"cd {shlex.quote(str(_REPOSITORY))} && export FLYWHEEL_HOME={shlex.quote(str(home))} PYTHONUNBUFFERED=1\n"
        f"{shlex.join(command)} >> {output} 2>&1\n"
        f"code=$?\necho $code > {code}.draft && mv {code}.draft {code}\nexit $code\n",
        mode=0o700,
    )
    try:
        job = Job(queue.start(script, folder.name, folder / _OUTPUT), command, time.time())
    except QueueAway as error:
        raise SubmissionFailed(
            f"the queue rejected {folder.name}: {error}",
            setting="queue.kind",
            hint="Check that you can reach it from this machine.",
        ) from None
    write_file(folder / _JOB, json.dumps(asdict(job)), mode=0o600)
    return job


def _watch(
    queue: Queue,
    rules: QueueSettings,
    folder: Path,
    job: Job,
    beats: Callable[[], object],
    say: Callable[[str], None],
) -> None:
    last_progress: object = None
    last_beat, running, missing, away = time.monotonic(), 0.0, 0, 0
    while True:
        if (code := _exit_code(folder)) is not None:
            if code == 0:
                return
            raise _failed(folder, f"ended with exit code {code}")
        try:
            stage, away = queue.stage(job.job), 0
        except QueueAway as error:
            stage, away = Stage.waiting if not running else Stage.running, away + 1
            if away > _LATE_POLLS:
                raise _failed(folder, f"has an unknown state: {error}") from None
        if stage is Stage.gone:
            missing += 1
            if missing > _LATE_POLLS:
                raise _failed(
                    folder,
                    "ended without an exit code: it was killed, ran out of memory, or its machine failed",
                )
        elif stage is Stage.running and not running:
            running, last_beat = time.monotonic(), time.monotonic()
            say(f"{folder.name}: running")
        if (progress := (_mark(folder / _OUTPUT), beats())) != last_progress:
            last_progress, last_beat = progress, time.monotonic()
        _check(rules, folder, job, running, time.monotonic() - last_beat)
        time.sleep(rules.poll_seconds)


def _check(rules: QueueSettings, folder: Path, job: Job, running: float, silent: float) -> None:
    if not running:
        if time.time() - job.submitted > rules.waiting_hours * 3600:
            raise _failed(folder, f"has not started in {rules.waiting_hours:g} hours", "queue.waiting_hours")
    elif silent > rules.heartbeat_minutes * 60:
        reason = f"has written neither output nor progress for {rules.heartbeat_minutes:g} minutes"
        raise _failed(folder, reason, "queue.heartbeat_minutes")
    elif time.time() - job.submitted > (rules.deadline_hours + rules.waiting_hours) * 3600 or (
        time.monotonic() - running > rules.deadline_hours * 3600
    ):
        raise _failed(folder, f"has run for more than {rules.deadline_hours:g} hours", "queue.deadline_hours")


def _failed(folder: Path, reason: str, setting: str | None = None) -> SubmissionFailed:
    return SubmissionFailed(
        f"{folder.name} {reason}; it was stopped" if setting else f"{folder.name} {reason}",
        setting=setting,
        hint=f"Read {folder / _OUTPUT}. Then run it again: training continues from its last complete checkpoint.",
    )


def _stage(queue: Queue, job: Job) -> Stage:
    try:
        return queue.stage(job.job)
    except QueueAway as error:
        raise SubmissionFailed(f"job {job.job} has an unknown state: {error}", setting="queue.kind") from None


def _end(queue: Queue, job: Job) -> None:
    try:
        queue.end(job.job)
    except QueueAway as error:
        # The first error is being raised already; that the job may still run must be reported too.
        raise SubmissionFailed(
            f"job {job.job} could not be stopped: {error}", setting="queue.kind", hint="Stop it manually."
        ) from None


def _exit_code(folder: Path) -> int | None:
    try:
        return int((folder / _CODE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _mark(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns
