"""Label what users did with the responses of a day, and describe what could be known of them before.

**When**: as soon as the events, the turns and what curation made of a day are there (same partition key). The last
hours of the day stay unknown (NULL): their windows close on the next day. When that has landed, `flywheel plan` lists
the day again, and `repair` at 04:00 labels it anew. So a day is whole one day later; that is normal.

**When it fails**
- `UpstreamMissing`: the message names the day and the command that makes it.
- `ContractError` on a CHECK of `signals.labels`: something was called known before it can be. Nothing was written.
- `DetectorUnavailable` or a missing encoder in `signals.features`: mend the installation, clear the task; labels stand.
- Many NULLs are no failure: `observed_until_ts` says until when the log was complete.
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
