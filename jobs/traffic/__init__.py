"""Traffic: landed event files become events, turns, conversations and characters. Imports no Spark."""

from __future__ import annotations

from jobs.declaration import DAY, Job, Reach

CHAT = ("message", "response")
"""Events that make a conversation."""
ABOUT_A_TURN = ("reaction", "feedback", "regenerate")
"""Events that say something of a served response."""

LAND = Job(
    "traffic.land",
    # Known ids are looked up, because the first received wins.
    reads={"landing": DAY, "traffic.events": Reach(shared="event_id")},
    writes=["traffic.quarantine", "traffic.events"],
    settings=["landing"],
)
TURNS = Job(
    "traffic.turns",
    # A turn's place depends on its whole conversation.
    reads={
        "traffic.events": Reach(shared="conversation_id", event_types=(*CHAT, *ABOUT_A_TURN)),
        "traffic.turns": Reach(shared="conversation_id"),
    },
    writes=["traffic.turns"],
    settings=["turns", "split"],
)
CONVERSATIONS = Job(
    "traffic.conversations",
    reads={"traffic.events": Reach(shared="conversation_id", event_types=CHAT)},
    writes=["traffic.conversations"],
)
CHARACTERS = Job(
    "traffic.characters",
    reads={
        "traffic.events": Reach(shared="character_id", event_types=("character_update",)),
        "traffic.characters": Reach(shared="character_id"),
    },
    writes=["traffic.characters"],
)

JOBS = (LAND, TURNS, CONVERSATIONS, CHARACTERS)
