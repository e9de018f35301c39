"""The model and the trainer of a run, by its job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.training.configuration import Configuration


def build(
    configuration: Configuration, base: str, pos_weight: float | None, folder: Path, rows: Any
) -> tuple[Any, Any]:
    """The trainer that the configuration's job asks for, over prepared rows, and its tokenizer.

    Args:
        folder: keeps the checkpoints.
        pos_weight: of rows with a signal; None: 1.
    """
    import torch

    from models.training.arguments import adapters, arguments
    from models.training.sequences import classifier, freeze

    options = {"attn_implementation": configuration.attention} if configuration.attention else {}
    # Frozen weights need no more; trained ones are kept in float32, and computed with in half precision.
    frozen = configuration.lora is not None and configuration.bf16 and torch.cuda.is_available()
    model, tokenizer = classifier(base, configuration.seed, "bfloat16" if frozen else "float32", **options)
    freeze(model, configuration.frozen_layers)
    peft = None if configuration.lora is None else adapters(configuration.lora, tokenizer, _vocabulary(base))
    if configuration.job == "reward-pointwise":
        from models.reward.pointwise import trainer

        return trainer(model, tokenizer, rows, configuration, folder, peft), tokenizer
    from models.training.binary import BinaryTrainer

    if peft is not None:
        from peft import get_peft_model

        model = get_peft_model(model, peft)
        if configuration.gradient_checkpointing:
            model.enable_input_require_grads()
    return BinaryTrainer(
        model=model,
        args=arguments(configuration, folder, len(rows)),
        train_dataset=rows,
        processing_class=tokenizer,
        pos_weight=pos_weight,
    ), tokenizer


def _vocabulary(base: str) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(base).vocab_size)
