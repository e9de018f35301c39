"""A run configuration as arguments of transformers' trainers: the same on two CPU cores and on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.training.configuration import Configuration, Lora

LENGTH = "length"
"""Column of a row's tokens; of a pair those of the longer response. The trainer groups batches by it."""


def arguments(configuration: Configuration, folder: Path, rows: int, kind: Any = None, **more: Any) -> Any:
    """Arguments for a trainer that reads `rows` rows and keeps its checkpoints in `folder`.

    Args:
        kind: `TrainingArguments` or a class that extends it, such as TRL's `RewardConfig`.
        more: what else that class takes.
    """
    import torch
    from transformers import TrainingArguments

    on_gpu = torch.cuda.is_available()
    steps = steps_of(configuration, rows)
    return (kind or TrainingArguments)(
        output_dir=str(folder),
        seed=configuration.seed,
        data_seed=configuration.seed,
        train_sampling_strategy="group_by_length" if configuration.by_length else "random",
        length_column_name=LENGTH,
        max_steps=steps,
        per_device_train_batch_size=configuration.batch,
        gradient_accumulation_steps=configuration.accumulate,
        learning_rate=configuration.learning_rate,
        lr_scheduler_type=configuration.schedule,
        warmup_steps=round(configuration.warmup * steps),
        weight_decay=configuration.weight_decay,
        max_grad_norm=configuration.clip,
        optim="adamw_torch_fused" if on_gpu else "adamw_torch",
        bf16=configuration.bf16 and on_gpu,
        gradient_checkpointing=configuration.gradient_checkpointing,
        torch_compile=configuration.compile,
        use_cpu=not on_gpu,
        save_strategy="steps",
        save_steps=configuration.save_steps,
        save_total_limit=2,
        logging_steps=max(1, min(50, steps // 10)),
        # A loss that is no number must show, and end the run.
        logging_nan_inf_filter=False,
        eval_strategy="no",
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        **more,
    )


def steps_of(configuration: Configuration, rows: int) -> int:
    """Optimiser steps of a run over `rows` rows, at least one."""
    return configuration.steps or max(1, round(configuration.epochs * rows / configuration.rows_a_step))


def adapters(lora: Lora, tokenizer: Any, base_vocabulary: int) -> Any:
    """PEFT's configuration: adapters on the named layers, the head trained whole, and the rows of tokens that the base
    model did not know."""
    from peft import LoraConfig, TaskType

    added = list(range(base_vocabulary, len(tokenizer)))
    return LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        # Without it the head would stay as it was drawn, and every score be a random projection.
        modules_to_save=["score"],
        trainable_token_indices={"embed_tokens": added} if added else None,
    )
