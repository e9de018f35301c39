"""Lengths in tokens: quantiles of what there is, and rows that add up whatever was too long."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from infra.errors import TrainingRefused
from models.chat.conversation import context_of
from models.training.lengths import fit_lengths, measure_lengths


def said(*contents: str) -> str:
    return context_of(
        [{"role": ("user", "assistant")[n % 2], "content": one} for n, one in enumerate(contents)]
    )


LONG = "word " * 60
ROWS = pa.table(
    {
        "context": [said("hi"), said(LONG, "yes", "and then?"), said(LONG), said("hi")],
        "response_a": ["hello", "then it rained", "so it is", LONG],
        "response_b": ["hello there", "nothing", "no", "x"],
        "split": ["train", "train", "train", "evaluation"],
    }
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """A token a word."""
    words = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    made = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    made.chat_template = "{% for one in messages %}{{ one['content'] }} {% endfor %}"
    return made


def test_lengths_are_told_by_split(tokenizer: Any) -> None:
    evaluation, train = measure_lengths(ROWS, tokenizer, 48)
    assert (evaluation.split, evaluation.rows, evaluation.over, evaluation.lost) == ("evaluation", 1, 1, 1)
    assert (train.rows, train.over, train.shortened, train.lost) == (3, 2, 1, 1)
    assert evaluation.quantiles[0.5] == evaluation.quantiles[1.0] > 48  # the longer of two responses counts
    assert train.quantiles[0.5] <= train.quantiles[1.0]
    assert measure_lengths(ROWS.slice(0, 0), tokenizer, 48) == ()


def test_nothing_is_lost_in_silence(tokenizer: Any) -> None:
    shortened = fit_lengths(ROWS, tokenizer, 48)
    assert (shortened.rows, shortened.counts) == ((0, 1), {"whole": 1, "shortened": 1, "too_long": 2})
    assert all(len(ids) <= 48 for row in shortened.sequences for ids in row)
    assert [len(row) for row in shortened.sequences] == [2, 2]
    dropped = fit_lengths(ROWS, tokenizer, 48, "drop")
    assert (dropped.rows, sum(dropped.counts.values())) == ((0,), ROWS.num_rows)
    with pytest.raises(TrainingRefused, match="3 of 4 rows have more than 48 tokens"):
        fit_lengths(ROWS, tokenizer, 48, "refuse")
    assert fit_lengths(ROWS, tokenizer, 2_000, "refuse").rows == (0, 1, 2, 3)
