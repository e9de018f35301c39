"""Read out every running experiment as of the day whose exposures have just been written.

**When**: as soon as `experiments.assignments` of a day is there (same partition key). Each day is added to the totals
of the day before; the verdict comes on the last day of an experiment's window.

**When it fails**
- `UpstreamMissing` on `experiments.unit_totals`: a day before it in a window has not been run. Clear that day's task
  first, then this one; or run `backfill` with `stage: experiments` over the window.
- `ExpectationFailed`: see `flywheel sql "SELECT * FROM ops.quality WHERE NOT success"`; the table is as it was.
- A verdict `blocked` is no failure of the job: the arms are not as large as declared. `flywheel experiment check ID`.
- Exposures of an experiment without a definition are kept and not read out: `flywheel experiment declare FILE`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import stage_task, upon_inputs
from jobs.experiments import ASSIGNMENTS, JOBS

# Assignments are made by `traffic`, with the events that they come from.
READOUT_JOBS = [job for job in JOBS if job is not ASSIGNMENTS]

with DAG(
    "experiments",
    **upon_inputs(READOUT_JOBS),
    tags=["experiments", "daily"],
    doc_md=__doc__,
) as dag:
    stage_task(READOUT_JOBS)
