"""Run every job of a stage, or of all stages, over `from..to`, jobs in order.

**Tasks**: with `stage: all`, the task `data_stages` runs traffic to annotation in one Spark session, so that models
load and Java warms up once; training and scoring follow. With one stage, the task of that stage runs alone.

**Dry run first**: with `dry_run` (the default), the task `plan` only prints what is due of `from..to` and `stage`, and
why. Trigger again with `dry_run: false`. Days that are up to date are skipped unless `force`.

**When it fails**: the task's log names the job (`FAILED after`) and its error. Clear the failed task: it continues at
that job, also with `force`. Completed jobs and stages are skipped. For help with a job, see the notes of its daily
DAG.
"""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import Any

import pendulum
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException

from dags.wiring import DEFAULTS, flywheel_task, stage_task, stage_tasks
from infra import progress
from jobs.declaration import STAGES, stage_jobs

RANGE = "{{ params['from'] }}..{{ params['to'] }}"
# A forced run that is cleared leaves out what it has done already: what succeeded after it was triggered.
RERUN = "{{ dag_run.run_after.isoformat() if params['force'] else 'due' }}"

PLAN = f"plan --days {RANGE} --stage {{{{ params['stage'] }}}}{{{{ ' --force' if params['force'] else '' }}}}"

JOBS = [job for stage in STAGES for job in stage_jobs(stage)]
# Everything before the first training.
DATA_JOBS = list(takewhile(lambda job: job.engine != "gpu", JOBS))
DATA_STAGES = list(dict.fromkeys(job.stage for job in DATA_JOBS))
ALL_DATA = "data_stages"


def skip_unless_chosen(context: Any) -> None:
    """Skip the task in a dry run, or when `stage` asks for another one; called before it runs."""
    params, task = context["params"], context["task"].task_id
    if params["dry_run"]:
        raise AirflowSkipException("dry run: the plan task shows what is due")
    stage, chosen = task.split(".")[0], params["stage"]
    if chosen == "all" and stage in DATA_STAGES:
        raise AirflowSkipException(f"{ALL_DATA} runs it")
    if chosen not in ("all", stage):
        raise AirflowSkipException(f"only {chosen} was asked for")
    progress.record(f"{', '.join(DATA_STAGES) if task == ALL_DATA else task}: starts")


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
        "force": Param(False, type="boolean", description="Also run days whose inputs did not change."),
    },
    render_template_as_native_obj=False,
) as dag:
    options: dict[str, Any] = {
        "days": RANGE, "rerun": RERUN, "pre_execute": skip_unless_chosen, "trigger_rule": "none_failed",
    }  # fmt: skip
    tasks = [flywheel_task("plan", PLAN), stage_task(DATA_JOBS, ALL_DATA, **options)]
    for stage in STAGES:
        tasks += stage_tasks(stage_jobs(stage), **options)
    for before, after in pairwise(tasks):
        before >> after
