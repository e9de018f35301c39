"""Keep the lake small and fast: delete what is older than its retention, compact small files, vacuum.

**When**: 05:00 UTC, after `repair`. **Waits for**: nothing.

**When it fails**
- `LockHeld`: a job is writing the table. Retries succeed when it ends. The tables before it are done.
- `RegistryUnavailable` in `vacuum`: the versions that models use are unknown, so nothing was deleted. Restart MLflow
  (`tracking.uri`), then clear the task.
- Deleted data cannot be restored. `flywheel retention` shows what is due before it is deleted.
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
