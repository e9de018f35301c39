"""Every DAG follows the house's policies, and is wired as the jobs declare."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.lake.migrate import migrate
from infra.settings import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NAMES = sorted(p.stem for p in (REPOSITORY / "dags").glob("*.py") if p.stem not in {"__init__", "wiring"})

# A stage is one task, and one more for training, which is submitted to the GPU queue.
STAGE_TASKS = [
    "traffic",
    "experiments",
    "curation",
    "signals",
    "annotation",
    "preherding.training",
    "preherding",
]

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        import importlib

        return {name: importlib.import_module(f"dags.{name}").dag for name in NAMES}


def test_file_name_is_dag_id(dags: dict[str, Any]) -> None:
    assert {name: dag.dag_id for name, dag in dags.items()} == {name: name for name in NAMES}
    assert {"traffic", "experiments", "curation", "signals", "annotation", "backfill", "repair"} <= set(NAMES)


def test_every_dag_has_an_owner_tags_triage_notes_and_one_run_at_a_time(dags: dict[str, Any]) -> None:
    for name, dag in dags.items():
        assert "When it fails" in dag.doc_md, name
        assert dag.tags, name
        assert dag.max_active_runs == 1, name
        assert not dag.catchup, name
        for task in dag.tasks:
            assert task.owner == "data-engineering", f"{name}.{task.task_id}"
            assert task.execution_timeout is not None, f"{name}.{task.task_id}"


def test_scheduled_tasks_retry(dags: dict[str, Any]) -> None:
    for name in ("traffic", "experiments", "curation", "signals", "annotation", "repair", "maintenance"):
        assert all(task.retries >= 1 for task in dags[name].tasks), name


def jobs_of(task: Any) -> list[str]:
    """Names of the jobs that a stage's task runs, in order."""
    if not hasattr(task, "application_args"):  # training, on the queue
        words = shlex.split(task.bash_command)
        return words[words.index("run") + 1 : words.index("--days")]
    arguments: list[str] = task.application_args
    return arguments[: arguments.index("--days")]


def test_every_job_runs_in_the_backfill_in_declared_order_in_one_task_a_stage(dags: dict[str, Any]) -> None:
    from jobs.declaration import all_jobs

    tasks = [task for task in dags["backfill"].topological_sort() if task.task_id != "plan"]
    assert [task.task_id for task in tasks] == ["data_stages", *STAGE_TASKS]
    in_order = [job.name for job in all_jobs() if not job.on_demand]
    assert [name for task in tasks[1:] for name in jobs_of(task)] == in_order
    # With all stages, those before training run in one session, and training follows.
    assert [name for task in (tasks[0], *tasks[6:]) for name in jobs_of(task)] == in_order
    for before, after in itertools.pairwise(tasks):
        assert after.upstream_task_ids == {before.task_id}


def test_a_backfill_runs_what_was_asked_for_and_nothing_in_a_dry_run(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    def runs(**params: Any) -> list[str]:
        chosen = []
        for task in dags["backfill"].tasks:
            if task.task_id == "plan":
                continue
            with contextlib.suppress(AirflowSkipException):
                task._pre_execute_hook({"params": params, "task": task})
                chosen.append(task.task_id)
        return chosen

    assert runs(dry_run=True, stage="all") == []
    assert runs(dry_run=False, stage="curation") == ["curation"]
    assert runs(dry_run=False, stage="preherding") == ["preherding.training"]  # no model that scores
    monkeypatch.setenv("FLYWHEEL_PREHERDING__SCORE_MODEL", "reward-pointwise/1")
    assert runs(dry_run=False, stage="preherding") == ["preherding.training", "preherding"]
    assert runs(dry_run=False, stage="all") == ["data_stages", "preherding.training", "preherding"]


def test_a_task_whose_jobs_need_a_model_is_skipped_while_none_is_set(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    scoring = dags["preherding"].get_task("preherding")
    with pytest.raises(AirflowSkipException, match=r"preherding\.score_model is not set"):
        scoring._pre_execute_hook({"task": scoring})
    monkeypatch.setenv("FLYWHEEL_PREHERDING__SCORE_MODEL", "reward-pointwise/1")
    scoring._pre_execute_hook({"task": scoring})


def test_a_forced_backfill_that_is_cleared_leaves_out_what_it_has_done() -> None:
    import jinja2

    from dags.backfill import RERUN
    from jobs.stage import parse_rerun

    triggered = datetime(2026, 11, 30, 8, tzinfo=UTC)
    run = type("Run", (), {"run_after": triggered})()
    for force, expected in ((True, (True, triggered)), (False, (False, None))):
        assert parse_rerun(jinja2.Template(RERUN).render(dag_run=run, params={"force": force})) == expected


def test_assets_are_those_of_the_declarations(dags: dict[str, Any]) -> None:
    from jobs.declaration import job

    for name in ("traffic", "experiments", "curation", "signals", "annotation", "preherding", "backfill"):
        for task in dags[name].tasks:
            if task.task_id == "plan":
                continue
            jobs = [job(one) for one in jobs_of(task)]
            assert {a.name for a in task.outlets} == {table for one in jobs for table in one.writes}
            assert {a.name for a in task.inlets} == {t for one in jobs for t in one.tables_awaited}


def test_every_job_is_run_by_one_daily_dag_or_on_demand(dags: dict[str, Any]) -> None:
    from jobs.declaration import all_jobs

    daily = ("traffic", "experiments", "curation", "signals", "annotation")
    scheduled = [name for dag in daily for task in dags[dag].tasks for name in jobs_of(task)]
    assert len(scheduled) == len(set(scheduled))
    assert set(scheduled) == {job.name for job in all_jobs() if job.is_daily}


@pytest.mark.parametrize("name", ["curation", "experiments"])
def test_a_stage_waits_for_what_traffic_makes(dags: dict[str, Any], name: str) -> None:
    made = {a.name for task in dags["traffic"].tasks for a in task.outlets}
    condition = dags[name].timetable.asset_condition
    waits = {
        asset.name for asset in getattr(condition, "objects", [condition])
    }  # one asset stands for itself
    assert waits
    assert waits <= made


def test_signals_wait_for_what_traffic_and_curation_make(dags: dict[str, Any]) -> None:
    made = {a.name for name in ("traffic", "curation") for task in dags[name].tasks for a in task.outlets}
    waits = {asset.name for asset in dags["signals"].timetable.asset_condition.objects}
    assert {"traffic.turns", "traffic.events", "curation.screened", "curation.pruned"} <= waits <= made


def test_a_task_with_neither_key_nor_params_names_what_is_missing() -> None:
    import jinja2

    from dags.wiring import DAYS_OF_PARTITION
    from infra.errors import SettingsError
    from infra.settings import parse_days

    def rendered(key: str | None, params: dict[str, str]) -> str:
        run = type("Run", (), {"partition_key": key})()
        return jinja2.Template(DAYS_OF_PARTITION).render(dag_run=run, params=params)

    assert rendered("2026-11-20T00:00:00", {}) == "2026-11-20"
    assert rendered(None, {"from": "2026-11-20", "to": "2026-11-22"}) == "2026-11-20..2026-11-22"
    with pytest.raises(SettingsError):
        parse_days(rendered(None, {}))


@pytest.mark.parametrize(("dag", "task"), [("backfill", "plan"), ("repair", "run_stale")])
def test_commands_run_whatever_a_worker_has_on_its_path(
    dags: dict[str, Any], tmp_path: Path, dag: str, task: str
) -> None:
    migrate(load_settings(home=tmp_path))
    import jinja2

    operator = dags[dag].get_task(task)
    asked = {"from": "2026-11-18", "to": "2026-11-20", "stage": "curation", "force": True}
    command = jinja2.Template(operator.bash_command).render(params=asked)
    if task == "plan":
        assert command.endswith("plan --days 2026-11-18..2026-11-20 --stage curation --force")
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=operator.cwd, env={"PATH": "/usr/bin:/bin", "FLYWHEEL_HOME": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if task == "plan":
        jobs = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("curation.")}
        assert "curation.screen" in jobs
        assert "2026-11-18..2026-11-20" in done.stdout
        assert "traffic." not in done.stdout, "a dry run shows what was asked for, not all that is due"


def test_parsing_imports_neither_spark_nor_torch() -> None:
    code = (
        "import sys\n"
        + "".join(f"import dags.{name}\n" for name in NAMES)
        + "bad = {'pyspark', 'torch', 'faiss', 'great_expectations'} & set(sys.modules)\nassert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
