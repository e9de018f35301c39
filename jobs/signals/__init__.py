"""Signals: what users did after each response (labels), and what was known before (features). Imports no Spark."""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach
from jobs.traffic import ABOUT_A_TURN, CHAT

LABELS = Job(
    "signals.labels",
    reads={
        "traffic.turns": DAY,
        # A reply or a thumb can fall on the next UTC day.
        "traffic.events": Reach(after=("signals.lookahead_days",), event_types=(*CHAT, *ABOUT_A_TURN)),
    },
    writes=["signals.labels"],
    settings=["signals", "turns.session_gap_minutes", "sampling.depth_bands"],
)
FEATURES = Job(
    "signals.features",
    reads={
        "curation.screened": DAY,
        "curation.pruned": DAY,
        "curation.embeddings": Reach(shared="text_hash"),
    },
    writes=["signals.features"],
    settings=["diversity"],
)

JOBS = (LABELS, FEATURES)
