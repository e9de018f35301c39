"""Noise is no candidate: a reward model must beat chance, its own position and the longer response."""

from __future__ import annotations

import numpy as np
import pytest

from infra.settings import CandidateSettings
from models.chat.preferences import Pair
from models.reward.evaluate import Judged
from models.reward.gate import lacking

RULES = CandidateSettings()


def judged(hits: int, misses: int, consistent: float | None = None, longer: float = 0.5) -> Judged:
    """So many pairs on which the model agrees with people, of which a share prefers the longer response."""
    n = hits + misses
    pairs = tuple(
        # Every k-th pair, whether it is a hit or not: length says nothing of the model's hits.
        Pair(f"p{k}", "{}", "long response" if k % 100 < 100 * longer else "a", "response", "260101", "static",
             "evaluation")
        for k in range(n)
    )  # fmt: skip
    preference = np.where(np.arange(n) * 7919 % n < hits, 1.0, -1.0).astype(np.float32)
    both = None if consistent is None else np.arange(n) < consistent * n
    return Judged(pairs, preference, both, {})


@pytest.mark.parametrize(
    ("made", "wanting"),
    [
        (judged(700, 300), ()),
        (judged(14, 15), ("accuracy 0.483",)),  # the demo's own candidate of 29 pairs
        (judged(520, 480), ("accuracy 0.520",)),
        (judged(448, 552, 0.0), ("accuracy 0.448", "consistency in both orders 0.000")),
        (judged(700, 300, 0.9), ()),
        (judged(700, 300, 0.4), ("consistency in both orders 0.400",)),
        (judged(600, 400, longer=0.8), ("over choosing the longer response",)),
        (judged(0, 0), ("no held-out pair",)),
    ],
)
def test_what_is_lacking_is_said(made: Judged, wanting: tuple[str, ...]) -> None:
    reasons = lacking(made, RULES)
    for words in wanting:
        assert any(words in reason for reason in reasons), reasons
    assert bool(reasons) == bool(wanting)


def test_the_gate_is_a_setting() -> None:
    weak = judged(520, 480, longer=0.8)
    assert lacking(weak, RULES)
    assert lacking(weak, CandidateSettings(reward_accuracy_above=0.4, beat_length="no")) == ()
    # Better by a little: enough for the estimate, not for the interval.
    better = judged(560, 440)
    assert lacking(better, RULES) == ()
    assert lacking(judged(560, 440, longer=0.54), CandidateSettings(beat_length="interval"))
