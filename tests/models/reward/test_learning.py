from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.errors import TrainingRefused
from models.chat.preferences import Pair
from models.reward.agreement import BASELINE, agreement
from models.reward.evaluate import Judged, Kind, judge, longer_hits
from models.reward.intervals import difference
from models.reward.matrix import ALL, Row, cells, matrix, verdict
from models.reward.train import train
from tests.models.tiny import labels, planted, smoke, tiny_base, tiny_encoder

KINDS: tuple[Kind, ...] = ("pointwise", "pairwise")


def configured(kind: Kind, **changes: Any) -> Any:
    """What learns the planted preference; two responses in one sequence take longer to tell apart."""
    return smoke(f"reward-{kind}", **({"epochs": 8} if kind == "pairwise" else {}) | changes)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        pytest.param("pointwise", tiny_base, id="pointwise-llama"),
        pytest.param("pointwise", tiny_encoder, id="pointwise-encoder"),
        pytest.param("pairwise", tiny_base, id="pairwise-llama"),
        pytest.param("pairwise", tiny_encoder, id="pairwise-encoder", marks=pytest.mark.nightly),
    ],
)
def test_a_planted_preference_is_learnt_and_shuffled_labels_teach_nothing(
    kind: Kind, base: Callable[[], str], tmp_path: Path
) -> None:
    held = planted(120, 9, split="evaluation")
    trained = train(kind, planted(160), configured(kind), base(), tmp_path)
    judged = judge(kind, trained.folder, trained.tokenizer, held, 128)
    assert judged.accuracy().low > 0.8
    assert dict(trained.fates) == {"whole": 160, "shortened": 0, "too_long": 0}
    if judged.consistent is not None:
        assert judged.consistent.mean() > 0.8
    shuffled = planted(160, noise=0.5)
    confused = train(kind, shuffled, configured(kind), base(), tmp_path)
    found = judge(
        kind, confused.folder, confused.tokenizer, planted(120, 9, split="evaluation", noise=0.5), 128
    )
    assert found.accuracy().low < 0.5 < found.accuracy().high


def test_a_matrix_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    batches = ("260101", "260201")
    training = [pair for batch in batches for pair in planted(60, batch=batch)]
    held = [
        pair
        for batch in batches
        for mode in ("static", "interactive")
        for pair in planted(25, batch=batch, mode=mode, split="evaluation")
    ]
    asked = configured("pointwise")
    rows = matrix("pointwise", training, held, asked, tiny_base(), tmp_path)
    assert [row.labels for row in rows] == [60, 120]
    first, second = rows
    assert {(c.mode, c.batch): c.zero_shot for c in first.cells if c.zero_shot} == {
        ("static", "260201"): True, ("interactive", "260201"): True,
    }  # fmt: skip
    assert not any(cell.gate for cell in first.cells)
    assert {(c.mode, c.batch) for c in second.cells if c.gate} == {
        ("static", "260101"),
        ("interactive", "260101"),
    }
    assert all(c.accuracy.n == (50 if c.batch == ALL else 25) for row in rows for c in row.cells)
    assert sum(len(row.cells) for row in rows) == 12
    (newest,) = matrix("pointwise", training, held, asked, tiny_base(), tmp_path, newest=1)
    assert (newest.labels, newest.trained.folder) == (120, second.trained.folder), "it is the same run"


def judged(pairs: list[Pair], hits: list[bool]) -> Judged:
    """Verdicts as given."""
    return Judged(tuple(pairs), np.where(hits, 1.0, -1.0).astype(np.float32), None, {})


def test_the_gate_sees_a_model_that_forgot_and_is_not_sure_of_few_pairs() -> None:
    old = planted(200, batch="260101", split="evaluation")
    good, forgot = judged(old, [True] * 160 + [False] * 40), judged(old, [True] * 110 + [False] * 90)
    gates = {}
    for name, new in (("same", good), ("lost", forgot)):
        found = cells("RM_260201", "260201", new, ("260101", good))
        gates[name] = [cell.gate for cell in found if cell.batch == "260101"]
    assert gates == {"same": ["holds"], "lost": ["regressed"]}
    few = judged(old[:10], [True] * 8 + [False] * 2)
    assert [c.gate for c in cells("RM_260201", "260201", few, ("260101", few)) if c.batch != ALL] == [
        "undecided"
    ]


def test_the_gate_raises_few_false_alarms() -> None:
    """Two models as good as each other that are right on other pairs: the alarm is rare."""
    draw = np.random.default_rng(0)
    verdicts = [
        verdict(difference(draw.random(300) < 0.7, draw.random(300) < 0.7, 1 - 0.05 / 4)) for _ in range(400)
    ]
    alarms = [found == "regressed" for found in verdicts]
    assert np.mean(alarms) < 0.02


def test_the_null_prefers_the_longer_and_knows_no_answer_where_both_are_as_long() -> None:
    pair = planted(1)[0]
    texts = (("abc", "ab"), ("a", "b"), ("a", "ab"))
    pairs = [replace(pair, chosen=chosen, rejected=rejected) for chosen, rejected in texts]
    assert longer_hits(pairs).tolist() == [1.0, 0.5, 0.0]


def test_agreement_trains_three_sets_and_judges_each_twice(tmp_path: Path) -> None:
    rows, held = (
        labels(planted(n, seed, split=split), 3, 0.2, seed)
        for n, seed, split in ((60, 1, "train"), (60, 2, "evaluation"))
    )
    lines = agreement(rows, held, {"pointwise": configured("pointwise")}, tiny_base(), tmp_path)
    assert [line.training for line in lines] == [
        BASELINE, "multi-review (with agreement)", "single-review (all)", "single-review (random)",
    ]  # fmt: skip
    by_name = {line.training: line for line in lines}
    assert by_name[BASELINE].labels == 0
    assert by_name["single-review (all)"].labels == 180
    assert by_name["single-review (random)"].labels == 60
    assert {line.single.n for line in lines} == {60}
    assert len({line.agreed.n for line in lines}) == 1
    # A fifth of single labels is wrong, whatever the model knows.
    learnt = by_name["single-review (all)"]
    assert learnt.agreed.value > learnt.single.value
    with pytest.raises(TrainingRefused, match="4 labels or more"):
        agreement(rows, held, {"pointwise": configured("pointwise")}, tiny_base(), tmp_path, reviews=4)


def test_what_does_not_fit_is_counted_and_too_much_of_it_refused(tmp_path: Path) -> None:
    long = [replace(pair, chosen=pair.chosen + " word" * 200) for pair in planted(3, 5)]
    trained = train(
        "pointwise", [*planted(97), *long], configured("pointwise", steps=1), tiny_base(), tmp_path
    )
    assert trained.fates["too_long"] == 3
    with pytest.raises(TrainingRefused, match="3 of 23 pairs do not fit into 128 tokens"):
        train("pointwise", [*planted(20), *long], configured("pointwise", steps=1), tiny_base(), tmp_path)
    with pytest.raises(TrainingRefused, match="trains reward-pairwise, not reward-pointwise"):
        train("pointwise", planted(4), configured("pairwise"), tiny_base(), tmp_path)


def test_a_pair_on_both_sides_is_refused(tmp_path: Path) -> None:
    pairs = planted(4)
    with pytest.raises(TrainingRefused, match="4 pairs stand on both sides"):
        matrix("pointwise", pairs, pairs, configured("pointwise"), tiny_base(), tmp_path)


def test_rows_are_what_the_gate_reports() -> None:
    old = planted(200, batch="260101", split="evaluation")
    good, forgot = judged(old, [True] * 160 + [False] * 40), judged(old, [True] * 110 + [False] * 90)
    row = Row(None, 1, tuple(cells("RM_260201", "260201", forgot, ("260101", good))))  # type: ignore[arg-type]
    assert [(cell.mode, cell.batch) for cell in row.regressed] == [("static", "260101")]
