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

from jobs.declaration import DAY, Job, Reach
from jobs.traffic import ABOUT_A_TURN, CHAT

# A change of a definition marks the days of its window.
_DEFINITIONS = Reach(whole=True)
_IN_A_WINDOW = Reach(before=("experiments.max_window_days",))

ASSIGNMENTS = Job(
    "experiments.assignments",
    reads={
        "traffic.events": Reach(shared="user_id", event_types=("exposure",)),
        "experiments.assignments": Reach(shared="user_id"),
    },
    writes=["experiments.assignments"],
)
COVARIATES = Job(
    "experiments.covariates",
    reads={
        "traffic.events": Reach(
            before=("experiments.pre_period_days",), event_types=(*CHAT, *ABOUT_A_TURN, "exposure")
        ),
        "experiments.assignments": DAY,
        "experiments.definitions": _DEFINITIONS,
    },
    writes=["experiments.covariates"],
    settings=["experiments.pre_period_days"],
)
UNIT_TOTALS = Job(
    "experiments.unit_totals",
    reads={
        "traffic.events": Reach(event_types=("message", "exposure")),
        "experiments.covariates": _IN_A_WINDOW,
        "experiments.definitions": _DEFINITIONS,
        "experiments.unit_days": DAY,
        "experiments.unit_totals": _IN_A_WINDOW,
    },
    writes=["experiments.unit_days", "experiments.unit_totals"],
)
READOUTS = Job(
    "experiments.readouts",
    reads={
        "experiments.unit_totals": DAY,
        "experiments.covariates": _IN_A_WINDOW,
        "experiments.definitions": _DEFINITIONS,
    },
    writes=["experiments.populations", "experiments.readouts"],
    settings=["experiments.confidence", "experiments.sample_ratio_alpha"],
)

JOBS = (ASSIGNMENTS, COVARIATES, UNIT_TOTALS, READOUTS)
