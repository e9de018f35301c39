"""Scores of the responses to a prompt, from a registered model to the difficulty bands of the next generation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from infra.errors import SettingsError
from infra.lake import Lake, ledger
from infra.settings import DifficultyScoresSettings, Settings
from jobs.preherding.score import _score
from jobs.preherding.scorer import Scorer
from models.registry.register import Lineage, register
from models.tables.opened import open_snapshot
from tests.conftest import DAY, migrated, put, settings_for, with_registry
from tests.models.tiny import tiny_base

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TRAINED = DAY - timedelta(days=3)
CONTEXT = json.dumps({"messages": [{"role": "user", "content": "hi there"}]})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        home = tmp_path_factory.mktemp("scores")
        made = with_registry(settings_for(home))
        migrated(made)
        put(Lake.of(made), "annotation.preferences", [
            {"pair_id": "p", "annotator_id": "a", "winner": "a", "mode": "static", "split": "train",
             "response_a": "x", "response_b": "y", "ds": TRAINED}
        ])  # fmt: skip
        _register(made, home / "model")
        yield made.model_copy(
            update={"preherding": made.preherding.model_copy(update={"score_model": "rm@candidate"})}
        )


def _register(settings: Settings, folder: Path) -> None:
    from models.training.sequences import classifier

    model, tokenizer = classifier(tiny_base(), 3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    read = open_snapshot(settings, "annotation.preferences", split="train").snapshot
    lineage = Lineage((read,), "tiny", "b", "t", 3, {"job": "reward-pointwise", "max_length": 64})
    register(settings, "rm", folder, lineage, {}, [[5, 6, 7], [8, 9]])
    pairwise = replace(lineage, configuration={"job": "reward-pairwise", "max_length": 64})
    register(settings, "pair", folder, pairwise, {}, [[5, 6, 7]])
    undated = replace(lineage, snapshots=())
    register(settings, "undated", folder, undated, {}, [[5, 6, 7]])


def test_the_model_is_resolved_to_a_version_with_its_last_day(settings: Settings) -> None:
    scorer = Scorer.of(settings)
    assert (scorer.name, scorer.version, scorer.trained_until, scorer.longest) == ("rm", 1, TRAINED, 64)
    for named, reason in (
        ("undated/1", "the last day that it was trained on"),
        ("pair/1", "single responses"),
    ):
        other = settings.model_copy(
            update={"preherding": settings.preherding.model_copy(update={"score_model": named})}
        )
        with pytest.raises(SettingsError, match=reason):
            Scorer.of(other)


@pytest.mark.parametrize("named", ["undated/1", "pair/1", "signal-continued/1", "reward-pairwise@candidate"])
def test_a_wrong_model_is_told_before_an_engine_starts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    import jobs.runner

    monkeypatch.setattr(jobs.runner, "session", lambda _: pytest.fail("an engine was started"))
    other = settings.model_copy(
        update={"preherding": settings.preherding.model_copy(update={"score_model": named})}
    )
    with pytest.raises(SettingsError, match=r"preherding\.score_model"):
        jobs.runner.run_job(other, "preherding.score", [DAY])


def test_a_batch_has_a_score_for_each_response_and_none_for_what_is_too_long(settings: Settings) -> None:
    """The score is the model's logit of the whole sequence, whatever else is in the batch."""
    from models.chat.conversation import answered
    from models.training.scoring import score
    from models.training.sequences import chat, tokenizer_of

    scorer = Scorer.of(settings)
    rows = [
        {"turn_id": "one", "context": CONTEXT, "responses": ["yes", "no, tell me more"], "ds": DAY},
        {"turn_id": "long", "context": CONTEXT, "responses": ["word " * 200, "short"], "ds": DAY},
        {"turn_id": "two", "context": CONTEXT, "responses": ["yes"], "ds": DAY},
    ]
    found = _score(pa.RecordBatch.from_pylist(rows), scorer).to_pylist()
    assert [(row["turn_id"], row["response_no"]) for row in found] == [
        ("one", 1), ("one", 2), ("long", 1), ("long", 2), ("two", 1),
    ]  # fmt: skip
    scores = [row["score"] for row in found]
    assert scores[2:4] == [None, None]
    tokenizer = tokenizer_of(scorer.folder)
    alone = [
        float(score(scorer.folder, [chat(tokenizer, answered(CONTEXT, text))])[0])
        for text in ("yes", "no, tell me more")
    ]
    assert np.allclose(scores[:2], alone, atol=1e-4)
    assert scores[4] == scores[0]


@pytest.mark.nightly
def test_from_a_window_to_the_difficulty_of_the_next(settings: Settings, spark: SparkSession) -> None:
    """Scored, run again without a change, pinned, and read as bands by curation; a window too early is refused."""
    from jobs.curation.sampling.difficulty import score_bands
    from jobs.runner import run_job

    lake = Lake.of(settings)
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    turns = [
        ("a1-old", "a", 1, False, "pass", "tell me of rivers", "no"),
        ("a1", "a", 1, True, "pass", "tell me of rivers", "rivers are long and wide"),
        ("a2", "a", 2, True, "pass", "and of hills", "hills are old"),
        ("a2-bad", "a", 2, False, "reject", None, None),
        ("b1", "b", 1, True, "reject", None, None),
        ("b2", "b", 2, True, "pass", "go on", "no"),
        ("c1", "c", 1, True, "pass", "hi", "hi"),
        ("c1-old", "c", 1, False, "pass", "hi", "hello there my friend"),
    ]  # fmt: skip
    put(lake, "curation.screened", [
        {"turn_id": turn, "conversation_id": chat, "turn_index": index, "is_final": final, "verdict": verdict,
         "redacted_user_message": said, "redacted_response": response, "split": "train", "source": "user",
         "response_ts": moment + timedelta(minutes=10 * index + final), "ds": DAY}
        for turn, chat, index, final, verdict, said, response in turns
    ])  # fmt: skip
    for table, job in (
        ("curation.screened", "curation.screen"),
        ("curation.screened_characters", "curation.screen_characters"),
    ):
        done = {"run_id": f"r-{table}", "job": job, "table_name": table, "ds": DAY, "started_ts": moment,
                "ended_ts": moment, "state": "succeeded", "output_version": 1, "content_hash": "1:1",
                "input_fingerprint": "x", "settings_hash": "y"}  # fmt: skip
        ledger.append(lake, "ops.runs", [done], done["run_id"])
    put(lake, "preherding.scores", [
        {"turn_id": "a1", "model": "other", "model_version": "9", "response_no": 1, "score": 0.5,
         "trained_until": TRAINED, "ds": DAY}
    ])  # fmt: skip
    assert run_job(settings, "preherding.score", [DAY]).rows_out == 6
    assert run_job(settings, "preherding.score", [DAY]).run_id is None
    version = lake.version("preherding.scores")
    rows = lake.open("preherding.scores").to_pyarrow_table().to_pylist()
    mine = {(row["turn_id"], row["response_no"]): row for row in rows if row["model"] == "rm"}
    # b2 answers to words that did not pass; superseded responses are further responses of the final turn.
    assert set(mine) == {("a1", 1), ("a1", 2), ("a2", 1), ("c1", 1), ("c1", 2)}
    assert {(row["model_version"], row["trained_until"]) for row in mine.values()} == {("1", TRAINED)}
    rules = DifficultyScoresSettings(model="rm", model_version="1", table_version=version)
    stored = spark.read.format("delta").option("versionAsOf", version).load(lake.path("preherding.scores"))
    bands = {row["turn_id"] for row in score_bands(stored, DAY, rules).collect()}
    assert bands == {"a1", "c1"}
    with pytest.raises(SettingsError, match="trained on days up to"):
        score_bands(stored, TRAINED, rules)
