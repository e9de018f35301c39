"""The packaged sentence encoder as a base model: its mean, its length, its frozen layers, its resume and its entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertModel

from infra.errors import TrainingRefused
from infra.settings import Settings
from models.reward.pointwise import LABELS
from models.reward.train import train
from models.training.base import SENTENCE_ENCODER, TINY_LLAMA, base_model, embedded, resolved
from models.training.encoder_base import _source, encoder
from models.training.fitting import Fitting
from models.training.run import done, prepare, start
from models.training.scoring import load, score
from models.training.sequences import chat, classifier, tokenizer_of
from tests.models.tiny import Interrupted, interrupt_at, planted, smoke, tiny_encoder


def test_a_base_model_is_named_or_lies_somewhere(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert base_model(settings) == resolved("")
    assert base_model(settings, TINY_LLAMA) == str(embedded())
    assert base_model(settings, SENTENCE_ENCODER) == str(encoder()) == resolved(resolved(SENTENCE_ENCODER))
    assert base_model(settings, "meta-llama/Llama-3.1-8B") == "meta-llama/Llama-3.1-8B"


def test_what_the_head_reads_is_the_mean_over_the_tokens() -> None:
    tokenizer = tokenizer_of(str(encoder()))
    said = [
        {"role": "user", "content": "Do you like the [SEP] sea?"},
        {"role": "assistant", "content": "I do."},
    ]
    ids = chat(tokenizer, said)
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert (tokens[:3], tokens[-2:]) == (["[CLS]", "user", ":"], [".", "[SEP]"])
    assert tokens.count("[SEP]") == 2, "what a user writes ends no turn"
    batch = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    model, _ = classifier(str(encoder()), seed=7)
    with torch.no_grad():
        mean = BertModel.from_pretrained(_source()).eval()(**batch).last_hidden_state[0].mean(0)
        read = model.base_model(**batch).pooler_output[0]
    assert torch.cosine_similarity(mean, read, dim=0) > 0.95


def test_frozen_layers_stay_and_the_rest_is_trained(tmp_path: Path) -> None:
    base = tiny_encoder()
    made = train("pointwise", planted(32), smoke("reward-pointwise", frozen_layers=2), base, tmp_path)
    before, after = (load_file(Path(folder) / "model.safetensors") for folder in (base, made.folder))
    changed = {name for name in before if not torch.equal(before[name], after[f"bert.{name}"])}
    assert changed
    assert all(name.startswith(("encoder.layer.2.", "pooler.")) for name in changed)
    with pytest.raises(TrainingRefused, match="9 layers are to stay as they are, and the base model has 3"):
        train("pointwise", planted(32), smoke("reward-pointwise", frozen_layers=9), base, tmp_path)


def test_turns_that_the_encoder_does_not_read_are_left_out_and_counted() -> None:
    fitting = Fitting(tokenizer_of(tiny_encoder()), 1024)
    turns = [
        {"role": role, "content": "sea " * 150} for role in ("user", "assistant", "user", "assistant", "user")
    ]
    (ids,) = fitting.answered(turns, "I do.") or ()
    assert fitting.longest == 512
    assert 300 < len(ids) <= 512
    assert fitting.counts["shortened"] == 1
    assert fitting.answered(turns, "sea " * 600) is None


def test_an_interrupted_run_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    asked = smoke("reward-pointwise", steps=8, save_steps=2)
    rows = {
        "chosen_ids": [[101, 2000 + n, 102] for n in range(32)],
        "rejected_ids": [[101, 3000 + n, 102] for n in range(32)],
        LABELS: [[1, 0]] * 32,
    }
    whole = start(prepare(tmp_path / "whole", asked, tiny_encoder(), rows))
    folder = prepare(tmp_path / "stopped", asked, tiny_encoder(), rows)
    with pytest.raises(Interrupted):
        start(folder, interrupt_at(4))
    assert not done(folder)
    steps: list[int] = []
    resumed = start(folder, lambda step, of, loss: steps.append(step))
    assert steps[0] > 2, "it began again"
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_transformers_load_it_back_without_code_of_ours(tmp_path: Path) -> None:
    made = train("pointwise", planted(32), smoke("reward-pointwise", epochs=1), tiny_encoder(), tmp_path)
    pair = replace(planted(1, 3)[0])
    ids = chat(made.tokenizer, [{"role": "assistant", "content": pair.chosen}])
    model = AutoModelForSequenceClassification.from_pretrained(made.folder).eval()
    with torch.no_grad():
        by_hand = model(input_ids=torch.tensor([ids])).logits.item()
    assert score(load(made.folder), [ids])[0] == pytest.approx(by_hand, abs=1e-6)
