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


def test_training_comes_before_scoring(dag: Any) -> None:
    upstream = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    assert upstream == {"preherding.training": set(), "preherding": {"preherding.training"}}


def test_it_waits_for_preferences_and_says_what_it_makes(dag: Any) -> None:
    awaited = {asset.name for asset in dag.timetable.asset_condition.objects}
    assert awaited == {"annotation.preferences", "curation.screened", "curation.screened_characters"}
    made = {asset.name for task in dag.tasks for asset in task.outlets}
    assert made == {"preherding.rm_accuracy", "preherding.reward_models", "preherding.scores"}


def test_the_gpu_command_is_one_that_flywheel_has(dag: Any) -> None:
    """Parsed by the command line itself; only the last --help keeps it from running."""
    from typer.testing import CliRunner

    from cli.main import app
    from infra.settings import load_settings

    bounds = load_settings().queue
    task = dag.get_task("preherding.training")
    words = shlex.split(rendered(task.bash_command, "2026-01-18T00:00:00", {}))
    assert words[3:7] == ["submit", "--name", task.task_id, "--"]
    assert words[7:10] == ["run", "preherding.reward_matrix", "preherding.reward"]
    assert words[words.index("--days") + 1] == "2026-01-18"
    done = CliRunner().invoke(app, [*words[7:], "--help"])
    assert done.exit_code == 0, done.output
    assert task.execution_timeout > timedelta(hours=bounds.deadline_hours + bounds.waiting_hours)


def test_by_hand_it_takes_the_batch_from_params_and_guesses_none(dag: Any) -> None:
    command = dag.get_task("preherding.training").bash_command
    assert "--days 2026-01-18..2026-01-18" in rendered(command, None, {"from": "2026-01-18", "to": ""})
    assert "neither-partition-key" in rendered(command, None, {})
