"""Judgements of the sandbox: read by the landing contract, as good as the knobs say, and beside everything else."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from infra.ids import pseudonym
from infra.sandbox import SandboxSettings
from infra.sandbox.annotators import TRUTH
from infra.sandbox.settings import AnnotatorSettings, BiasSettings
from jobs.annotation import ZONE
from jobs.annotation.parse import JudgementRules, parse_file
from jobs.landing.zone import landing_days, landing_files
from models.chat.conversation import context_of
from models.chat.preferences import Pair
from models.reward.evaluate import Kind, sequences
from models.training.base import SENTENCE_ENCODER, TINY_LLAMA, resolved
from models.training.configuration import configuration
from models.training.fitting import TOO_LONG, Fitting
from models.training.sequences import tokenizer_of
from tests.infra.sandbox.conftest import Run, perform

EXACT = BiasSettings(annotator_noise=0.0, annotator_emoji=0.0, annotator_length=0.0, annotator_list=0.0)


def judgements(run: Run) -> list[dict[str, Any]]:
    files = sorted((run.landing / "preferences").rglob("*.jsonl.gz"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def test_every_judgement_lands_under_its_user(sandbox_run: Run) -> None:
    root = f"{sandbox_run.landing}{ZONE.removeprefix('landing')}"
    parsed = [
        (day, one)
        for day in landing_days(root)
        for file in landing_files(root, day)
        for one in parse_file(file, JudgementRules(1_000_000, b"key"))
    ]
    assert {one.reason for _, one in parsed} == {None}
    assert len(parsed) == len(judgements(sandbox_run)) == sandbox_run.summary.judgements > 500
    gold = {row["pair_id"]: row for row in sandbox_run.gold(TRUTH)}
    turns = {row["turn_id"]: row for row in sandbox_run.gold("turns")}
    sources = {row["user_id"]: row["source"] for row in sandbox_run.gold("users")}
    for day, one in parsed:
        assert one.judgement is not None
        truth = gold[one.judgement.pair_id]
        user = turns[truth["turn_id"]]["user_id"]
        assert one.judgement.user_id == pseudonym(user, b"key")
        assert one.judgement.mode == truth["mode"] == ("static" if sources[user] == "user" else "interactive")
        assert f"{day:%y%m%d}" == truth["batch"]
    reviews = Counter(Counter(one.judgement.pair_id for _, one in parsed if one.judgement).values())
    assert set(reviews) == {
        1,
        sandbox_run.settings.annotators.reviews if sandbox_run.settings.annotators else 0,
    }


@pytest.mark.parametrize("base", [TINY_LLAMA, SENTENCE_ENCODER])
@pytest.mark.parametrize("kind", ["pointwise", "pairwise"])
def test_pairs_fit_the_configurations_that_the_demo_trains_with(
    sandbox_run: Run, kind: Kind, base: str
) -> None:
    """Hindi has many tokens in the embedded tokenizers; training refuses where more than 5 % do not fit."""
    fitting = Fitting(tokenizer_of(resolved(base)), configuration(f"reward-{kind}-smoke").max_length)
    for row in {row["pair_id"]: row for row in judgements(sandbox_run)}.values():
        context = context_of(row["context"]["messages"], character=row["context"].get("character"))
        pair = Pair(row["pair_id"], context, row["response_a"], row["response_b"], "b", "static", "train")
        sequences(kind, fitting, pair)
    assert fitting.counts[TOO_LONG] < 0.025 * sum(fitting.counts.values())


def test_served_and_other_response_have_the_truth_that_turns_have(sandbox_run: Run) -> None:
    turns = {row["turn_id"]: row for row in sandbox_run.gold("turns")}
    for row in sandbox_run.gold(TRUTH):
        served = turns[row["turn_id"]]
        side = "a" if row["version_a"] == served["model_version"] else "b"
        assert row["version_a"] != row["version_b"]
        assert row[f"engagingness_{side}"] == served["engagingness"]
        assert abs(row["gap"] - (row["engagingness_a"] - row["engagingness_b"])) < 1e-5


def test_noise_alone_makes_annotators_wrong_and_agreement_makes_them_less_so(sandbox_run: Run) -> None:
    gap = {row["pair_id"]: row["gap"] for row in sandbox_run.gold(TRUTH)}
    said: dict[str, list[str]] = defaultdict(list)
    for one in judgements(sandbox_run):
        said[one["pair_id"]].append(one["winner"])
    labels = [(pair, w) for pair, winners in said.items() for w in winners if w in ("a", "b")]
    right = sum((w == "a") == (gap[pair] > 0) for pair, w in labels) / len(labels)
    agreed = [pair for pair, w in said.items() if len(w) == 3 and len(set(w)) == 1 and w[0] in ("a", "b")]
    agreed_right = sum((said[pair][0] == "a") == (gap[pair] > 0) for pair in agreed) / len(agreed)
    assert 0.5 < right < agreed_right < 1.0
    assert {"tie", "both_bad"} < {w for winners in said.values() for w in winners}


def test_without_noise_and_tastes_the_better_response_wins(tmp_path: Path) -> None:
    settings = SandboxSettings(
        turns=250, characters=12, experiment=None, biases=EXACT,
        annotators=AnnotatorSettings(static_share=0.5, tie_within=0.02, both_bad_below=0.0, batch_days=2),
    )  # fmt: skip
    run = perform(settings, tmp_path / "with")
    gap = {row["pair_id"]: row["gap"] for row in run.gold(TRUTH)}
    for one in judgements(run):
        expected = "tie" if abs(gap[one["pair_id"]]) < 0.02 else "a" if gap[one["pair_id"]] > 0 else "b"
        assert one["winner"] == expected
    assert {row["batch"] for row in run.gold(TRUTH)} == {"261119", "261120"}
    none = perform(settings.model_copy(update={"annotators": None}), tmp_path / "without")
    assert run.events == none.events
    assert not (tmp_path / "without" / "landing" / "preferences").exists()
