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

from airflow.sdk import DAG

from dags.wiring import nightly, stage_task
from jobs.experiments import ASSIGNMENTS
from jobs.traffic import JOBS

with DAG(
    "traffic",
    **nightly("0 2 * * *"),
    tags=["traffic", "daily"],
    doc_md=__doc__,
) as dag:
    stage_task((*JOBS, ASSIGNMENTS))
