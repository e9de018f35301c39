"""Doctor looks at the port that Airflow will use, and does not accuse the Airflow that it finds there."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cli.maintenance.doctor import AIRFLOW_PORT, _port, examine
from infra.settings import load_settings
from tests.conftest import REPOSITORY

LISTENS = """
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(script: Path, airflow_home: Path) -> Iterator[int]:
    """A program that listens on a port, as Airflow's web server would."""
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(LISTENS)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"AIRFLOW_HOME": str(airflow_home)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


@pytest.mark.parametrize(
    ("program", "home", "ok", "told"),
    [
        ("bin/airflow", ".airflow", True, "is used by the Airflow of this project"),
        ("bin/airflow", "elsewhere/.airflow", False, "in use"),
        ("bin/other", ".airflow", False, "in use"),
    ],
)
def test_who_uses_the_port_is_told_apart(
    tmp_path: Path, program: str, home: str, ok: bool, told: str
) -> None:
    with listening(tmp_path / program, tmp_path / home) as port:
        check = _port(str(port), load_settings(home=tmp_path))
    assert (check.ok, check.required) == (ok, ok)
    assert f"port {port}" in check.what
    assert told in check.what


def test_the_port_is_the_one_that_make_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    monkeypatch.setenv(AIRFLOW_PORT, str(free))
    assert any(
        check.ok and f"port {free} is free" in check.what for check in examine(load_settings(home=tmp_path))
    )
    monkeypatch.setenv(AIRFLOW_PORT, "80a")
    assert any("AIRFLOW_PORT is '80a'" in check.what for check in examine(load_settings(home=tmp_path)))


def test_airflow_is_started_without_a_check_of_the_machine() -> None:
    """`make airflow ARGS=...` is called again and again: each call installed and checked everything."""
    told = subprocess.run(
        ["make", "-n", "airflow", "ARGS=version"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "flywheel doctor" not in told
    assert "airflow version" in told
