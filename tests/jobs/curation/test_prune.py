"""Phase II as a Spark job: exact sizes, coverage, and the same rows however they are cut, ordered or partitioned."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.curation import PRUNE
from jobs.curation.diversity.prompts import text_hash
from jobs.curation.diversity.spaces import train
from tests.jobs.curation.conftest import FIRST_DAY, Bench

if TYPE_CHECKING:
    from infra.settings import Settings

DIMENSION = 24
MINILM = "all-MiniLM-L6-v2/torch/fp32"


def with_rules(settings: Settings, **changes: Any) -> Settings:
    exactly = {"backend": "torch", "precision": "fp32"}
    encoders = tuple(spec.model_copy(update=exactly) for spec in settings.diversity.encoders)
    rules = settings.diversity.model_copy(update={"encoders": encoders, **changes})
    return settings.model_copy(update={"diversity": rules})


def fill(bench: Bench, per_day: int = 40, days: int = 3, seed: int = 1) -> dict[str, np.ndarray]:
    """Families of prompts with made-up vectors; every third turn is in the evaluation split."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(per_day // 2, DIMENSION))
    names = [
        "".join(rng.choice(list("abcdefghijklmnoprstuvw"), 9)) for _ in roots
    ]  # alike in meaning, not in letters
    turns, vectors, embeddings = [], {}, {}
    for day in range(days):
        for i in range(per_day):
            root = int(rng.integers(0, len(roots)))
            words = ["".join(rng.choice(list("abcdefghijklmnoprstuvw"), 7)) for _ in range(4)]
            message = f"{names[root]} {' '.join(words)}" if i % 7 else f"said {names[root]}"
            name = f"t{day}-{i:03d}"
            split = "evaluation" if i % 3 == 0 else "train"
            turns.append(bench.turn(name, message, day, split=split, turn_index=1 if i % 9 == 4 else 2))
            digest = text_hash(bench.settings.user_key(), f"\n\n{message}")
            if digest not in embeddings:
                vector = roots[root] + 0.09 * rng.normal(size=DIMENSION)
                embeddings[digest] = (vector / np.linalg.norm(vector)).astype(np.float32)
            vectors[name] = embeddings[digest]
    rules = bench.settings.diversity
    bench.put("curation.screened", turns)
    bench.put(
        "curation.embeddings",
        [
            {
                "text_hash": h,
                "recipe": rules.recipe,
                "encoder": MINILM,
                "embedding": v.tolist(),
                "ds": FIRST_DAY,
            }
            for h, v in embeddings.items()
        ],
    )
    return vectors


def all_days(days: int) -> tuple[Any, ...]:
    return tuple(FIRST_DAY + timedelta(days=d) for d in range(days))


def result(bench: Bench) -> list[dict[str, Any]]:
    return sorted(bench.written["curation.pruned"], key=lambda row: row["turn_id"])


@pytest.mark.nightly
def test_exact_share_coverage_and_labels_against_all_pairs(bench: Bench) -> None:
    bench.settings = with_rules(bench.settings, keep_proportion=0.6, horizon_days=1)
    vectors = fill(bench)
    bench.days = all_days(3)
    bench.run(PRUNE)
    rows = {row["turn_id"]: row for row in result(bench)}
    assert set(rows) == set(vectors)
    for day in bench.days:
        for split in ("train", "evaluation"):
            own = [row for row in rows.values() if row["ds"] == day and row["split"] == split]
            assert sum(row["kept"] for row in own) == round(0.6 * len(own))
            assert sorted(row["priority"] for row in own) == list(range(len(own)))
    first = {row["turn_id"] for row in bench.tables["curation.screened"].where("turn_index = 1").collect()}
    for day in bench.days:
        own = [row for row in rows.values() if row["ds"] == day and row["split"] == "train"]
        kept, supply = sum(row["kept"] for row in own), sum(row["turn_id"] in first for row in own)
        held = sum(row["kept"] and row["turn_id"] in first for row in own)
        assert held >= min(supply, -(-kept // 10))
    told = {result.expectation: result for result in bench.quality}
    assert set(told) == {"floor first_turn=first in train", "floor first_turn=first in evaluation"}
    assert '"short": 0' in told["floor first_turn=first in train"].observed
    near = 0
    for row in rows.values():
        if row["kept"]:
            assert row["kept_turn_id"] is None
            continue
        reach = [
            other for other in rows.values()
            if other["kept"] and other["split"] == row["split"]
            and timedelta(0) <= row["ds"] - other["ds"] <= timedelta(1)
        ]  # fmt: skip
        cosine = {
            o["turn_id"]: float(vectors[row["turn_id"]].astype(float) @ vectors[o["turn_id"]]) for o in reach
        }
        best = max(cosine.values())
        kept = rows[row["kept_turn_id"]]
        assert kept["turn_id"] in cosine
        assert row["similarity"] == pytest.approx(best, abs=2e-6)
        assert (row["reason"] == "near_duplicate") == (row["similarity"] >= 0.95)
        near += row["reason"] == "near_duplicate"
    assert near > 10
    assert any(row["reason"] == "diversity_budget" for row in rows.values())


@pytest.mark.nightly
def test_cut_order_partitions_and_rerun_change_nothing(bench: Bench) -> None:
    bench.settings = with_rules(bench.settings, keep_proportion=0.55)
    fill(bench)
    bench.days = all_days(3)
    bench.run(PRUNE)
    whole = result(bench)
    bench.written.clear()
    bench.put("curation.pruned", [])
    screened = [row.asDict() for row in bench.tables["curation.screened"].collect()]
    random.Random(4).shuffle(screened)
    bench.partitions = 5  # rows reach the workers in another order than their numbers
    bench.put("curation.screened", screened)
    for cut in ((0,), (1, 2)):
        bench.days = tuple(FIRST_DAY + timedelta(days=d) for d in cut)
        bench.run(PRUNE)
    assert result(bench) == whole
    bench.run(PRUNE)
    assert result(bench) == whole


@pytest.mark.nightly
def test_clusters_and_small_blocks_find_what_all_pairs_find(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.settings = with_rules(bench.settings, keep_proportion=0.6)
    fill(bench, per_day=120, days=2)
    bench.days = all_days(2)
    bench.run(PRUNE)
    everything = result(bench)
    bench.written.clear()
    bench.put("curation.pruned", [])
    bench.settings = with_rules(
        bench.settings, exhaustive_rows=1, rows_per_cluster=20, memory_bytes=16_000_000, probes=4
    )
    bench.run(PRUNE)
    clustered = result(bench)
    assert len({row["cluster_id"] for row in clustered}) > 2
    same = sum(
        a["kept"] == b["kept"] and a["reason"] == b["reason"]
        for a, b in zip(everything, clustered, strict=True)
    )
    assert same >= 0.98 * len(everything)
    bench.written.clear()
    bench.put("curation.pruned", [])
    bench.run(PRUNE)  # kept centroids, fresh run
    assert result(bench) == clustered


def test_unknown_languages_get_lexical_duplicates_only(bench: Bench) -> None:
    bench.settings = with_rules(bench.settings, keep_proportion=0.75)
    hindi = ["मुझे दाल पसंद है", "कल बारिश होगी क्या", "तुम कहाँ रहते हो", "यह किताब किसने लिखी", "मेरा भाई डॉक्टर है"]
    turns = [bench.turn(f"hi{i}", text, language="hi") for i, text in enumerate(hindi)]
    turns += [
        bench.turn(f"zh{i}", text, language="und")
        for i, text in enumerate(["你喜欢下雨天吗", "我昨天买了一本书"])
    ]
    turns.append(bench.turn("again", "मुझे  दाल पसंद है!!", language="hi"))
    bench.put("curation.screened", turns)
    bench.run(PRUNE)
    rows = {row["turn_id"]: row for row in result(bench)}
    assert {row["check_kind"] for row in rows.values()} == {"no_semantic_check"}
    assert {t for t, row in rows.items() if row["is_duplicate_of"]} <= {"again", "hi0"}
    assert sum(row["reason"] == "near_duplicate" for row in rows.values()) == 1
    assert sum(row["reason"] == "diversity_budget" for row in rows.values()) == 1
    assert all(row["kept_turn_id"] for row in rows.values() if not row["kept"])


def test_only_passed_final_user_turns_are_ranked(bench: Bench) -> None:
    bench.settings = with_rules(bench.settings)
    bench.put(
        "curation.screened",
        [
            bench.turn("good", "Tell me about the harbour."),
            bench.turn("greeting", "x", turn_index=0, redacted_user_message=None),
            bench.turn("superseded", "Tell me about the sea.", is_final=False),
            bench.turn("internal", "Tell me about the fish.", source="internal"),
            bench.turn("rejected", "x", verdict="reject"),
        ],
    )
    bench.run(PRUNE)
    assert [row["turn_id"] for row in result(bench)] == ["good"]


def test_a_day_without_turns_writes_no_rows(bench: Bench) -> None:
    bench.settings = with_rules(bench.settings)
    bench.run(PRUNE)
    assert result(bench) == []


@pytest.mark.parametrize(("cosine", "least"), [(0.99, 0.9995), (0.95, 0.995), (0.90, 0.98)])
def test_probing_finds_planted_pairs(cosine: float, least: float) -> None:
    rng = np.random.default_rng(8)

    def unit(x: np.ndarray) -> np.ndarray:
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))

    mixing = rng.normal(size=(24, 96)) / 5
    topics = rng.normal(size=(300, 24))
    base = unit((topics[rng.integers(0, 300, 20_000)] + 0.55 * rng.normal(size=(20_000, 24))) @ mixing)
    picked = rng.choice(20_000, 2_000, replace=False)
    noise = rng.normal(size=(2_000, 24)) @ mixing
    noise = unit(noise - (noise * base[picked]).sum(1, keepdims=True) * base[picked])
    other = cosine * base[picked] + np.sqrt(1 - cosine**2) * noise
    trained = train(base.astype(np.float32), 100, 7)
    one, two = (trained.probes(x.astype(np.float32), 8) for x in (base[picked], other))
    met = (one == two[:, :1]).any(axis=1) | (two == one[:, :1]).any(axis=1)
    assert met.mean() >= least
