"""Preherding: what reward models say of responses. Imports no Spark; models are trained by `flywheel train`."""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach

SCORE = Job(
    "preherding.score",
    reads={
        "curation.screened": Reach(before=("sampling.context_days",)),
        "curation.screened_characters": Reach(up_to=True),
        "preherding.scores": DAY,
    },
    writes=["preherding.scores"],
    settings=["preherding", "sampling.context_turns"],
    models=["preherding.score_model"],
    # A window is scored when a generation of models wants it, not every day by whatever model there is.
    unit="window",
)

JOBS = (SCORE,)
