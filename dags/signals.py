"""Label what users did after the responses of a day, and compute features that were known before.

**When**: as soon as the day's events, turns and curation tables are ready (same partition key). The labels of the
last hours of the day are unknown (NULL), because their windows close on the next day. When the next day has landed,
`flywheel plan` lists the day again, and `repair` at 04:00 labels it again. It is normal that a day is complete one
day later.

**When it fails**
- `UpstreamMissing`: the message names the day and the command that builds it.
- `ContractError` on a CHECK of `signals.labels`: a label was set before it can be known. Nothing was written.
- `DetectorUnavailable` or a missing encoder in `signals.features`: repair the installation, then clear the task. The
  labels are already written.
- Many NULLs are not a failure: `observed_until_ts` is the time up to which the log was complete.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import stage_task, upon_inputs
from jobs.signals import JOBS

with DAG(
    "signals",
    **upon_inputs(JOBS),
    tags=["signals", "daily"],
    doc_md=__doc__,
) as dag:
    stage_task(JOBS)
