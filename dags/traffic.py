"""Land yesterday's event files and rebuild its turns, conversations, characters and assignments.

**When**: 02:00 UTC, for the day before (the partition key). **Waits for**: nothing; a day without files is landed as
an empty day.

**When it fails**
- `LandingFileBroken`: an upload was cut off. Upload the whole file, then clear the task.
- `LockHeld`: another run is writing the table. Retries succeed when it ends.
- `DiskFull`: nothing was changed. Free disk space, then clear the task.
- Late events are normal. They make past days stale, and the DAG `repair` runs those days again.
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
