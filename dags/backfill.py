"""Run every job of a stage, or of all stages, over `from..to` in order: one Spark run per job.

**Dry run first**: with `dry_run` (the default) the only thing that happens is that `flywheel plan` is printed, so that
you see which days are due and why. Trigger again with `dry_run: false`. Days that stand are skipped unless `force`.

**When it fails**: clear the failed task; the jobs before it are skipped as done. Triage notes of a job are those of its
daily DAG.
"""

from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import DAG, Param

from dags.wiring import DEFAULTS, flywheel_task, in_order, spark_task
from jobs.declaration import STAGES, all_jobs

RANGE = "{{ params['from'] }}..{{ params['to'] }}"


def _goes_on(stage: str, params: dict[str, object]) -> bool:
    """Whether the tasks of a stage run: not in a dry run, and only those asked for."""
    return not params["dry_run"] and params["stage"] in ("all", stage)


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
    plan = flywheel_task("plan", "plan")
    previous = plan
    for stage in STAGES:
        gate = ShortCircuitOperator(
            task_id=f"{stage}.asked",
            python_callable=_goes_on,
            op_kwargs={"stage": stage},
            ignore_downstream_trigger_rules=False,
            trigger_rule="none_failed",
        )
        tasks = [
            spark_task(job, RANGE, "{{ 'all' if params['force'] else 'due' }}")
            for job in all_jobs()
            if job.stage == stage
        ]
        previous >> gate >> tasks[0]
        in_order(tasks)
        previous = tasks[-1]
