"""Curation: Phase I screens, Phase II diversifies, Phase III samples. Imports no Spark.

==============  ==================================================================================================
jobs            what they use
==============  ==================================================================================================
screen          `reviews`; detectors and verdicts are in `models.screening.verdict`
embed, prune    `prompts` (compared texts) · `spaces` (centroids) · `candidates`, `lexical` (close pairs) ·
                `cover` (kept turns) · `floors` (protected for sampling) · `quality`
outcomes        –
safety_classifier  `models.screening.safety`: trained from labels and reviewers' decisions
sample          `attributes`, `labels`, `difficulty` (Table 1) · `splitleak`, `conversation_context` (excluded turns) ·
                `request`, `constraints` (the request) · `strata`, `representatives`, `quotas`, `bounds`,
                `draw` (the solution) · `infeasibility`, `relaxation`, `supply` (if there is none) ·
                `achieved`, `composition` (the reports)
==============  ==================================================================================================
"""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach

# A late version of a character changes the days after it.
_CHARACTERS = Reach(up_to=True)
# An embedding never changes: each text gets one, when it is first seen.
_EMBEDDINGS = Reach(shared="text_hash")

SCREEN_CHARACTERS = Job(
    "curation.screen_characters",
    reads={"traffic.characters": Reach(shared="character_id")},
    writes=["curation.screened_characters"],
    settings=["screening"],
    models=["screening.safety_model"],
)
SCREEN = Job(
    "curation.screen",
    reads={
        # A turn is judged in its conversation. The job itself marks turns whose verdict changes because of later turns.
        "traffic.turns": Reach(shared="conversation_id"),
        "traffic.characters": Reach(up_to=True),
        "curation.reviews": Reach(whole=True),
        "curation.screened": Reach(shared="conversation_id"),
    },
    writes=["curation.review_queue", "curation.screened"],
    settings=["screening"],
    models=["screening.safety_model"],
)
EMBED = Job(
    "curation.embed",
    reads={
        "curation.screened": Reach(before=("diversity.context_days",)),
        "curation.screened_characters": _CHARACTERS,
        "curation.embeddings": _EMBEDDINGS,
    },
    writes=["curation.embeddings"],
    settings=["diversity"],
)
PRUNE = Job(
    "curation.prune",
    reads={
        # What earlier days kept is compared by their prompts, and prompts quote the message before.
        "curation.screened": Reach(before=("diversity.horizon_days", "diversity.context_days")),
        "curation.screened_characters": _CHARACTERS,
        "curation.embeddings": _EMBEDDINGS,
        "curation.pruned": Reach(before=("diversity.horizon_days",)),
    },
    writes=["curation.pruned"],
    # Floors of Phase III are protected from the cut.
    settings=["diversity", "sampling.first_turn_floor", "sampling.constraints", "turns.first_turn_scope"],
)
OUTCOMES = Job(
    "curation.outcomes",
    reads={"curation.screened": DAY, "curation.pruned": DAY},
    writes=["curation.outcomes"],
    settings=["diversity"],
)
SAMPLE = Job(
    "curation.sample",
    reads={
        "curation.outcomes": DAY,
        "curation.screened": Reach(before=("sampling.context_days",)),
        "curation.screened_characters": _CHARACTERS,
        "curation.pruned": DAY,
        "curation.embeddings": _EMBEDDINGS,
        "preherding.scores": Reach(pinned="sampling.difficulty_scores"),
    },
    writes=["curation.sample_outcomes", "curation.constraints", "curation.composition", "curation.samples"],
    settings=["sampling", "turns", "diversity"],
    unit="window",
)
SAFETY_CLASSIFIER = Job(
    "curation.safety_classifier",
    reads={
        "curation.reviews": Reach(whole=True),
        # Of the turns that were decided on.
        "curation.screened": Reach(shared="turn_id"),
        "traffic.turns": Reach(shared="turn_id"),
    },
    writes=["curation.safety_models"],
    settings=["safety_training", "screening.review_at"],
    files=["safety_training.labels"],
    engine="arrow",
    unit="version",
    on_demand=True,
)

JOBS = (SCREEN_CHARACTERS, SCREEN, EMBED, PRUNE, OUTCOMES, SAMPLE, SAFETY_CLASSIFIER)
