"""The DAG of reward models: gate before registration before scoring, on the queue, with a command that is real."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import jinja2
import pytest

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        import importlib

        return importlib.import_module("dags.preherding").dag


def rendered(text: str, key: str | None, params: dict[str, str]) -> str:
    run = type("Run", (), {"partition_key": key})()
    return jinja2.Template(text).render(dag_run=run, params=params)


def test_nothing_is_registered_before_its_gate_and_scored_before_both(dag: Any) -> None:
    upstream = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    for kind in ("pointwise", "pairwise"):
        assert upstream[f"train.{kind}"] == {f"gate.{kind}"}
    assert upstream["preherding.score"] == {"train.pointwise", "train.pairwise"}


def test_it_waits_for_preferences_and_says_what_it_makes(dag: Any) -> None:
    assert dag.timetable.asset_condition.name == "annotation.preferences"
    made = {asset.name for task in dag.tasks for asset in task.outlets}
    assert made == {"preherding.rm_accuracy", "preherding.scores"}


def test_every_gpu_command_is_one_that_flywheel_has(dag: Any) -> None:
    """Parsed by the command line itself; only the last --help keeps it from running."""
    from typer.testing import CliRunner

    from cli.main import app
    from infra.settings import load_settings

    bounds = load_settings().queue
    for task in dag.tasks:
        if task.task_id == "preherding.score":
            continue
        words = shlex.split(rendered(task.bash_command, "2026-01-18T00:00:00", {}))
        assert words[3:7] == ["submit", "--name", task.task_id, "--"]
        assert words[words.index("--until") + 1] == "260118"
        done = CliRunner().invoke(app, [*words[7:], "--help"])
        assert done.exit_code == 0, done.output
        assert task.execution_timeout > timedelta(hours=bounds.deadline_hours + bounds.waiting_hours)


def test_by_hand_it_takes_the_batch_from_params_and_guesses_none(dag: Any) -> None:
    command = dag.get_task("train.pointwise").bash_command
    assert "--until 260118" in rendered(command, None, {"until": "260118"})
    assert "neither-partition-key" in rendered(command, None, {})
