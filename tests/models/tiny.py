"""A base model of a few thousand weights and pairs with a planted preference: training takes a second."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from models.chat.conversation import context_of
from models.chat.preferences import Pair
from models.training import base, encoder_base
from models.training.callbacks import Progress
from models.training.configuration import Configuration

_SHAPE = base._SHAPE | {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
_GOOD = ("let us begin with a warm story", "tell me more my friend", "that sounds hard, what then")
_BAD = ("i can not help with that", "as an assistant i feel nothing", "great great great great")


@cache
def tiny_base() -> str:
    """The embedded recipe with two steps at a width of 32, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-base-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    small = {"_SHAPE": _SHAPE, "_STEPS": 2, "_VOCABULARY": 512, "_LANGUAGES": ("hinglish", "hindi", "french")}
    with patch.multiple(base, **small):
        base._make(folder)
    return str(folder)


@cache
def tiny_encoder() -> str:
    """The recipe of `sentence-encoder` on an untrained encoder of two layers and a width of 32."""
    from transformers import BertConfig, BertModel

    folder = Path(tempfile.mkdtemp(prefix="tiny-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = folder / "source"
    shape = BertConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=30522
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        BertModel(shape).save_pretrained(source)
    shutil.copy(encoder_base._source() / "tokenizer.json", source)
    (folder / "base").mkdir()
    with patch.object(encoder_base, "_source", lambda: source):
        encoder_base._make(folder / "base")
    return str(folder / "base")


class Interrupted(Exception):
    """A training that a test stopped."""


def interrupt_at(last: int) -> Progress:
    """Progress of a training that stops it at a step."""

    def interrupt(step: int, of: int, loss: float) -> None:
        if step >= last:
            raise Interrupted

    return interrupt


def smoke(job: Any, **changes: Any) -> Configuration:
    """A configuration that learns the planted preference in a second."""
    return Configuration.model_validate(
        {"job": job, "learning_rate": 5e-3, "batch": 16, "epochs": 4, "max_length": 128} | changes
    )


def planted(
    n: int,
    seed: int = 0,
    batch: str = "260101",
    mode: str = "static",
    split: str = "train",
    noise: float = 0.0,
) -> list[Pair]:
    """Pairs whose better response is of one kind; with `noise` .5 the labels are shuffled."""
    draw = random.Random(f"{seed}{batch}{mode}{split}")
    return [
        _planted(draw, f"{batch}-{mode}-{split}-{seed}-{number}", batch, mode, split, noise)
        for number in range(n)
    ]


def _planted(draw: random.Random, pair_id: str, batch: str, mode: str, split: str, noise: float) -> Pair:
    asked = f"{draw.choice(('hi there', 'write me a poem', 'i feel sad'))} {draw.randint(0, 99)}"
    context = context_of([{"role": "user", "content": asked}], character={"name": "Ada"})
    good, bad = (f"{draw.choice(words)} {draw.randint(0, 99)}" for words in (_GOOD, _BAD))
    if draw.random() < noise:
        good, bad = bad, good
    return Pair(pair_id, context, good, bad, batch, mode, split)


def labels(pairs: Sequence[Pair], annotators: int, noise: float, seed: int = 0) -> list[dict[str, Any]]:
    """The pairs as rows of `annotation.preferences`, each judged by several annotators who err now and then."""
    draw = random.Random(seed)
    rows = []
    for pair in pairs:
        first = draw.random() < 0.5
        for annotator in range(annotators):
            right = draw.random() >= noise
            rows.append(
                {
                    "pair_id": pair.pair_id, "annotator_id": f"a{annotator}", "batch": pair.batch, "mode": pair.mode,
                    "split": pair.split, "context": pair.context, "winner": "a" if right == first else "b",
                    "response_a": pair.chosen if first else pair.rejected,
                    "response_b": pair.rejected if first else pair.chosen,
                }
            )  # fmt: skip
    return rows
