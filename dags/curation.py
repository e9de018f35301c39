"""Screen, embed, prune and settle the day whose turns have just been written.

**When**: as soon as `traffic.turns` and `traffic.characters` of a day are there (same partition key).
The dataset of a window (`curation.sample`) is built by `backfill` or `flywheel run`, as often as a generation of models
wants one.

**When it fails**
- `DetectorUnavailable`: a screening model could not be loaded. Nothing passed. Mend the installation, clear the task.
- `ExpectationFailed`: see `flywheel sql "SELECT * FROM ops.quality WHERE NOT success"`; the table is as it was.
- `UpstreamMissing`: the message names the day and the command that makes it.
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
