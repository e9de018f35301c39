from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from models.chat.conversation import messages
from models.reward import pairwise, pointwise
from models.reward.evaluate import judge
from models.training.fitting import Fitting
from models.training.sequences import classifier, tokenizer_of
from tests.models.tiny import labels, planted, smoke, tiny_base


def sigmoid(z: float) -> float:
    """Equation 4."""
    return 1 / (1 + math.exp(-z))


def test_the_pointwise_loss_is_equation_1_with_margin_and_centre() -> None:
    chosen, rejected = [1.2, -0.3, 2.0], [0.7, 0.4, -1.0]
    both = list(zip(chosen, rejected, strict=True))
    by_hand = -sum(math.log(sigmoid(c - r)) for c, r in both) / 3
    tensors = torch.tensor(chosen), torch.tensor(rejected)
    assert pointwise.pointwise_loss(*tensors).item() == pytest.approx(by_hand, rel=1e-6)
    margins = [0.5, 0.0, 1.0]
    by_hand = -sum(math.log(sigmoid(c - r - m)) for (c, r), m in zip(both, margins, strict=True)) / 3
    by_hand += 0.01 * sum((c + r) ** 2 for c, r in both) / 3
    with_both = pointwise.pointwise_loss(*tensors, torch.tensor(margins), 0.01)
    assert with_both.item() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_the_trainer_computes_that_loss(tmp_path: Path, margin: float) -> None:
    from datasets import Dataset

    model, tokenizer = classifier(tiny_base(), 1)
    asked = smoke("reward-pointwise", center=0.02, margin=margin)
    columns = pointwise.columns(planted(3), Fitting(tokenizer, 128), margin)
    trainer = pointwise.trainer(model, tokenizer, Dataset.from_dict(columns), asked, tmp_path)
    assert trainer.args.max_length is None, "TRL would drop what it finds too long"
    logits = torch.tensor([[1.2], [-0.3], [2.0], [0.7], [0.4], [-1.0]], requires_grad=True)
    batch: dict[str, Any] = {"attention_mask": torch.ones(6, 4)}
    if margin:
        batch["margin"] = torch.tensor(columns["margin"])
    loss = trainer.compute_loss(lambda **_: SimpleNamespace(logits=logits), batch)
    wanted = pointwise.pointwise_loss(logits[:3, 0], logits[3:, 0], margin, 0.02)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_a_margin_shrinks_with_the_agreement_of_labels() -> None:
    from models.chat.preferences import all_labels

    rows = labels(planted(2), 3, noise=0.0)
    first = rows[0]["pair_id"]
    dissent = next(row for row in rows if row["pair_id"] == first)
    dissent["winner"] = "b" if dissent["winner"] == "a" else "a"
    pairs = all_labels(rows).pairs
    made = pointwise.columns(pairs, Fitting(tokenizer_of(tiny_base()), 128), margin=0.9)["margin"]
    by_pair = [(pair.pair_id == first, round(m, 3)) for pair, m in zip(pairs, made, strict=True)]
    assert sorted(by_pair) == [(False, 0.9)] * 3 + [(True, 0.0), (True, 0.3), (True, 0.3)]


def test_the_better_response_stands_first_in_half_of_the_pairs_and_t_says_so() -> None:
    pairs = planted(400)
    tokenizer = tokenizer_of(tiny_base())
    made = pairwise.columns(pairs, Fitting(tokenizer, 128), seed=7)
    assert 0.42 < np.mean(made["labels"]) < 0.58
    assert made == pairwise.columns(pairs, Fitting(tokenizer, 128), seed=7)
    assert made["labels"] != pairwise.columns(pairs, Fitting(tokenizer, 128), seed=8)["labels"]
    for pair, ids, t in list(zip(pairs, made["input_ids"], made["labels"], strict=True))[:20]:
        text = tokenizer.decode(ids)
        first, second = (pair.chosen, pair.rejected) if t else (pair.rejected, pair.chosen)
        assert text.index("<|resp_a|>" + first) < text.index("<|resp_b|>" + second)
        assert ids[-1] == tokenizer.eos_token_id


def test_swapping_the_responses_swaps_the_preference_and_nothing_else() -> None:
    model, tokenizer = classifier(tiny_base(), 1)
    pairs = planted(12)
    swapped = [replace(pair, chosen=pair.rejected, rejected=pair.chosen) for pair in pairs]
    one = judge("pairwise", model, tokenizer, pairs, 128)
    other = judge("pairwise", model, tokenizer, swapped, 128)
    np.testing.assert_allclose(one.preference, -other.preference, atol=1e-6)
    assert one.consistent is not None
    assert other.consistent is not None
    assert (one.consistent == other.consistent).all()
    assert one.accuracy().value == pytest.approx(1 - other.accuracy().value)


def test_both_orders_see_the_same_turns_when_the_context_is_shortened() -> None:
    tokenizer = tokenizer_of(tiny_base())
    pair = planted(1)[0]
    said = [{"role": "user", "content": f"turn {n} " * 8} for n in range(6)] + messages(pair.context)[1:]
    fitting = Fitting(tokenizer, 130)
    made = pairwise.both_orders(fitting, said, pair.chosen, pair.rejected)
    assert made is not None
    assert fitting.counts["shortened"] == 1
    kept = [[f"turn {n}" in tokenizer.decode(ids) for n in range(6)] for ids in made]
    assert kept[0] == kept[1]
    assert not all(kept[0])
