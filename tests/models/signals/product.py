"""A small product in a lake: conversations of users whose thumbs follow a word of the response, if that is planted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from infra.lake import Lake
from tests.conftest import DAY, put

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 22, tzinfo=UTC)
WORDS = "tea river stone lamp winter garden paper music train cloud bread window market letter shadow coin".split()
GOOD, DULL = "lovely dragons sing", "numbers are numbers"


def fill(lake: Lake, users: int = 60, turns: int = 4, seed: int = 1, planted: bool = True) -> None:
    """One conversation a user; a third of the users are for evaluation.

    A thumb up follows GOOD with .8 and DULL with .2, or comes with .5 after either; a fifth of them are not known.
    """
    random = np.random.default_rng(seed)
    labels, screened, features = [], [], []
    for user in range(users):
        for number in range(turns):
            good = bool(random.random() < 0.5)
            chance = (0.8 if good else 0.2) if planted else 0.5
            thumb = None if random.random() < 0.2 else bool(random.random() < chance)
            one = turn(f"t{user:04}-{number}", f"c{user}", f"u{user}", number + 1)
            one["split"] = "evaluation" if user % 3 == 0 else "train"
            labels.append(
                {
                    **one,
                    "thumb_up": thumb,
                    "continued": number + 1 < turns,
                    "replied_in_session": number + 1 < turns,
                }
            )
            asked, more = (" ".join(random.choice(WORDS, 6)) for _ in range(2))
            words = f"{GOOD if good else DULL} {more}"
            screened.append({**one, "redacted_user_message": asked, "redacted_response": words})
            job = "planning" if user % 2 else "role_play"
            features.append({**one, "jtbd": job, "prior_sentiment": 0.1, "response_words": 4})
    put(lake, "signals.labels", labels)
    put(lake, "curation.screened", screened)
    put(lake, "signals.features", features)


def turn(turn_id: str, conversation: str, user: str, number: int, **changes: Any) -> dict[str, Any]:
    """What labels and screening have in common of a turn that passed."""
    return {
        "turn_id": turn_id, "conversation_id": conversation, "session_id": f"{conversation}#0", "user_id": user,
        "turn_index": number, "session_turn_index": number, "is_final": True, "source": "user", "language": "en",
        "split": "train", "verdict": "pass", "response_ts": NOON + timedelta(minutes=number), "ds": DAY,
        "observed_until_ts": LATER, **changes,
    }  # fmt: skip
