"""A command on the queue ends as what it was, and one that hangs is ended: real processes, and a Slurm of scripts."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.errors import SettingsError, SubmissionFailed
from infra.queueing.kinds import Kubernetes, Local, Slurm, queue_of
from infra.queueing.watch import run
from infra.settings import QueueSettings

FAST = QueueSettings(poll_seconds=0.05)
# A Slurm of three scripts: jobs are processes of this machine, and a job waits while there is a file `hold`.
SBATCH = """#!/bin/bash
echo "$@" > {here}/options
for last; do :; done
( while [ -e {here}/hold ]; do sleep 0.05; done; exec setsid "$last" ) > /dev/null 2>&1 & echo $! > {here}/pid
echo 4711
"""
SQUEUE = """#!/bin/bash
[ -e {here}/away ] && {{ echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }}
kill -0 $(cat {here}/pid) 2> /dev/null || {{ echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }}
[ -e {here}/hold ] && echo PENDING || echo RUNNING
"""
SCANCEL = """#!/bin/bash
touch {here}/cancelled
kill -- -$(cat {here}/pid) 2> /dev/null; kill $(cat {here}/pid) 2> /dev/null; exit 0
"""


def shell(text: str) -> list[str]:
    return ["/bin/bash", "-c", text]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "slurm"
    here.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        (here / name).write_text(text.format(here=here))
        (here / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:{os.environ['PATH']}")
    return here


def test_a_command_that_ends_well_and_one_that_fails(tmp_path: Path) -> None:
    said: list[str] = []
    run(Local(), FAST, tmp_path / "good", shell("echo $FLYWHEEL_HOME; exit 0"), tmp_path, say=said.append)
    assert (tmp_path / "good" / "output.log").read_text() == f"{tmp_path}\n"
    assert "output.log" in said[0]
    with pytest.raises(SubmissionFailed, match="exit code 3"):
        run(Local(), FAST, tmp_path / "bad", shell("exit 3"), tmp_path)
    run(Local(), FAST, tmp_path / "bad", shell("exit 0"), tmp_path)


def test_a_silent_command_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    """Also those that a launcher put into sessions of their own and that ignore SIGTERM's group."""
    rules = FAST.model_copy(update={"heartbeat_minutes": 1 / 60})
    text = f"setsid sleep 300 & echo $! > {tmp_path}/far; sleep 300 & echo $! > {tmp_path}/near; wait"
    with pytest.raises(SubmissionFailed, match="neither output nor progress") as raised:
        run(Local(), rules, tmp_path / "silent", shell(text), tmp_path)
    assert raised.value.setting == "queue.heartbeat_minutes"
    for name in ("far", "near"):
        assert not psutil.pid_exists(int((tmp_path / name).read_text()))


def test_progress_in_a_file_is_a_sign_of_life_and_the_deadline_holds_all_the_same(tmp_path: Path) -> None:
    beat = tmp_path / "progress.json"
    rules = FAST.model_copy(update={"heartbeat_minutes": 0.5 / 60, "deadline_hours": 2 / 3600})
    text = f"while true; do date +%N > {beat}; sleep 0.1; done"
    with pytest.raises(SubmissionFailed, match="has run for more than"):
        run(
            Local(), rules, tmp_path / "long", shell(text), tmp_path,
            beats=lambda: beat.stat().st_mtime_ns if beat.exists() else 0,
        )  # fmt: skip


def test_killed_outright_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SubmissionFailed, match="without an exit code"):
        run(Local(), FAST, tmp_path / "killed", shell("kill -9 $PPID; kill -9 $$"), tmp_path)


def test_a_supervisor_that_was_killed_does_not_start_the_command_twice(tmp_path: Path) -> None:
    """SIGKILL of who watches; the same again watches the job that still runs, and another command is refused."""
    import subprocess

    text = f"echo once >> {tmp_path}/starts; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    code = (
        "import sys; from pathlib import Path; from infra.queueing.watch import run\n"
        "from infra.queueing.kinds import Local; from infra.settings import QueueSettings\n"
        f"run(Local(), QueueSettings(poll_seconds=.05), Path({str(tmp_path / 'twice')!r}), {shell(text)!r}, Path('/'))"
    )
    first = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2])
    while not (tmp_path / "twice" / "job.json").exists() or not (tmp_path / "starts").exists():
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    with pytest.raises(SubmissionFailed, match="another command"):
        run(Local(), FAST, tmp_path / "twice", shell("true"), tmp_path)
    (tmp_path / "go").touch()
    run(Local(), FAST, tmp_path / "twice", shell(text), Path("/"))
    assert (tmp_path / "starts").read_text() == "once\n"


def test_slurm_waits_runs_and_ends(tmp_path: Path, slurm: Path) -> None:
    rules = FAST.model_copy(update={"kind": "slurm", "slurm_options": ("--gres=gpu:8",)})
    (slurm / "hold").touch()
    with pytest.raises(SubmissionFailed, match="has not started"):
        run(
            queue_of(rules), rules.model_copy(update={"waiting_hours": 1 / 3600}), tmp_path / "waits",
            shell("true"), tmp_path,
        )  # fmt: skip
    assert (slurm / "cancelled").exists()
    (slurm / "hold").unlink()
    run(Slurm(rules), rules, tmp_path / "runs", shell("sleep 0.3; echo done"), tmp_path)
    assert (tmp_path / "runs" / "output.log").read_text() == "done\n"
    options = (slurm / "options").read_text()
    assert "--gres=gpu:8" in options
    assert "--time=4320" in options
    with pytest.raises(SubmissionFailed, match="exit code 2"):
        run(Slurm(rules), rules, tmp_path / "fails", shell("exit 2"), tmp_path)


def test_a_controller_that_stays_away_is_no_hang(tmp_path: Path, slurm: Path) -> None:
    rules = FAST.model_copy(update={"kind": "slurm"})
    with pytest.raises(SubmissionFailed, match="has an unknown state"):
        run(
            Slurm(rules), rules, tmp_path / "away", shell("sleep 30"), tmp_path,
            say=lambda _: (slurm / "away").touch(),
        )  # fmt: skip
    assert (slurm / "cancelled").exists()


def test_a_machine_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SubmissionFailed, match="sbatch is not installed"):
        run(Slurm(FAST), FAST, tmp_path / "none", shell("true"), tmp_path)


def test_a_kubernetes_job_runs_once_on_the_projects_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="image"):
        queue_of(QueueSettings(kind="kubernetes"))
    rules = QueueSettings(
        kind="kubernetes", kubernetes_image="here/flywheel:1", kubernetes_claim="lake", kubernetes_gpus=8,
        poll_seconds=0.05,
    )  # fmt: skip
    spec = Kubernetes(rules).manifest("job", Path("/srv/run.sh"))["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert (spec["backoffLimit"], container["resources"]["limits"]["nvidia.com/gpu"]) == (0, 8)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        "#!/usr/bin/env python3\nimport json, subprocess, sys\n"
        "if 'create' in sys.argv:\n"
        "    made = json.load(sys.stdin)\n"
        "    command = made['spec']['template']['spec']['containers'][0]['command']\n"
        "    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)\n"
        "elif 'get' in sys.argv:\n    print(json.dumps({'status': {'active': 1, 'ready': 1}}))\n"
    )
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run(queue_of(rules), rules, tmp_path / "Pod_1", shell("echo pod"), tmp_path)
    assert (tmp_path / "Pod_1" / "output.log").read_text() == "pod\n"
    assert json.loads((tmp_path / "Pod_1" / "job.json").read_text())["job"].startswith("flywheel-pod-1-")
