"""The model that reward and signal models start from: an embedded one by name, or any Llama-like model by setting.

The paper starts from Llama 3.1 70B (section 2.3.1) and 8B (section 2.3.2). Two embedded models run on two CPU cores
without a network. `tiny-llama` has the same architecture and less than a ten-thousandth of their weights, and is
trained here from packaged dialogue in seconds. `sentence-encoder` is a packaged MiniLM (see `encoder_base`). Their
figures say that the code works, not what a 70B model would do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.cache import sealed_folder, user_cache
from infra.errors import TrainingRefused
from infra.settings import Settings
from models.text.language.romanised_hindi import corpus_lines

SPECIAL = (
    "<|pad|>", "<|bos|>", "<|eot|>", "<|system|>", "<|user|>", "<|assistant|>", "<|resp_a|>", "<|resp_b|>",
)  # fmt: skip
MARKERS = ("<|resp_a|>", "<|resp_b|>")
"""What stands before the two responses that a pairwise model reads (equation 2)."""

TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|eot|>' }}{% endgeneration %}"
    "{% else %}{{ m['content'] + '<|eot|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_LANGUAGES = (
    "english", "spanish", "portuguese", "french", "german", "italian", "hindi", "hinglish", "indonesian",
)  # fmt: skip
_VOCABULARY = 2048
_SHAPE = {
    "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "tie_word_embeddings": True,
}  # fmt: skip
_STEPS, _BATCH, _WINDOW, _SEED = 150, 16, 64, 20260101
_RECIPE = "1"

TINY_LLAMA, SENTENCE_ENCODER = "tiny-llama", "sentence-encoder"
DEFAULT = TINY_LLAMA


def base_model(settings: Settings, configured: str = "") -> str:
    """Hub id or folder of the base model: the run configuration's, else that of `training.base_model`.

    An embedded model is made on first need.

    Args:
        configured: the configuration's `base_model`; empty: it names none.
    """
    return resolved(configured or settings.training.base_model)


def resolved(name: str) -> str:
    """The folder of an embedded model by its name, `DEFAULT` if empty; a hub id or a folder as it is."""
    name = name or DEFAULT
    if name == TINY_LLAMA:
        return str(embedded())
    if name == SENTENCE_ENCODER:
        from models.training.encoder_base import encoder

        return str(encoder())
    return name


def embedded() -> Path:
    """The folder of `tiny-llama` and its tokenizer, under the user's cache, named by a hash of the text and recipe."""
    return sealed_folder(
        user_cache() / "base" / f"{TINY_LLAMA}-{_content_name()}", _make, f"base model {TINY_LLAMA}"
    )


def _content_name() -> str:
    recipe = repr((_RECIPE, SPECIAL, TEMPLATE, _VOCABULARY, _SHAPE, _STEPS, _BATCH, _WINDOW, _SEED))
    return hashlib.sha256("\n".join([recipe, *_lines()]).encode()).hexdigest()[:16]


def _lines() -> Iterator[str]:
    for language in _LANGUAGES:
        yield from corpus_lines(language)


def _make(folder: Path) -> None:
    from transformers.utils import logging

    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    logging.disable_progress_bar()
    with _one_thread():
        _model(tokenizer).save_pretrained(folder)
    logging.enable_progress_bar()


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        _lines(),
        trainers.BpeTrainer(
            vocab_size=_VOCABULARY,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", bos_token="<|bos|>", eos_token="<|eot|>",
        additional_special_tokens=list(SPECIAL[3:]), model_max_length=_SHAPE["max_position_embeddings"],
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _model(tokenizer: Any) -> Any:
    """Next-token prediction over the packaged lines, two by two as what a user and an assistant say."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        config = LlamaConfig(
            vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, **_SHAPE,
        )  # fmt: skip
        model = LlamaForCausalLM(config).train()
        text = torch.tensor(_stream(tokenizer))
        optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(_STEPS):
            starts = torch.randint(0, len(text) - _WINDOW, (_BATCH,))
            batch = torch.stack([text[start : start + _WINDOW] for start in starts.tolist()])
            model(input_ids=batch, labels=batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    return model.eval()


def _stream(tokenizer: Any) -> list[int]:
    lines = list(_lines())
    ids: list[int] = []
    for question, answer in zip(lines[::2], lines[1::2], strict=False):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        ids += tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    return ids


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums do not depend on how many cores the machine has: the cached weights are those of every machine like it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def base_hashes(base: str) -> tuple[str, str]:
    """Hash of a base model's weights and of its tokenizer: of a folder, or of what the hub's cache holds.

    Raises:
        TrainingRefused: the hub model is not in the cache of this machine.
    """
    from models.training.weights import manifest

    folder = Path(base)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(base, local_files_only=True))
        except LocalEntryNotFoundError:
            raise TrainingRefused(
                f"the base model {base} is not on this machine",
                setting="training.base_model",
                hint="Fetch it once where there is a network.",
            ) from None
    files = manifest(folder)
    return files.weights_hash, files.tokenizer_hash
