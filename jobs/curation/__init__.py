"""Curation: I screen, II diversify, III sample. Imports no Spark.

==============  ==================================================================================================
jobs            what they stand on
==============  ==================================================================================================
screen          `reviews`; detectors and verdicts are in `models.screening.verdict`
embed, prune    `prompts` (what is compared) · `spaces` (centroids) · `candidates`, `lexical` (what is close) ·
                `cover` (what is kept) · `floors` (what sampling will need) · `quality`
outcomes        –
sample          `attributes`, `labels`, `difficulty` (Table 1) · `splitleak`, `conversation_context` (what is barred) ·
                `asked`, `constraints` (the request) · `strata`, `representatives`, `quotas`, `bounds`,
                `draw` (the answer) · `infeasibility`, `relaxation`, `supply` (when there is none) ·
                `achieved`, `composition` (the account)
==============  ==================================================================================================
"""

from __future__ import annotations

from jobs.declaration import Job

SCREEN_CHARACTERS = Job(
    "curation.screen_characters",
    reads=["traffic.characters"],
    writes=["curation.screened_characters"],
    settings=["screening"],
)
SCREEN = Job(
    "curation.screen",
    reads=["traffic.turns", "traffic.characters", "curation.reviews"],
    writes=["curation.review_queue", "curation.screened"],
    settings=["screening"],
)
EMBED = Job(
    "curation.embed",
    reads=["curation.screened", "curation.screened_characters"],
    writes=["curation.embeddings"],
    settings=["diversity"],
    lookback={"curation.screened": "diversity.context_days"},
)
PRUNE = Job(
    "curation.prune",
    reads=["curation.screened", "curation.screened_characters", "curation.embeddings"],
    writes=["curation.pruned"],
    # Floors of Phase III are protected from the cut.
    settings=["diversity", "sampling.first_turn_floor", "sampling.constraints", "turns.first_turn_scope"],
    # What earlier days kept is compared by their prompts, and prompts quote the message before: both by their own days.
    lookback={"curation.pruned": "diversity.horizon_days", "curation.screened": "diversity.context_days"},
)
OUTCOMES = Job(
    "curation.outcomes",
    reads=["curation.screened", "curation.pruned"],
    writes=["curation.outcomes"],
    settings=["diversity"],
)
SAMPLE = Job(
    "curation.sample",
    reads=[
        "curation.outcomes",
        "curation.screened",
        "curation.screened_characters",
        "curation.pruned",
        "curation.embeddings",
    ],
    writes=["curation.sample_outcomes", "curation.constraints", "curation.composition", "curation.samples"],
    settings=["sampling", "turns", "diversity"],
    lookback={"curation.screened": "sampling.context_days"},
    pinned={"preherding.scores": "sampling.difficulty_scores"},
    grain="dataset",
)

JOBS = (SCREEN_CHARACTERS, SCREEN, EMBED, PRUNE, OUTCOMES, SAMPLE)
