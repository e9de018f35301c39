"""Train reward models on all preference batches so far, and score with the one that the settings name.

**When**: as soon as `annotation.preferences` of a batch's day and the screened turns of that day are ready (same
partition key). Batches arrive about once a week. On a day without new pairs, nothing is trained.

**What**: `preherding.reward_matrix` is Table 8: one model for each batch, each evaluated on all batches. Then
`preherding.reward` registers the reward models of all batches as `candidate`. That costs little, because the matrix
has already trained them. It fails if the newest model is worse than the previous one. Then `preherding.score` scores
the day with `preherding.score_model`, for the sampling of a later generation. To score a whole window by hand:
`flywheel run preherding.score --days A..B`. Signal models are trained by `backfill`, or by hand: `flywheel train
signals --days A..B`.

**Where**: GPU work goes to the queue of the setting `queue.kind` (local, slurm, kubernetes); its output is in
`.flywheel/queue/<task>/output.log`.

**When it fails**
- `TrainingRefused` that names a batch: the new model is worse on that batch. Check the labels of the newest batch
  (`flywheel sql "SELECT * FROM preherding.rm_accuracy"`); with more labels, the next run decides again.
- `SubmissionFailed`: the command failed, stopped responding, or exceeded a limit of `queue.*`. The message says
  which. The command was stopped. Read its output, then clear the task: training continues from its last complete
  checkpoint.
- Other `TrainingRefused`: users on both sides of the split, or contradictory pairs. The message says which.
- `RegistrationRefused`: what was stored does not reproduce the trained model's logits. No version was created.
- `RegistryUnavailable`: MLflow does not respond (`tracking.uri`). Nothing was registered. Restart MLflow, then clear
  the task.
- `SettingsError` in `preherding.score`: the model has no record of the last day that it was trained on, because its
  tables were vacuumed.
"""

from __future__ import annotations

from itertools import pairwise

from airflow.sdk import DAG

from dags.wiring import stage_tasks, upon_inputs
from jobs.preherding import REWARD, REWARD_MATRIX, SCORE

DAILY = (REWARD_MATRIX, REWARD, SCORE)

with DAG(
    "preherding",
    **upon_inputs(DAILY),
    tags=["preherding", "gpu"],
    doc_md=__doc__,
) as dag:
    tasks = stage_tasks(DAILY)
    for before, after in pairwise(tasks):
        before >> after
