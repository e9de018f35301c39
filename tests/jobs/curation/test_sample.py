"""The sample job on small tables: fates, context, quotas recounted from what was written."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from infra.errors import InfeasibleConstraints
from jobs.curation import sample
from jobs.curation.sampling import attributes
from models.text.jtbd.classifier import Classifier
from models.text.lexical import normalise
from tests.jobs.curation.conftest import FIRST_DAY, Bench

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


class OneSpace:
    """Stands in for the encoders: every sentence has the same vector, so cue words decide."""

    def encode(self, texts: Any) -> Any:
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))


@pytest.fixture
def own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose prompts have two-dimensional vectors of a space called `e`."""
    bench.dataset_id = "default-20261101-20261101-00000000"  # type: ignore[attr-defined]
    monkeypatch.setattr(attributes, "pinned", lambda rules, _: rules)
    monkeypatch.setattr(attributes, "encoder_name", lambda _: "e")
    monkeypatch.setattr(attributes, "load_encoder", lambda _: OneSpace())
    return bench


def said(bench: Bench, talk: str, number: int, message: str, **more: Any) -> dict[str, Any]:
    """Turn `number` of a conversation."""
    return bench.turn(
        f"{talk}.{number}", message, conversation_id=talk, session_id=f"{talk}#0", turn_index=number,
        session_turn_index=number, user_id=f"u-{talk}", locale="en-US", model_version="V1",
        response_ts=START + timedelta(minutes=number), redacted_response=more.pop("answer", f"answer {number}"),
        **more,
    )  # fmt: skip


def ranked(turn: dict[str, Any], angle: float | None, quality: float = 0.6) -> dict[str, Any]:
    key = f"{normalise(turn['redacted_user_message']).key:x}"
    return {
        "turn_id": turn["turn_id"], "split": turn["split"], "text_hash": key, "recipe": "prompt-1", "kept": True,
        "encoder": None if angle is None else "e", "quality": quality, "priority": 0, "check_kind": "semantic",
        "ds": FIRST_DAY, "angle": angle,
    }  # fmt: skip


def fill(bench: Bench, turns: list[dict[str, Any]], angles: dict[str, float | None] | None = None) -> None:
    """Screened turns with what Phase II and the daily outcomes make of them."""
    bench.put("curation.screened", turns)
    usable = [turn for turn in turns if turn["is_final"] and turn["turn_index"] > 0]
    passed = [turn for turn in usable if turn["verdict"] == "pass"]
    rows = [
        ranked(turn, (angles or {}).get(turn["turn_id"], float(n)), (n % 10) / 10)
        for n, turn in enumerate(passed)
    ]
    bench.put("curation.pruned", rows)
    vectors = {
        row["text_hash"]: [float(np.cos(row["angle"])), float(np.sin(row["angle"]))]
        for row in rows
        if row["angle"] is not None
    }
    bench.put(
        "curation.embeddings",
        [
            {"text_hash": key, "recipe": "prompt-1", "encoder": "e", "embedding": vector, "ds": FIRST_DAY}
            for key, vector in vectors.items()
        ],
    )
    bench.put(
        "curation.outcomes",
        [
            {
                "turn_id": turn["turn_id"],
                "outcome": "ineligible" if turn not in usable else "eligible" if turn in passed else "rejected",
                "split": turn["split"], "source": "user", "language": "en", "ds": FIRST_DAY,
            }
            for turn in turns
        ],
    )  # fmt: skip


def set_rules(bench: Bench, **rules: Any) -> None:
    changed = bench.settings.sampling.model_copy(update=rules)
    bench.settings = bench.settings.model_copy(update={"sampling": changed})


def fates(bench: Bench) -> dict[str, tuple[str, str | None]]:
    return {
        row["turn_id"]: (row["outcome"], row["reason"]) for row in bench.written["curation.sample_outcomes"]
    }


def test_context_is_the_unbroken_run_of_passing_turns(own: Bench) -> None:
    turns = [
        said(own, "a", 0, "x", redacted_user_message=None, message_ts=None, answer="Welcome."),
        said(own, "a", 1, "one"),
        said(own, "a", 2, "two", verdict="reject"),
        said(own, "a", 3, "three"),
        said(own, "a", 4, "four", is_final=False, answer="superseded"),
        said(own, "a", 5, "five", character_id="bob"),
        said(own, "b", 1, "hello", character_id="eve"),
    ]
    fill(own, turns)
    own.put(
        "curation.screened_characters",
        [
            {"character_id": "bob", "valid_from": START, "is_current": True, "verdict": "pass", "ds": FIRST_DAY,
             "redacted_name": "Bob", "redacted_traits": ["kind"], "redacted_instructions": "Be kind."},
            {"character_id": "eve", "valid_from": START, "is_current": True, "verdict": "reject", "ds": FIRST_DAY},
        ],
    )  # fmt: skip
    set_rules(
        own, sample_size={"train": 2}, sample_share={}, one_per_conversation=False, character_cap=1.0,
        first_turn_floor=0.0,
    )  # fmt: skip
    sample.run(own)  # type: ignore[arg-type]
    assert fates(own) == {
        "a.1": ("selected", None),
        "a.3": ("context_unsafe", "previous_turn"),
        "a.5": ("selected", None),
        "b.1": ("context_unsafe", "character"),
    }
    contexts = {row["turn_id"]: json.loads(row["context"]) for row in own.written["curation.samples"]}
    assert contexts["a.1"] == {
        "messages": [
            {"role": "assistant", "content": "Welcome."},
            {"role": "user", "content": "one"},
        ]
    }
    assert contexts["a.5"] == {
        "character": {"name": "Bob", "traits": ["kind"], "instructions": "Be kind."},
        "messages": [
            {"role": "user", "content": "three"},
            {"role": "assistant", "content": "answer 3"},
            {"role": "user", "content": "five"},
        ],
    }


def test_training_duplicates_of_evaluation_turns_are_dropped(own: Bench) -> None:
    turns = [
        said(own, "e1", 1, "the exam", split="evaluation"),
        said(own, "e2", 1, "नमस्ते", split="evaluation", language="hi"),
        said(own, "t1", 1, "The exam!"),
        said(own, "t2", 1, "nearly the exam"),
        said(own, "t3", 1, "quite different"),
        said(own, "t4", 1, "नमस्ते।", language="hi"),
        said(own, "t5", 1, "another language", language="hi"),
    ]
    fill(
        own,
        turns,
        {"e1.1": 0.0, "t1.1": 0.0, "t2.1": 0.05, "t3.1": 1.0, "e2.1": None, "t4.1": None, "t5.1": None},
    )
    set_rules(
        own,
        sample_size={"train": 2, "evaluation": 2},
        sample_share={},
        character_cap=1.0,
        first_turn_floor=0.1,
    )
    sample.run(own)  # type: ignore[arg-type]
    assert fates(own) == {
        "e1.1": ("selected", None),
        "e2.1": ("selected", None),
        "t1.1": ("split_leak", "e1.1"),
        "t2.1": ("split_leak", "e1.1"),
        "t3.1": ("selected", None),
        "t4.1": ("split_leak", "e2.1"),
        "t5.1": ("selected", None),
    }


def traffic(bench: Bench) -> list[dict[str, Any]]:
    """60 conversations of 1 to 8 turns, 12 characters, two languages, both splits; every ninth turn rejected."""
    random = np.random.default_rng(5)
    turns = []
    for talk in range(60):
        language = "en" if talk % 3 else "es"
        name = None if talk % 10 == 0 else f"ch{talk % 12}"
        for number in range(1, int(random.integers(2, 10))):
            rejected = "reject" if random.random() < 0.11 else "pass"
            message = f"tell me a joke {talk} {number}" if number % 2 else f"w {talk} {number}"
            turns.append(
                said(bench, f"k{talk:02}", number, message,
                     split="evaluation" if talk % 5 == 0 else "train", language=language, character_id=name,
                     verdict=rejected)
            )  # fmt: skip
    return turns


def test_final_denominators_recounted_from_the_written_tables(own: Bench) -> None:
    fill(own, traffic(own))
    set_rules(
        own,
        sample_size={"train": 20, "evaluation": 5},
        sample_share={},
        character_cap=0.2,
        leak_similarity=1.0,
    )
    sample.run(own)  # type: ignore[arg-type]
    chosen = own.written["curation.samples"]
    outcome_rows = own.written["curation.sample_outcomes"]
    eligible = {
        row["turn_id"] for row in own.tables["curation.outcomes"].where("outcome = 'eligible'").collect()
    }
    assert {row["turn_id"] for row in outcome_rows} == eligible
    assert Counter(row["split"] for row in chosen) == {"train": 20, "evaluation": 5}
    assert len({row["conversation_id"] for row in chosen}) == 25
    for split, size in (("train", 20), ("evaluation", 5)):
        rows = [row for row in chosen if row["split"] == split]
        assert sum(row["is_first_turn"] for row in rows) >= -(-size // 10)
        names = Counter(row["character_id"] for row in rows if row["character_id"] is not None)
        assert max(names.values()) <= size // 5
        table = [row for row in own.written["curation.constraints"] if row["split"] == split]
        for dimension, column in (
            ("jtbd", "jtbd"),
            ("depth_band", "depth_band"),
            ("character", "character_id"),
        ):
            counted = Counter(row[column] or "(none)" for row in rows)
            written = {row["level"]: row["achieved"] for row in table if row["dimension"] == dimension}
            assert {level: n for level, n in written.items() if n} == dict(counted)
        assert {row["dimension"] for row in table} == {"size", *attributes.DIMENSIONS}
        assert all(row["slack"] >= 0 for row in table if row["kind"] in ("floor", "cap"))
        assert all(row["optimality_gap"] <= 1e-4 for row in table)
        before = {row["level"]: row["before"] for row in table if row["dimension"] == "first_turn"}
        screened = own.tables["curation.screened"].where(f"split = '{split}'")
        assert before == {
            "first": screened.where("turn_index = 1").count(),
            "later": screened.where("turn_index > 1").count(),
        }
    by_stratum: dict[tuple[str, str], list[str]] = {}
    for row in outcome_rows:
        if row["stratum"] is not None:
            by_stratum.setdefault((row["split"], row["stratum"]), []).append(row["outcome"])
    for row in chosen:
        inside = by_stratum[row["split"], row["stratum"]]
        assert row["inclusion_probability"] == pytest.approx(inside.count("selected") / len(inside))
        assert row["weight"] == pytest.approx(len(inside) / inside.count("selected"))


@pytest.mark.nightly
def test_partitions_and_order_change_nothing(own: Bench) -> None:
    turns = traffic(own)
    set_rules(own, sample_size={"train": 20}, sample_share={}, character_cap=0.2, leak_similarity=1.0)
    results = []
    for partitions, rows in ((2, turns), (3, turns[::-1])):
        own.partitions = partitions
        own.written.clear()
        angles = {turn["turn_id"]: float(n) for n, turn in enumerate(turns)}
        fill(own, rows, angles)
        quality = {row["turn_id"]: int(row["turn_id"][-1]) / 10 for row in rows}
        own.tables["curation.pruned"] = own.tables["curation.pruned"].replace(0.0, 0.1, "quality")
        own.put(
            "curation.pruned",
            [
                {**row.asDict(), "quality": quality[row["turn_id"]]}
                for row in own.tables["curation.pruned"].collect()
            ],
        )
        sample.run(own)  # type: ignore[arg-type]
        results.append(
            (
                fates(own),
                {row["turn_id"]: row["context"] for row in own.written["curation.samples"]},
                sorted(map(str, own.written["curation.constraints"])),
            )
        )
    assert results[0] == results[1]


@pytest.mark.nightly
def test_too_few_turns_are_refused(own: Bench) -> None:
    fill(own, [said(own, "a", 1, "one"), said(own, "b", 1, "two")])
    set_rules(own, sample_size={"train": 3}, sample_share={}, character_cap=1.0)
    with pytest.raises(InfeasibleConstraints, match=r"split train.*size \(3 of 2 available") as caught:
        sample.run(own)  # type: ignore[arg-type]
    assert "allow_smaller" in str(caught.value)
    assert "curation.samples" not in own.written
    set_rules(own, allow_smaller=True)
    sample.run(own)  # type: ignore[arg-type]
    assert len(own.written["curation.samples"]) == 2
    (warning,) = own.warnings
    assert (
        "split train has 2 rows instead of the 3 asked for (67 %). Bound by size (3 of 2 available" in warning
    )


def test_depth_bands() -> None:
    assert attributes.depth_labels((1, 5, 20)) == ("1", "2-5", "6-20", "21+")


def test_labels_come_from_cues_then_vectors_else_unknown() -> None:
    classifier = Classifier.of({"e": OneSpace()})
    labels = classifier.labels(
        ["Tell me a joke!", "something else", "una frase"], ["e", "e", None], [[1.0, 0.0], [1.0, 0.0], None]
    )
    assert labels[0] == "entertainment"
    assert labels[1] == "role_play"
    assert labels[2] == "unknown"
