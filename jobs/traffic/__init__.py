"""Traffic: landed event files become events, turns, conversations and characters. Imports no Spark."""

from __future__ import annotations

from jobs.declaration import Job

LAND = Job(
    "traffic.land",
    reads=["landing"],
    writes=["traffic.quarantine", "traffic.events"],
    settings=["landing"],
)
TURNS = Job("traffic.turns", reads=["traffic.events"], writes=["traffic.turns"], settings=["turns", "split"])
CONVERSATIONS = Job("traffic.conversations", reads=["traffic.events"], writes=["traffic.conversations"])
CHARACTERS = Job("traffic.characters", reads=["traffic.events"], writes=["traffic.characters"])

JOBS = (LAND, TURNS, CONVERSATIONS, CHARACTERS)
