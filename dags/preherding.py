"""Train reward models on all preference batches so far, and score with the one that the settings name.

**When**: as soon as `annotation.preferences` of a batch's day is there (same partition key). Batches come weekly or so;
a day without new pairs trains nothing: the same rows and configuration are the same run.

**What**: `gate` is Table 8, one model for each batch, every model asked about all batches: where the newest lost what
the one before it knew, it fails and nothing is registered. Then both reward models are registered as `candidate`,
which costs little: the gate has trained them. Then `preherding.score` scores the day with `preherding.score_model`, for
the sampling of a later generation; a whole window by hand: `flywheel run preherding.score --days A..B`.

**Where**: GPU work goes to the queue of the setting `queue.kind` (local, slurm, kubernetes); its output is in
`.flywheel/queue/<task>/output.log`.

**When it fails**
- `gate`, exit code 1 with a line on a lost batch: a decision, not a fault. Look at the new batch's labels
  (`flywheel sql "SELECT * FROM preherding.rm_accuracy"`); with more labels the next run decides anew.
- `SubmissionFailed`: the command failed, fell silent, or passed a bound of `queue.*`; the message says which, and it
  has been ended. Read its output, clear the task: a training goes on from its last whole checkpoint.
- `TrainingRefused`: too few pairs, or users on both sides of the split: the message says.
- `RegistrationRefused`: what was stored does not give the trained model's logits. No version was made.
- `RegistryUnavailable`: MLflow does not answer (`tracking.uri`). Nothing was registered; clear the task.
- `SettingsError` in `preherding.score`: nobody knows until when the model was trained: its tables were vacuumed.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import asset, gpu_task, stage_task, upon
from infra.settings import load_settings
from jobs.preherding import SCORE

# The batch's name is its day as YYMMDD; by hand, params.until.
UNTIL = (
    "{{ dag_run.partition_key[2:10].replace('-', '') if dag_run.partition_key else "
    "params.get('until') or 'neither-partition-key-nor-params.until' }}"
)
PREFERENCES = "annotation.preferences"

with DAG(
    "preherding",
    **upon(asset(PREFERENCES)),
    tags=["preherding", "gpu"],
    doc_md=__doc__,
) as dag:
    rules = load_settings().training
    kinds = {"pointwise": rules.pointwise_config, "pairwise": rules.pairwise_config}
    gates = [
        gpu_task(
            f"gate.{kind}",
            f"train matrix --kind {kind} --config {config} --until {UNTIL}",
            inlets=[asset(PREFERENCES)],
            outlets=[asset("preherding.rm_accuracy")],
        )
        for kind, config in kinds.items()
    ]
    trained = [
        gpu_task(
            f"train.{kind}",
            f"train reward --kind {kind} --config {config} --until {UNTIL} --alias candidate",
            inlets=[asset(PREFERENCES)],
        )
        for kind, config in kinds.items()
    ]
    # An alias may lead to another version than it did when the day was scored last.
    score = stage_task([SCORE], task_id=SCORE.name, rerun="all")
    for gate, training in zip(gates, trained, strict=True):
        gate >> training >> score
