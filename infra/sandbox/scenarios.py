"""Products in which one bias of section 3.5.5 acts, or none: what the bias report is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.sandbox.settings import SandboxSettings

# Every bias off: reactions follow the true engagingness of the response alone.
_FAIR = {
    "love_flattery": 0.0,
    "delayed_feedback": 0.0,
    "verbosity": 0.0,
    "ending": 0.0,
    "ending_flattery": 0.0,
    "topic_base_rate": 0.0,
    "prior_mood": 0.0,
}
SCENARIOS: Mapping[str, Mapping[str, float]] = {
    "fair": {},
    "positive_negative_ratio": {"topic_base_rate": 1.5},
    "ending_bias": {"ending": 1.5, "ending_flattery": 0.5},
    "delayed_feedback": {"delayed_feedback": 0.5, "verbosity": 0.7},
    "prior_sentiment": {"prior_mood": 6.0},
}
"""Name to the knobs that are on. Stronger than the defaults, so that some thousand turns show them."""


def scenario(name: str, settings: SandboxSettings) -> SandboxSettings:
    """The settings with one bias on; users say more often what they think, in reactions and in words.

    Raises:
        KeyError: there is no scenario of that name.
    """
    changed: dict[str, Any] = {
        "biases": settings.biases.model_copy(update={**_FAIR, **SCENARIOS[name]}),
        "reactions": settings.reactions.model_copy(update={"thumb_up": -1.5, "thumb_down": -2.0}),
        "behaviour": settings.behaviour.model_copy(update={"voiced_mood": 0.5}),
    }
    return settings.model_copy(update=changed)
