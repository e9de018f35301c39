"""From the command line to a registered reward model, the matrix by batch, and what agreement is worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from infra.errors import ModelUnknown, TrainingRefused
from infra.lake import Lake
from infra.lake.sql import connect
from infra.settings import Settings, load_settings
from jobs.plan import Plan
from models.registry.tracking import version_of
from tests.conftest import migrated, put_success, with_registry
from tests.models.reward.test_data import apart, land
from tests.models.tiny import labels, planted, tiny_base

BATCHES = ("260101", "260201")
CONFIGURATION = """
job = "reward-{kind}"
learning_rate = 5e-3
batch = 16
steps = {steps}
max_length = 128
"""
Train = Callable[..., Result]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with two batches, each pair judged by two annotators who mostly agree."""
    home = tmp_path_factory.mktemp("train")
    (home / "flywheel.toml").write_text(f'[training]\nbase_model = "{tiny_base()}"\n')
    settings = with_registry(load_settings(home=home))
    migrated(settings)
    every = apart(
        [
            pair
            for batch in BATCHES
            for split, n in (("train", 40), ("evaluation", 20))
            for pair in planted(n, batch=batch, split=split)
        ]
    )
    land(Lake.of(settings), labels(every, 2, 0.1))
    put_success(Lake.of(settings), "annotation.preferences", [date(2026, 1, 1), date(2026, 2, 1)])
    for kind in ("pointwise", "pairwise"):
        (home / f"{kind}.toml").write_text(CONFIGURATION.format(kind=kind, steps=6))
    return settings


@pytest.fixture
def train(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Train:
    monkeypatch.setenv("FLYWHEEL_HOME", str(settings.home))

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, ["train", *map(str, words)])

    return run


def told(result: Result) -> list[dict[str, Any]]:
    assert result.exception is None, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_a_reward_model_is_registered_once_with_its_table_and_its_figures(
    train: Train, settings: Settings, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "theirs.jsonl"
    lines = [json.dumps(row) for row in labels(planted(8, 5), 1, 0.0)]
    elsewhere.write_text("\n".join([*lines, json.dumps(json.loads(lines[0]) | {"winner": "tie"})]))
    asked = ("reward", "--config", settings.home / "pointwise.toml", "--alias", "", "--format", "json")
    first = train(*asked, "--evaluate-on", elsewhere)
    (theirs,) = (cell for cell in told(first) if cell["mode"] == "elsewhere")
    assert (theirs["batch"], theirs["pairs"]) == ("theirs", 8), "what people did not decide is in no figure"
    assert "Next: flywheel lineage reward-pointwise/1" in first.stderr
    with pytest.raises(ModelUnknown):
        version_of(settings, "reward-pointwise@candidate")  # no alias was asked for
    cells = told(train(*asked[:3], "--format", "json"))
    assert {(cell["model"], cell["batch"]) for cell in cells} >= {("RM_260201", "all")}
    version = version_of(settings, "reward-pointwise@candidate")
    assert int(version.version) == 1, "the same rows and configuration are the same version"
    read = json.loads(version.tags["snapshots"])
    assert [(one["table"], one["split"], one["rows"]) for one in read] == [
        ("annotation.preferences", "train", 160), ("annotation.preferences", "evaluation", 80),
    ]  # fmt: skip
    elsewhere.write_text('{"context": 1}')
    refused = train(*asked, "--evaluate-on", elsewhere)
    assert isinstance(refused.exception, TrainingRefused)
    assert "line 1 of theirs.jsonl is no pair" in str(refused.exception)


def test_a_matrix_is_kept_in_its_table_and_fails_where_a_model_lost(train: Train, settings: Settings) -> None:
    found = train(
        "matrix", "--kind", "pairwise", "--config", settings.home / "pairwise.toml", "--format", "json"
    )
    cells = json.loads(found.stdout)
    assert {(cell["model"], cell["batch"]) for cell in cells} == {
        (f"RM_{until}", batch) for until in BATCHES for batch in (*BATCHES, "all")
    }
    assert found.exit_code == (1 if any(cell["gate"] == "regressed" for cell in cells) else 0)
    again = train(
        "matrix", "--kind", "pairwise", "--config", settings.home / "pairwise.toml", "--format", "json"
    )
    assert json.loads(again.stdout) == cells
    with connect(Lake.of(settings), "preherding.rm_accuracy") as database:
        (kept,) = database.execute("SELECT count(*) FROM preherding.rm_accuracy").fetchone() or (0,)
    assert kept == len(cells)
    assert [
        (unit.job, unit.reason)
        for unit in Plan(settings).everything()
        if unit.job == "preherding.reward_matrix"
    ] == [], "what was made with other settings is not due"


def test_agreement_stands_for_each_kind_and_training_set(train: Train, settings: Settings) -> None:
    rows = told(
        train(
            "agreement", "--reviews", 2, "--pointwise", settings.home / "pointwise.toml",
            "--pairwise", settings.home / "pairwise.toml", "--format", "json",
        )
    )  # fmt: skip
    sets = {(row["kind"], row["training set"]): row["labels"] for row in rows}
    assert len(rows) == len(sets) == 2 * 4
    assert {kind for kind, _ in sets} == {"pointwise", "pairwise"}
    assert sorted(sets.values())[:2] == [0, 0], "the model before training stands beside them"
    assert all(0 < row["agreed pairs"] < row["pairs"] for row in rows)


def test_a_configuration_of_another_job_is_refused(train: Train, settings: Settings) -> None:
    refused = train("reward", "--kind", "pairwise", "--config", settings.home / "pointwise.toml")
    assert refused.exit_code != 0
    assert "reward-pointwise" in str(refused.exception)
