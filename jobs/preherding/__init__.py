"""Preherding: reward models, signal models, and scores of responses. Imports no Spark.

==============  ==================================================================================================
jobs            what they use
==============  ==================================================================================================
reward_matrix   `models.reward.matrix`: one model for every batch (Table 8), and whether the newest lost anything
reward          `models.reward`: the reward models of all batches so far, registered
agreement       `models.reward.agreement`: the effect of agreement among annotators (Table 9)
signals         `models.signals`: models of what users do after a response, registered
score           rewards of served responses, for the sampling of the next generation
==============  ==================================================================================================
"""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach

_PREFERENCES = "annotation.preferences"
_ALL_BATCHES = {_PREFERENCES: Reach(up_to=True)}
_REWARD_SETTINGS = (
    "training.base_model", "training.pointwise_config", "training.pairwise_config", "training.reward_kinds",
    "training.apart",
)  # fmt: skip
_REWARD_FILES = ("training.pointwise_config", "training.pairwise_config")

REWARD_MATRIX = Job(
    "preherding.reward_matrix",
    reads=_ALL_BATCHES,
    writes=["preherding.rm_accuracy"],
    settings=(*_REWARD_SETTINGS, "training.matrix_batches"),
    files=_REWARD_FILES,
    engine="gpu",
    unit="batch",
)
REWARD = Job(
    "preherding.reward",
    # A batch on which the newest model lost what the one before knew stops the registration.
    reads=_ALL_BATCHES | {"preherding.rm_accuracy": Reach(shared="model", optional=True)},
    writes=["preherding.reward_models"],
    settings=(*_REWARD_SETTINGS, "training.alias", "candidate"),
    files=_REWARD_FILES,
    engine="gpu",
    unit="batch",
)
AGREEMENT = Job(
    "preherding.agreement",
    reads=_ALL_BATCHES,
    writes=["preherding.agreement"],
    settings=(*_REWARD_SETTINGS, "training.agreement_reviews"),
    files=_REWARD_FILES,
    engine="gpu",
    unit="batch",
    on_demand=True,
)
SIGNALS = Job(
    "preherding.signals",
    reads={
        "signals.labels": DAY,
        "signals.features": DAY,
        "curation.screened": Reach(before=("sampling.context_days",)),
        "curation.screened_characters": Reach(up_to=True),
    },
    writes=["preherding.signal_models"],
    settings=[
        "training.base_model", "training.signals_config", "training.signals", "training.signal_rows",
        "training.signal_calibration", "training.alias", "candidate", "sampling.context_turns", "sampling.context_days",
    ],
    files=["training.signals_config"],
    engine="gpu",
    unit="window",
)  # fmt: skip
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
    check="jobs.preherding.scorer",
    # A window is scored when a generation of models wants it, not every day by whatever model there is.
    unit="window",
)

JOBS = (REWARD_MATRIX, REWARD, AGREEMENT, SIGNALS, SCORE)
