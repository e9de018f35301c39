"""Builds Airflow tasks from the declarations of jobs: operator, retries, owner, assets in and out."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, AssetAll, CronPartitionTimetable, PartitionedAssetTimetable, StartOfDayMapper
from airflow.sdk.exceptions import AirflowSkipException

from infra.lake import Lake
from infra.settings import load_settings
from infra.storage import uri_of
from infra.storage.private import keep_private
from jobs.declaration import Job, writer_of
from jobs.submission import REPOSITORY, submission

# A task with neither a partition key nor params.from says so and fails, rather than guess a day.
DAYS_OF_PARTITION = (
    "{{ dag_run.partition_key[:10] if dag_run.partition_key else "
    "(params['from'] ~ '..' ~ (params['to'] or params['from']) if params.get('from') else "
    "'neither-partition-key-nor-params.from') }}"
)

DEFAULTS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "execution_timeout": timedelta(hours=6),
}


def asset(table: str) -> Asset:
    """The asset of a table: same name, its place in the lake as URI."""
    path = Lake.of(load_settings()).path(table)
    return Asset(name=table, uri=uri_of(path), group=table.split(".")[0])


def upon_inputs(jobs: Sequence[Job]) -> dict[str, Any]:
    """Arguments of a DAG that runs for a day as soon as all tables that its jobs read have that day's partition.

    Those are the tables that jobs outside the DAG write; what only commands write is not waited for.
    """
    own = {job.name for job in jobs}
    awaited = [
        asset(table)
        for table in _each_once(job.tables_awaited for job in jobs)
        if (writer := writer_of(table)) is not None and writer.name not in own
    ]
    assets = awaited[0] if len(awaited) == 1 else AssetAll(*awaited)
    return _daily(PartitionedAssetTimetable(assets=assets, default_partition_mapper=StartOfDayMapper()))


def nightly(cron: str) -> dict[str, Any]:
    """Arguments of a DAG that runs at a time of the night (UTC), for the day before."""
    return _daily(CronPartitionTimetable(cron, timezone="UTC", run_offset=-1))


def at(cron: str) -> dict[str, Any]:
    """Arguments of a DAG that runs at a time of the day (UTC) and belongs to no day of the data."""
    return _daily(cron)


def _daily(schedule: Any) -> dict[str, Any]:
    return {
        "schedule": schedule,
        "start_date": pendulum.datetime(2026, 1, 1, tz="UTC"),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULTS,
    }


def stage_task(
    jobs: Sequence[Job],
    task_id: str | None = None,
    days: str = DAYS_OF_PARTITION,
    rerun: str = "due",
    pre_execute: Callable[[Any], None] | None = None,
    **options: Any,
) -> SparkSubmitOperator:
    """One task that runs the jobs in order for `days` in one Spark session, by one `spark-submit`.

    A task that failed or was killed and is cleared goes on at the first job that is not done. A task whose jobs all use
    registered models is skipped, without starting Spark, while no setting names one.

    Args:
        task_id: the jobs' stage unless another is given.
        days: a template of the days.
        rerun: a template of what to run again; see `jobs/submit.py --rerun`.
        pre_execute: called with the task's context before it runs.
        options: of the operator.
    """

    def prepare(context: Any) -> None:
        # spark-submit and its Java take the umask of this process, which Airflow started with its own.
        keep_private(*load_settings().lake.groups)
        if unset := _models_not_set(jobs):
            raise AirflowSkipException(f"nothing to do: {', '.join(unset)} is not set")
        if pre_execute is not None:
            pre_execute(context)

    names = [job.name for job in jobs]
    name = task_id or jobs[0].stage
    how = submission(load_settings())
    return SparkSubmitOperator(
        task_id=name,
        doc_md=_documentation(jobs),
        application=how.application,
        application_args=[*names, "--days", days, "--rerun", rerun],
        conf={"spark.master": how.master, **how.conf},
        spark_binary=how.spark_binary,
        env_vars=how.env_vars,
        conn_id="spark_default",
        name=name,
        inlets=[asset(table) for table in _each_once(job.tables_awaited for job in jobs)],
        outlets=[asset(table) for table in _each_once(job.writes for job in jobs)],
        pre_execute=prepare,
        **options,
    )


def _models_not_set(jobs: Sequence[Job]) -> list[str]:
    """The settings that are to name models, if each job needs one and none is set."""
    settings_of_models = [setting for job in jobs for setting in job.models]
    needs_models = all(job.models for job in jobs)
    return (
        settings_of_models if needs_models and not any(map(load_settings().value, settings_of_models)) else []
    )


def stage_tasks(
    jobs: Sequence[Job], days: str = DAYS_OF_PARTITION, rerun: str = "due", **options: Any
) -> list[Any]:
    """The tasks of a stage, in order: one submission to Spark, or to the GPU queue, for jobs that follow each other.

    Args:
        days, rerun, options: see `stage_task`.
    """
    tasks: list[Any] = []
    for is_gpu, group in itertools.groupby(jobs, lambda job: job.engine == "gpu"):
        consecutive = list(group)
        if is_gpu:
            tasks.append(training_task(consecutive, days, **options))
        else:
            tasks.append(stage_task(consecutive, days=days, rerun=rerun, **options))
    return tasks


def training_task(jobs: Sequence[Job], days: str = DAYS_OF_PARTITION, **options: Any) -> BashOperator:
    """One task that runs training jobs in order on the GPU queue, and watches them.

    Args:
        days: a template of the days.
        options: of the operator.
    """
    names = [job.name for job in jobs]
    return gpu_task(
        f"{jobs[0].stage}.training",
        f"run {' '.join(names)} --days {days}",
        doc_md=_documentation(jobs),
        inlets=[asset(table) for table in _each_once(job.tables_awaited for job in jobs)],
        outlets=[asset(table) for table in _each_once(job.writes for job in jobs)],
        **options,
    )


def _documentation(jobs: Sequence[Job]) -> str:
    lines = [f"- `{job.name}` reads {', '.join(job.reads)}; writes {', '.join(job.writes)}" for job in jobs]
    names = " ".join(job.name for job in jobs)
    return "\n".join(lines) + f"\n\nBy hand: `flywheel run {names} --days D`."


def _each_once(tables_of_jobs: Iterable[Iterable[str]]) -> list[str]:
    """All tables, in the order in which they come."""
    return list(dict.fromkeys(itertools.chain.from_iterable(tables_of_jobs)))


def flywheel_task(task_id: str, arguments: str, **options: Any) -> BashOperator:
    """One task that runs the `flywheel` command in this Python, whatever a worker's PATH finds first.

    Args:
        options: of the operator, such as `outlets`.
    """
    return BashOperator(
        task_id=task_id,
        bash_command=f"{shlex.quote(sys.executable)} -m cli.main {arguments}",
        cwd=str(REPOSITORY),
        append_env=True,
        **options,
    )


def gpu_task(task_id: str, arguments: str, **options: Any) -> BashOperator:
    """One task that runs a `flywheel` command on the GPU queue of the settings and watches it.

    The queue's own bounds end what hangs; Airflow's timeout is past them, for a watcher that hangs itself.
    """
    bounds = load_settings().queue
    return flywheel_task(
        task_id,
        f"submit --name {shlex.quote(task_id)} -- {arguments}",
        execution_timeout=timedelta(hours=bounds.waiting_hours + bounds.deadline_hours + 1),
        **options,
    )
