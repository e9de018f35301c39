"""From chat messages to the token ids that a classifier reads, and the classifier that reads them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from infra.errors import TrainingRefused
from models.chat.conversation import Messages
from models.training.base import MARKERS

IDS = "input_ids"
_HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_LLAMA = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama 3's turns: its pre-trained models know the tokens and come without a template."""


def chat(tokenizer: Any, conversation: Messages) -> list[int]:
    """Token ids of chat messages by the tokenizer's template. Text that spells a control token stays text.

    Raises:
        TrainingRefused: the template refuses the messages (some want turns to alternate).
    """
    from jinja2.exceptions import TemplateError

    inert = [
        {"role": message["role"], "content": plain(tokenizer, message["content"])} for message in conversation
    ]
    try:
        ids: list[int] = tokenizer.apply_chat_template(inert, return_dict=True)[IDS]
    except TemplateError as error:
        raise TrainingRefused(
            f"the tokenizer's chat template refuses a conversation: {type(error).__name__}",
            hint="Filter such conversations, or take a base model whose template takes any order of roles.",
        ) from None
    return ids


def plain(tokenizer: Any, text: str) -> str:
    """The text with the tokenizer's control tokens spelled apart: a user who writes one opens no turn with it."""
    # Those that were added are found in raw text, wherever they stand; `all_special_tokens` names only some of them.
    added = tuple(str(token) for token in tokenizer.added_tokens_decoder.values())
    return _control(added).sub(lambda match: f"{match[0][:1]} {match[0][1:]}", text)


@cache
def _control(tokens: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        "|".join(re.escape(token) for token in sorted({*tokens, *MARKERS}, key=len, reverse=True))
    )


def classifier(base: str, seed: int, dtype: str = "float32", **options: Any) -> tuple[Any, Any]:
    """A sequence classifier of one logit on a base model's weights, and its tokenizer.

    Its head is drawn from `seed`. A tokenizer without `MARKERS` or a padding token gets them, and the model the room.

    Args:
        base: hub id or folder.
        dtype: `float32` or `bfloat16`.
        options: go to `from_pretrained`, such as `attn_implementation`.

    Raises:
        TrainingRefused: the base model cannot be read here.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, set_seed
    from trl.trainer.reward_trainer import suppress_seqcls_warning

    tokenizer = tokenizer_of(base)
    set_seed(seed)
    try:
        with quiet(), suppress_seqcls_warning():
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                base, num_labels=1, dtype=getattr(torch, dtype), **options
            )
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        # A multiple of 64 keeps the matrix on the fast path of tensor cores.
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = False
    return model, tokenizer


def freeze(model: Any, layers: int) -> None:
    """Keep the embeddings and so many of the lowest layers as they are; with none, everything is trained.

    Raises:
        TrainingRefused: the model has fewer layers.
    """
    if not layers:
        return
    body = model.base_model
    stack = body.layers if hasattr(body, "layers") else body.encoder.layer
    if layers > len(stack):
        raise TrainingRefused(
            f"{layers} layers are to stay as they are, and the base model has {len(stack)}",
            setting="frozen_layers",
            hint="Lower it in the run configuration.",
        )
    embeddings = getattr(body, "embeddings", None) or model.get_input_embeddings()
    for part in (embeddings, *stack[:layers]):
        part.requires_grad_(False)


def tokenizer_of(base: str) -> Any:
    """The tokenizer of a base model, with a chat template, `MARKERS` and a padding token.

    Raises TrainingRefused where there is none, or one without a known template.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    vocabulary = tokenizer.get_vocab()
    if not tokenizer.chat_template and all(token in vocabulary for token in _HEADERS):
        tokenizer.chat_template = _LLAMA
    if not tokenizer.chat_template:
        raise TrainingRefused(
            f"the base model {base} has no chat template",
            setting="training.base_model",
            hint="Take its instruct variant, or save a tokenizer with a chat_template beside the weights.",
        )
    if missing := [marker for marker in MARKERS if marker not in vocabulary]:
        tokenizer.add_special_tokens(
            {"additional_special_tokens": missing}, replace_extra_special_tokens=False
        )
    if tokenizer.pad_token is None:
        # Llama 3.1 keeps one for this; its end of turn must not do, since padding marks where a sequence ends.
        reserved = "<|finetune_right_pad_id|>"
        tokenizer.add_special_tokens({"pad_token": reserved if reserved in vocabulary else "<|pad|>"})
    tokenizer.padding_side = "right"
    # `Fitting` measures sequences before it cuts them: a long one is no news.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of loading and saving, no warnings of libraries: only the run's own lines are printed."""
    import datasets
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    level = logging.get_verbosity()
    # A base model has no head yet, and transformers lists what it lacks.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars[0]:
                logging.enable_progress_bar()
            if not bars[1]:
                datasets.enable_progress_bars()


def padded(sequences: Sequence[Sequence[int]], padding: int) -> tuple[Any, Any]:
    """Ids and mask (n, longest), padded on the right, as int64 tensors."""
    import torch

    ids = torch.full((len(sequences), max(map(len, sequences))), padding)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return ids, mask


def _unreadable(base: str, error: Exception) -> TrainingRefused:
    return TrainingRefused(
        f"the base model {base} cannot be read: {type(error).__name__}",
        setting="training.base_model",
        hint="Give a folder that save_pretrained wrote, or fetch the hub model once where there is a network.",
    )
