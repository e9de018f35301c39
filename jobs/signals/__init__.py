"""Signals: what users did after each response, and what could be known before. Imports no Spark."""

from __future__ import annotations

from jobs.declaration import Job

LABELS = Job(
    "signals.labels",
    reads=["traffic.turns", "traffic.events"],
    writes=["signals.labels"],
    settings=["signals", "turns.session_gap_minutes", "sampling.depth_bands"],
    # A reply or a thumb can fall on the next UTC day.
    lookahead={"traffic.events": "signals.lookahead_days"},
)
FEATURES = Job(
    "signals.features",
    reads=["curation.screened", "curation.pruned", "curation.embeddings"],
    writes=["signals.features"],
    settings=["diversity"],
)

JOBS = (LABELS, FEATURES)
