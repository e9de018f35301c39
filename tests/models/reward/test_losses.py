from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

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


def test_labels_of_one_pair_cost_what_they_cost_one_by_one() -> None:
    generator = torch.Generator().manual_seed(3)
    chosen, rejected = torch.randn(2, 4, generator=generator)
    labels = torch.tensor([[1.0, 0.0], [3.0, 1.0], [2.0, 2.0], [0.0, 1.0]])
    together = pointwise.pointwise_loss(chosen, rejected, 0.0, 0.02, labels)
    better, worse = [], []
    for c, r, (of_chosen, of_rejected) in zip(chosen, rejected, labels.int().tolist(), strict=True):
        better += [c] * of_chosen + [r] * of_rejected
        worse += [r] * of_chosen + [c] * of_rejected
    one_by_one = pointwise.pointwise_loss(torch.stack(better), torch.stack(worse), 0.0, 0.02)
    assert together.item() == pytest.approx(one_by_one.item(), rel=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_the_trainer_computes_that_loss(tmp_path: Path, margin: float) -> None:
    from datasets import Dataset

    model, tokenizer = classifier(tiny_base(), 1)
    asked = smoke("reward-pointwise", center=0.02, margin=margin)
    columns = pointwise.columns(planted(3), Fitting(tokenizer, 128), margin)
    trainer = pointwise.trainer(model, tokenizer, Dataset.from_dict(columns), asked, tmp_path)
    assert trainer.args.max_length is None, "TRL would drop what it finds too long"
    logits = torch.tensor([[1.2], [-0.3], [2.0], [0.7], [0.4], [-1.0]], requires_grad=True)
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(3)])
    assert batch["input_ids"].shape[0] == 6
    loss = trainer.compute_loss(lambda **_: SimpleNamespace(logits=logits), batch)
    expected = pointwise.pointwise_loss(logits[:3, 0], logits[3:, 0], margin, 0.02)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_pair_is_read_once_with_all_its_labels() -> None:
    from models.chat.preferences import all_labels

    rows = labels(planted(2), 3, noise=0.0)
    first = rows[0]["pair_id"]
    dissent = next(row for row in rows if row["pair_id"] == first)
    dissent["winner"] = "b" if dissent["winner"] == "a" else "a"
    pairs = all_labels(rows).pairs
    fitting = Fitting(tokenizer_of(tiny_base()), 128)
    table = pointwise.columns(pairs, fitting, margin=0.9)
    assert sum(fitting.counts.values()) == 2
    assert sorted(table[pointwise.LABELS]) == [[2, 1], [3, 0]]
    by_labels = dict(zip(map(tuple, table[pointwise.LABELS]), table["margin"], strict=True))
    assert by_labels == {(3, 0): pytest.approx(0.9), (2, 1): pytest.approx(0.3)}
    majority = {pair.pair_id: Counter(p.chosen for p in pairs if p.pair_id == pair.pair_id) for pair in pairs}
    texts = [fitting.tokenizer.decode(ids) for ids in table["chosen_ids"]]
    for text, votes in zip(
        texts, (majority[p] for p in dict.fromkeys(pair.pair_id for pair in pairs)), strict=True
    ):
        assert votes.most_common(1)[0][0] in text


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
