"""Run every job of a stage, or of all stages, over `from..to`: one task and one Spark session a stage, jobs in order.

**Dry run first**: with `dry_run` (the default) the task only prints `flywheel plan`, which shows the days that are due
and why. Trigger again with `dry_run: false`. Days that are up to date are skipped unless `force`.

**When it fails**: the task's log names the job (`FAILED after`) and its error. Clear the failed task: it goes on at
that job, also with `force`; the jobs and stages before it are skipped as done. Triage notes of a job are those of its
daily DAG.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException

from dags.wiring import DEFAULTS, flywheel_task, stage_tasks
from infra import progress
from jobs.declaration import STAGES, stage_jobs

RANGE = "{{ params['from'] }}..{{ params['to'] }}"
# A forced run that is cleared leaves out what it has done already: what succeeded after it was triggered.
RERUN = "{{ dag_run.run_after.isoformat() if params['force'] else 'due' }}"


def skip_unless_chosen(context: Any) -> None:
    """Skip the stage's task in a dry run, or when another stage was asked for; called before it runs."""
    params, stage = context["params"], context["task"].task_id.split(".")[0]
    if params["dry_run"]:
        raise AirflowSkipException("dry run: the plan task shows what is due")
    if params["stage"] not in ("all", stage):
        raise AirflowSkipException(f"only {params['stage']} was asked for")
    progress.record(f"{context['task'].task_id}: starts")


with DAG(
    "backfill",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS | {"retries": 0},
    tags=["backfill", "manual"],
    doc_md=__doc__,
    params={
        "from": Param("2026-11-18", type="string", format="date", description="First day."),
        "to": Param("2026-11-20", type="string", format="date", description="Last day, included."),
        "stage": Param("all", enum=["all", *STAGES], description="One stage, or all of them."),
        "dry_run": Param(True, type="boolean", description="Only print the plan."),
        "force": Param(False, type="boolean", description="Run days again whose inputs did not change."),
    },
    render_template_as_native_obj=False,
) as dag:
    previous: Any = flywheel_task("plan", "plan")
    for stage in STAGES:
        for task in stage_tasks(
            stage_jobs(stage),
            days=RANGE,
            rerun=RERUN,
            pre_execute=skip_unless_chosen,
            trigger_rule="none_failed",
        ):
            previous >> task
            previous = task
