"""Keep the lake small and fast: delete what is older than its retention, compact small files, vacuum.

**When**: 05:00 UTC, after `repair`. **Waits for**: nothing.

**When it fails**
- `LockHeld`: a job is writing the table. Retries get through when it ends; tables before it are done.
- `RegistryUnavailable` in `vacuum`: the versions that models use are unknown, so nothing was deleted. Bring MLflow
  back (`tracking.uri`) and clear the task.
- What was deleted cannot be brought back. `flywheel retention` shows beforehand what is due.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.wiring import at, flywheel_task

with DAG(
    "maintenance",
    **at("0 5 * * *"),
    tags=["maintenance", "daily"],
    doc_md=__doc__,
) as dag:
    retention = flywheel_task("retention", "retention --yes")
    compact = flywheel_task("compact", "compact")
    vacuum = flywheel_task("vacuum", "vacuum")
    retention >> compact >> vacuum
