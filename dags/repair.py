"""Run again, every night, the days that late events, review decisions or changed inputs made stale.

**When**: 04:00 UTC. **What**: `flywheel run --stale` runs what `flywheel plan` lists, jobs in order.

**When it fails**: run `flywheel plan`. The first job that it lists is the one that failed. Its error is in this log
and in `ops.runs`. Fix the cause, then clear the task. Completed days are not run again.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import at, flywheel_task

with DAG(
    "repair",
    **at("0 4 * * *"),
    tags=["maintenance", "daily"],
    doc_md=__doc__,
) as dag:
    flywheel_task("run_stale", "run --stale")
