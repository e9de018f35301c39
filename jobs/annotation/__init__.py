"""Annotation: landed judgements of two responses become screened preference pairs. Imports no Spark.

`importers` converts other formats to landing files; `parse` reads a landed line; `screen` judges and redacts a
pair; `preferences` is the job.
"""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach

ZONE = "landing/preferences"
"""Landing zone of judgements: `received_ds=` is the day of the batch."""
PREFERENCES = Job(
    "annotation.preferences",
    # A pair that an earlier batch holds is looked up.
    reads={ZONE: DAY, "annotation.preferences": Reach(shared="pair_id")},
    writes=["annotation.quarantine", "annotation.preferences"],
    settings=[
        "preferences",
        "landing.max_line_bytes",
        "landing.max_expansion",
        "landing.max_refused_lines",
        "screening",
        "split",
    ],
    models=["screening.safety_model"],
)

JOBS = (PREFERENCES,)
