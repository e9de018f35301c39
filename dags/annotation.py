"""Screen and write yesterday's batch of judged pairs.

**When**: 02:30 UTC, for the day before (the partition key), which is the day of the batch. **Waits for**: nothing; a
day without judgements is an empty batch. `repair` at 04:00 runs batches that land later, and batches that an earlier
batch changes.

**When it fails**
- `LandingFileBroken`: a file from the annotation tool is truncated. Upload the whole file, then clear the task.
- `DetectorUnavailable`: a screening model could not be loaded. Nothing passed. Repair the installation, then clear
  the task.
- Many `screening:` lines in `flywheel preferences list --quarantine` are not a failure: a red-team set needs its
  source and a reason in `preferences.keep_unsafe`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import nightly, stage_task
from jobs.annotation import JOBS

with DAG(
    "annotation",
    **nightly("30 2 * * *"),
    tags=["annotation", "daily"],
    doc_md=__doc__,
) as dag:
    stage_task(JOBS)
