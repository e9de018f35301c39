"""Experiments: who was assigned, what they did, and what may be said of it. Imports no Spark.

==============  ==================================================================================================
jobs            what they stand on
==============  ==================================================================================================
assignments     the product's exposure events
covariates      `definition` (what was declared) · what was known of a user when first exposed
unit_totals     a user's days and totals, each day upon the day before
readouts        `populations` (who counts, sample ratios) · `moments`, `comparison`, `statistics` (estimators)
–               `planning` (before a start)
==============  ==================================================================================================
"""

from __future__ import annotations

from jobs.declaration import Job

ASSIGNMENTS = Job("experiments.assignments", reads=["traffic.events"], writes=["experiments.assignments"])
COVARIATES = Job(
    "experiments.covariates",
    reads=["traffic.events", "experiments.assignments", "experiments.definitions"],
    writes=["experiments.covariates"],
    settings=["experiments.pre_period_days"],
    lookback={"traffic.events": "experiments.pre_period_days"},
)
UNIT_TOTALS = Job(
    "experiments.unit_totals",
    reads=["traffic.events", "experiments.covariates", "experiments.definitions"],
    writes=["experiments.unit_days", "experiments.unit_totals"],
    lookback={
        "experiments.covariates": "experiments.max_window_days",
        "experiments.unit_totals": "experiments.max_window_days",
    },
)
READOUTS = Job(
    "experiments.readouts",
    reads=["experiments.unit_totals", "experiments.covariates", "experiments.definitions"],
    writes=["experiments.populations", "experiments.readouts"],
    settings=["experiments.confidence", "experiments.sample_ratio_alpha"],
    lookback={"experiments.covariates": "experiments.max_window_days"},
)

JOBS = (ASSIGNMENTS, COVARIATES, UNIT_TOTALS, READOUTS)
