"""`flywheel preferences`: an import says what became of every record, and counts are of the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.lake import Lake
from infra.settings import load_settings
from tests.conftest import put

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    return tmp_path


def test_an_import_tells_what_became_of_every_record_and_what_is_due(home: Path) -> None:
    good = {"input": "q", "output_1": "x", "output_2": "y", "label": 1}
    (home / "set.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (good, {**good, "label": 7})))
    told = runner.invoke(
        app, ["preferences", "import", str(home / "set.jsonl"), "--format", "llmbar", "--batch", "240923"]
    )
    assert told.exit_code == 0
    assert "2 records of 1 file(s) = 1 with judgements + rejected: 1 unknown_label" in told.stdout
    assert "240923 1" in told.stdout
    assert "keep_unsafe" in told.stderr
    plan = runner.invoke(app, ["plan", "--format", "json"]).stdout
    assert [(d["job"], d["days"]) for d in json.loads(plan)] == [("annotation.preferences", "2024-09-23")]


def test_counts_by_batch_mode_and_winner(home: Path) -> None:
    lake = Lake.of(load_settings())
    put(
        lake,
        "annotation.preferences",
        [
            {
                "pair_id": pair, "annotator_id": who, "batch": "261120", "mode": "static", "source": "s",
                "winner": winner, "split": split, "response_a": "1", "response_b": "2", "safety_category": category,
            }
            for pair, who, winner, split, category in (
                ("p", "x", "a", "train", None), ("p", "y", "b", "train", None), ("p", "z", "tie", "train", None),
                ("q", "x", "both_bad", "evaluation", "S1"),
            )
        ],
    )  # fmt: skip
    put(
        lake,
        "annotation.quarantine",
        [{"source_file": "f", "line": n, "reason": "empty_response"} for n in (1, 2)],
    )
    (row,) = json.loads(runner.invoke(app, ["preferences", "list", "--format", "json"]).stdout)
    assert row == {
        "batch": "261120", "mode": "static", "source": "s", "pairs": 2, "labels": 4, "annotators": 3, "a": 1, "b": 1,
        "tie": 1, "both_bad": 1, "evaluation_pairs": 1, "unsafe_kept": 1,
    }  # fmt: skip
    refused = runner.invoke(app, ["preferences", "list", "--quarantine", "--format", "json"]).stdout
    assert json.loads(refused) == [{"batch": "261120", "reason": "empty_response", "lines": 2}]
