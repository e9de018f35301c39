from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.errors import TrainingRefused
from infra.lake import Lake
from infra.settings import Settings, load_settings
from models.registration.tracking import version_of
from models.reward.data import open_pairs
from models.reward.external import read_pairs, report
from models.reward.registration import train_and_register
from tests.models.reward.test_data import apart, land
from tests.models.tiny import labels, planted, smoke, tiny_base


def test_a_reward_model_is_registered_once_with_its_table_and_its_figures(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    settings = load_settings(home=settings.home, training={"base_model": tiny_base()})
    every = apart([*planted(40), *planted(20, split="evaluation")])
    land(lake, labels(every, 1, 0.0))
    data = open_pairs(settings)
    asked = smoke("reward-pointwise")
    made = train_and_register(settings, data, "pointwise", asked)
    again = train_and_register(settings, data, "pointwise", asked)
    assert (made.registered.name, made.registered.version) == ("reward-pointwise", again.registered.version)
    tags = version_of(settings, "reward-pointwise@candidate").tags
    read = json.loads(tags["snapshots"])
    assert [(one["table"], one["split"], one["rows"]) for one in read] == [
        ("annotation.preferences", "train", 40), ("annotation.preferences", "evaluation", 20),
    ]  # fmt: skip
    assert made.cells[-1].accuracy.n == 20
    assert made.cells[-1].model == "RM_260101"

    elsewhere = tmp_path / "theirs.jsonl"
    lines = [json.dumps(row) for row in labels(planted(8, 5), 1, 0.0)]
    elsewhere.write_text("\n".join([*lines, json.dumps(json.loads(lines[0]) | {"winner": "tie"})]))
    (line,) = report(made.trained, {"theirs": read_pairs(elsewhere)})
    assert line.accuracy.n == 8
    elsewhere.write_text('{"context": 1}')
    with pytest.raises(TrainingRefused, match=r"line 1 of theirs.jsonl is no pair"):
        read_pairs(elsewhere)
