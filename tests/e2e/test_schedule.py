"""The scheduled chain under real Airflow: a partition of `traffic` is what starts the same partition of `curation`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.lake import Lake
from infra.lake.migrate import migrate
from infra.sandbox import SandboxSettings, generate
from jobs import curation, traffic
from jobs.experiments import ASSIGNMENTS
from jobs.plan import Plan
from tests.conftest import settings_for

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.airflow]
REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 3000  # shared machines stall; a failed run is seen at once


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def airflow(home: Path) -> Iterator[httpx.Client]:
    """`airflow standalone` over the project in `home`, and a client of its REST interface."""
    port = free_port()
    environment = {
        "AIRFLOW_HOME": str(home / ".airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW_CONN_SPARK_DEFAULT": "spark://local",
        "FLYWHEEL_HOME": str(home),
        "FLYWHEEL_SPARK__MASTER": "local[2]",
        "FLYWHEEL_SPARK__DRIVER_MEMORY": "3g",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    with (home / "airflow.log").open("wb") as log:
        process = subprocess.Popen(
            ["airflow", "standalone"],
            env=os.environ | environment, cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://localhost:{port}", timeout=30) as client:
            until(lambda: client.get("/api/v2/monitor/health").json()["scheduler"]["status"] == "healthy")
            token = client.get("/auth/token").json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def until(condition: Any, seconds: float = 240) -> None:
    """Wait until `condition()` holds; what is not there yet may raise."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            if condition():
                return
        time.sleep(2)
    raise TimeoutError


@pytest.mark.timeout(PATIENCE_SECONDS + 600)
def test_a_partition_of_traffic_starts_the_same_partition_of_curation(tmp_path: Path) -> None:
    # What the scheduler itself runs as soon as `traffic` is unpaused: the day before the last 02:00.
    scheduled = (datetime.now(UTC) - timedelta(hours=2)).date() - timedelta(days=1)
    asked = scheduled - timedelta(days=1)
    settings = settings_for(tmp_path)
    migrate(settings)
    small = SandboxSettings(turns=200, days=2, start=asked, seed=5)
    generate(small, Path(Lake.of(settings).landing), tmp_path / "truth")

    with airflow(tmp_path) as client:

        def send(method: str, path: str, **body: Any) -> Any:
            answer = client.request(method, f"/api/v2/dags/{path}", json=body or None)
            answer.raise_for_status()
            return answer.json()

        def done(day: date) -> bool:
            runs = send("GET", "curation/dagRuns")["dag_runs"]
            failed = [r for r in runs if r["state"] == "failed"]
            assert not failed, (tmp_path / "airflow.log").read_text(errors="replace")[-4000:]
            return any(
                r["state"] == "success" and r["partition_key"].startswith(day.isoformat()) for r in runs
            )

        until(lambda: send("GET", "curation") and send("GET", "traffic"))
        send("PATCH", "curation", is_paused=False)
        send("POST", "traffic/dagRuns", logical_date=None, partition_key=f"{asked}T00:00:00")
        send("PATCH", "traffic", is_paused=False)
        until(lambda: done(asked) and done(scheduled), PATIENCE_SECONDS)

    plan = Plan(settings)
    # `experiments` and `signals` are started in the same way and stay paused: a JVM a task is dear.
    for job in (*traffic.JOBS, ASSIGNMENTS, *curation.JOBS):
        if job.is_daily:
            assert {asked.isoformat(), scheduled.isoformat()} <= set(plan.successes(job)), job.name
    outcomes = Lake.of(settings).open("curation.outcomes").to_pyarrow_table()
    turns = Lake.of(settings).open("traffic.turns").to_pyarrow_table()
    assert sorted(outcomes["turn_id"].to_pylist()) == sorted(turns["turn_id"].to_pylist())
    assert set(outcomes["ds"].to_pylist()) >= {asked, scheduled}
