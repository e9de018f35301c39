"""The supported queues: processes of this machine, Slurm, Kubernetes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from infra.errors import SettingsError, SubmissionFailed
from infra.queueing.watch import Queue, QueueAway, Stage
from infra.settings import QueueSettings

_COMMAND_SECONDS = 120
_GRACE_SECONDS = 10.0
_SLURM_WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "RESV_DEL_HOLD"}
)
_SLURM_RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED"})


def queue_of(rules: QueueSettings) -> Queue:
    """The queue of the setting `queue.kind`. Raises SettingsError for one that lacks a setting."""
    if rules.kind == "slurm":
        return Slurm(rules)
    if rules.kind == "kubernetes":
        return Kubernetes(rules)
    return Local()


class Local:
    """A process group of this machine; it outlives who started it, so that it can be watched again."""

    def start(self, script: Path, name: str, output: Path) -> str:
        """The id is the process id and its start time, because process ids are reused."""
        with os.fdopen(os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as out:
            process = subprocess.Popen(
                [str(script)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        return f"{process.pid}@{psutil.Process(process.pid).create_time():.2f}"

    def stage(self, job: str) -> Stage:
        """Running, or gone."""
        return Stage.gone if self._process(job) is None else Stage.running

    def end(self, job: str) -> None:
        """SIGTERM to all its processes, and SIGKILL to what is left of them after ten seconds."""
        process = self._process(job)
        if process is None:
            return
        # A launcher gives its ranks sessions of their own: they are in no group of ours.
        family = [process, *_children(process)]
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            for member in family:
                with contextlib.suppress(psutil.Error):
                    member.send_signal(sign)
            _, family = psutil.wait_procs(family, timeout=_GRACE_SECONDS)

    def _process(self, job: str) -> psutil.Process | None:
        number, _, started = job.partition("@")
        try:
            process = psutil.Process(int(number))
            if f"{process.create_time():.2f}" != started or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.Error:
            return None
        return process


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


class Slurm:
    """`sbatch`, `squeue`, `scancel`. The environment travels with the job, as sbatch does by default."""

    def __init__(self, rules: QueueSettings) -> None:
        self._rules = rules

    def start(self, script: Path, name: str, output: Path) -> str:
        """Submit with the options of `queue.slurm_options`."""
        minutes = max(1, round(self._rules.deadline_hours * 60))
        stdout = _call(
            "sbatch", "--parsable", f"--job-name=flywheel-{name}", f"--output={output}", "--open-mode=append",
            f"--time={minutes}", "--no-requeue", *self._rules.slurm_options, str(script),
        )  # fmt: skip
        job = stdout.strip().partition(";")[0]
        if not job.isdigit():
            raise QueueAway("sbatch returned no job id")
        return job

    def stage(self, job: str) -> Stage:
        """By squeue's state; a job that squeue no longer knows is gone."""
        try:
            state = _call("squeue", "--noheader", "--format=%T", f"--jobs={job}").strip()
        except QueueAway as error:
            if "Invalid job id" in str(error):
                return Stage.gone
            raise
        if state in _SLURM_WAITING:
            return Stage.waiting
        return Stage.running if state in _SLURM_RUNNING else Stage.gone

    def end(self, job: str) -> None:
        """Cancel it."""
        _call("scancel", job)


class Kubernetes:
    """A Job of one pod by `kubectl`, with the project's volume mounted where it lies here."""

    def __init__(self, rules: QueueSettings) -> None:
        for setting in ("kubernetes_image", "kubernetes_claim"):
            if not getattr(rules, setting):
                raise SettingsError(
                    "a Kubernetes job needs an image and a volume claim", setting=f"queue.{setting}",
                    hint="Set an image that contains this project and its environment, and a volume claim.",
                )  # fmt: skip
        self._rules = rules

    def start(self, script: Path, name: str, output: Path) -> str:
        """Create the Job; its name carries the moment, so that an ended one of the same command is no obstacle."""
        job = f"flywheel-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:40]}-{time.time_ns() // 1_000_000}"
        self._kubectl("create", "--filename=-", given=json.dumps(self.manifest(job, script)))
        return job

    def manifest(self, job: str, script: Path) -> dict[str, Any]:
        """The Job as it is created."""
        rules = self._rules
        container: dict[str, Any] = {
            "name": "command",
            "image": rules.kubernetes_image,
            "command": ["/bin/bash", str(script)],
            "volumeMounts": [{"name": "project", "mountPath": rules.kubernetes_mount}],
        }
        if rules.kubernetes_gpus:
            container["resources"] = {"limits": {"nvidia.com/gpu": rules.kubernetes_gpus}}
        claim = {"persistentVolumeClaim": {"claimName": rules.kubernetes_claim}}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job, "labels": {"app": "flywheel"}},
            "spec": {
                # Who watches decides on another try; a pod that the node lost is not started again behind its back.
                "backoffLimit": 0,
                "activeDeadlineSeconds": round((rules.deadline_hours + rules.waiting_hours) * 3600),
                "ttlSecondsAfterFinished": 86_400,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [container],
                        "volumes": [{"name": "project", **claim}],
                    }
                },
            },
        }

    def stage(self, job: str) -> Stage:
        """By the Job's status: ready pods run, others wait."""
        stdout = self._kubectl("get", "job", job, "--ignore-not-found", "--output=json")
        if not stdout.strip():
            return Stage.gone
        try:
            status = json.loads(stdout).get("status", {})
        except ValueError:
            raise QueueAway("kubectl returned no JSON") from None
        if status.get("succeeded") or status.get("failed"):
            return Stage.gone
        return Stage.running if status.get("ready") else Stage.waiting

    def end(self, job: str) -> None:
        """Delete it with its pod."""
        self._kubectl("delete", "job", job, "--ignore-not-found", "--cascade=foreground", "--wait=false")

    def _kubectl(self, *arguments: str, given: str = "") -> str:
        return _call("kubectl", f"--namespace={self._rules.kubernetes_namespace}", *arguments, given=given)


def _call(*command: str, given: str = "") -> str:
    """Standard output of a scheduler's command.

    Raises:
        QueueAway: it fails or does not answer.
        SubmissionFailed: it is not installed here.
    """
    try:
        result = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
        )
    except FileNotFoundError:
        raise SubmissionFailed(
            f"{command[0]} is not installed on this machine", setting="queue.kind",
            hint="Submit from a machine of the cluster, or set queue.kind to local.",
        ) from None  # fmt: skip
    except subprocess.TimeoutExpired:
        raise QueueAway(f"{command[0]} does not respond") from None
    if result.returncode:
        raise QueueAway(f"{command[0]}: {_last_line(result.stderr.splitlines())}")
    return result.stdout


def _last_line(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
