"""Screen, embed and prune the turns of a day, and record their outcomes.

**When**: as soon as `traffic.turns` and `traffic.characters` of a day are ready (same partition key). This DAG does
not build datasets (`curation.sample`). Use `backfill` or `flywheel run` when you need one.

**When it fails**
- `DetectorUnavailable`: a screening model could not be loaded. Nothing passed. Repair the installation, then clear
  the task.
- `ExpectationFailed`: see `flywheel sql "SELECT * FROM ops.quality WHERE NOT success"`. The table did not change.
- `UpstreamMissing`: the message names the day and the command that builds it.
- A long review queue is not a failure: `flywheel review list`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import stage_task, upon_inputs
from jobs.curation import JOBS

DAILY = [job for job in JOBS if job.is_daily]

with DAG(
    "curation",
    **upon_inputs(DAILY),
    tags=["curation", "daily"],
    doc_md=__doc__,
) as dag:
    stage_task(DAILY)
