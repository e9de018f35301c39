"""Preherding: what reward models say of responses. Imports no Spark; models are trained by `flywheel train`."""

from __future__ import annotations

from jobs.declaration import Job

SCORE = Job(
    "preherding.score",
    reads=["curation.screened", "curation.screened_characters"],
    writes=["preherding.scores"],
    settings=["preherding", "sampling.context_turns"],
    lookback={"curation.screened": "sampling.context_days"},
    # A window is scored when a generation of models wants it, not every day by whatever model there is.
    grain="dataset",
)

JOBS = (SCORE,)
"""Those of the stage, in order."""
