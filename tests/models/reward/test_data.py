from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

import pytest

from infra.errors import TrainingRefused
from infra.lake import Lake
from infra.settings import Settings
from models.chat.conversation import context_of
from models.chat.preferences import TABLE, Pair
from models.reward.data import open_pairs
from tests.conftest import put
from tests.models.tiny import labels, planted

_TOPICS = "stars ships bread rivers maps clocks gardens trains winter violins bridges lamps".split()


def apart(pairs: Sequence[Pair]) -> list[Pair]:
    """Each asks something of its own."""
    asked = (sha256(str(number).encode()).hexdigest() for number in range(len(pairs)))
    return [
        replace(
            pair, context=context_of([{"role": "user", "content": f"{text[:9]} {text[9:20]} {text[20:]}"}])
        )
        for pair, text in zip(pairs, asked, strict=True)
    ]


def land(lake: Lake, rows: Sequence[dict[str, Any]], user: str = "") -> None:
    """Rows of one batch, each pair of a user of its own unless one is given."""
    more = {
        "source": "planted",
        "content_hash": "c",
        "policy_version": "v1",
        "run_id": "r",
        "ds": date(2026, 1, 1),
    }
    put(lake, TABLE, [row | more | {"user_id": user or row["pair_id"]} for row in rows])


def test_labels_add_up_and_a_question_of_the_exam_is_left_out_of_training(
    lake: Lake, settings: Settings
) -> None:
    every = apart([*planted(40), *planted(20, split="evaluation")])
    training, held = every[:40], every[40:]
    met = replace(training[0], pair_id="met", context=held[0].context)
    rows = labels([*training, met], 2, 0.0) + labels(held, 3, 0.3)
    rows[0]["winner"] = "tie"
    land(lake, rows)
    data = open_pairs(settings)
    assert data.source == f"{TABLE}@{lake.version(TABLE)}"
    assert {fate: n for fate, n in data.training_counts.items() if n} == {"used": 79, "tie": 1, "leaked": 2}
    assert "met" not in {pair.pair_id for pair in data.training}
    assert len(data.evaluation) == 20
    assert data.evaluation_counts["not_drawn"] == 40
    assert (len(data.rows), len(data.held)) == (80, 60)
    assert data.snapshots[0].version == data.snapshots[1].version
    with pytest.raises(TrainingRefused, match="0 pairs to learn from"):
        open_pairs(settings, until="251231")
    with pytest.raises(TrainingRefused, match="no batch"):
        open_pairs(settings, until="2026-01-01")


def test_a_user_on_both_sides_is_refused_whatever_they_asked(lake: Lake, settings: Settings) -> None:
    every = apart([*planted(4), *planted(4, split="evaluation")])
    land(lake, labels(every, 1, 0.0), user="the same")
    with pytest.raises(TrainingRefused, match="1 users"):
        open_pairs(settings)


def test_where_all_ask_the_same_whole_pairs_can_be_held_apart(lake: Lake, settings: Settings) -> None:
    hello = context_of([{"role": "user", "content": "hello"}])
    every = [replace(pair, context=hello) for pair in (*planted(6), *planted(6, 3, split="evaluation"))]
    answers = [
        replace(pair, chosen=f"{topic} " * 8, rejected=f"{topic[::-1]} " * 8)
        for pair, topic in zip(every, _TOPICS, strict=True)
    ]
    land(lake, labels(answers, 1, 0.0))
    with pytest.raises(TrainingRefused, match="--apart whole"):
        open_pairs(settings)
    assert len(open_pairs(settings, text="whole").training) == 6
