"""Every bias has an effect with its knob on, and none with its knob off."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from infra.sandbox.reactions import DRAWS, Reactor, Seen, annotator_score, sigmoid
from infra.sandbox.settings import BiasSettings, ReactionSettings

PLAIN = Seen("t1", 0.0, 0.5, False, 20, 0.0, 0.0, False, "en")
# Common enough to be counted in a few thousand responses.
RATES = ReactionSettings(love=-1.0, thumb_up=-1.0, thumb_down=-2.0)
COUNT = 6000


def share(seen: Seen, biases: BiasSettings, kind: str) -> float:
    """How often a response draws a reaction, over many readers with the same luck in every call."""
    luck, words = Random(5), Random(6)
    found = 0
    for _ in range(COUNT):
        draws = [luck.random() for _ in range(DRAWS)]
        reactor = Reactor(biases, RATES)
        found += sum(1 for r in reactor.react(seen, draws, words) if r.kind == kind)
    return found / COUNT


KNOBS: list[tuple[str, str, dict[str, Any]]] = [
    ("love_flattery", "love", {"flattery": True}),
    ("verbosity", "thumb_up", {"words": 80}),
    ("ending", "thumb_up", {"is_last": True}),
    ("topic_base_rate", "love", {"topic_shift": 1.0}),
    ("prior_mood", "love", {"mood": 0.4}),
    ("quality_slope", "love", {"engagingness": 0.9}),
]


@pytest.mark.parametrize(("knob", "kind", "change"), KNOBS, ids=[knob[0] for knob in KNOBS])
def test_a_bias_acts_with_its_knob_on_and_not_with_it_off(
    knob: str, kind: str, change: dict[str, Any]
) -> None:
    on = BiasSettings(delayed_feedback=0.0)
    off = on.model_copy(update={knob: 0.0})
    changed = replace(PLAIN, **change)
    assert share(changed, on, kind) > share(PLAIN, on, kind) + 0.03
    # The same luck on both sides: no effect means no difference at all.
    assert share(changed, off, kind) == share(PLAIN, off, kind)


def test_the_share_is_the_probability_of_the_logit() -> None:
    assert share(PLAIN, BiasSettings(), "love") == pytest.approx(sigmoid(RATES.love), abs=0.02)


def _thumbs(biases: BiasSettings) -> tuple[int, int]:
    """Thumbs of two-response sessions: all of them, and those that an earlier response caused."""
    luck, words = Random(5), Random(6)
    thumbs = moved = 0
    for _ in range(COUNT):
        reactor = Reactor(biases, RATES)
        for number in (1, 2):
            seen = replace(PLAIN, turn_id=f"t{number}", is_last=number == 2)
            for reaction in reactor.react(seen, [luck.random() for _ in range(DRAWS)], words):
                if reaction.kind.startswith("thumb"):
                    thumbs += 1
                    moved += reaction.turn_id != reaction.caused_by
    return thumbs, moved


def test_delayed_feedback_moves_thumbs_to_later_turns_and_loses_none() -> None:
    biases = BiasSettings(delayed_feedback=0.5)
    thumbs, moved = _thumbs(biases)
    none, still = _thumbs(biases.model_copy(update={"delayed_feedback": 0.0}))
    assert still == 0
    assert moved > 0.1 * thumbs
    assert thumbs == none


@pytest.mark.parametrize(
    ("knob", "dressed"),
    [
        ("annotator_emoji", {"words": 30, "emoji": 2, "is_list": False}),
        ("annotator_length", {"words": 120, "emoji": 0, "is_list": False}),
        ("annotator_list", {"words": 30, "emoji": 0, "is_list": True}),
    ],
)
def test_annotators_reward_form_unless_told_not_to(knob: str, dressed: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"words": 30, "emoji": 0, "is_list": False}
    on = BiasSettings()
    off = on.model_copy(update={knob: 0.0})
    assert annotator_score(0.5, biases=on, draw=Random(1), **dressed) > annotator_score(
        0.5, biases=on, draw=Random(1), **plain
    )
    assert annotator_score(0.5, biases=off, draw=Random(1), **dressed) == annotator_score(
        0.5, biases=off, draw=Random(1), **plain
    )
