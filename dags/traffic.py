"""Land yesterday's event files and rebuild its turns, conversations, characters and assignments.

**When**: 02:00 UTC, for the day before (the partition key). **Waits for**: nothing; a day without files lands empty.

**When it fails**
- `LandingFileBroken`: an uploader was cut off. Put the whole file in place, clear the task.
- `LockHeld`: another run writes the table; retries get through when it ends.
- `DiskFull`: nothing was changed; free space, clear the task.
- Late events are normal: they mark past days stale; the DAG `repair` runs those again.
- Under 12 hours late is normal; the day is complete only when `flywheel plan` no longer lists it.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, CronPartitionTimetable

from dags.wiring import DEFAULTS, in_order, spark_task
from jobs.experiments import ASSIGNMENTS
from jobs.traffic import JOBS

with DAG(
    "traffic",
    schedule=CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["traffic", "daily"],
    doc_md=__doc__,
) as dag:
    in_order([spark_task(job) for job in (*JOBS, ASSIGNMENTS)])
