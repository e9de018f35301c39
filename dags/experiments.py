"""Compute the readout of every running experiment for a day.

**When**: as soon as `experiments.assignments` of a day is ready (same partition key). Each day is added to the totals
of the previous day. The verdict comes on the last day of an experiment's window.

**When it fails**
- `UpstreamMissing` on `experiments.unit_totals`: an earlier day of a window has not been run. Clear that day's task
  first, then this one. Or run `backfill` with `stage: experiments` over the window.
- `ExpectationFailed`: see `flywheel sql "SELECT * FROM ops.quality WHERE NOT success"`. The table did not change.
- A verdict `blocked` is not a failure of the job: the arms do not have the declared sizes. Run `flywheel experiment
  check ID`.
- Exposures of an experiment without a definition are stored without a readout. Run `flywheel experiment declare
  FILE`.
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
