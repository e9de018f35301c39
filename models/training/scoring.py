"""Logits of a classifier over many sequences: sorted by length, in batches of a bounded number of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.errors import TrainingRefused

_TOKENS = 16_384


def score(
    model: str | Path | Any,
    sequences: Sequence[Sequence[int]],
    *,
    tokens: int = _TOKENS,
    device: str = "",
    precision: str = "",
) -> npt.NDArray[np.float32]:
    """The logit of each sequence, in the order given.

    Args:
        model: a `save_pretrained` folder of a one-logit sequence classifier, or such a model, which is then used where
            it is.
        tokens: most tokens of one batch, padding counted.
        device: `cuda`, `cpu`; default: the GPU if there is one. Of a folder only.
        precision: a torch dtype's name; default: bfloat16 on a GPU, float32 elsewhere. Of a folder only.

    Raises:
        TrainingRefused: a sequence is empty or longer than the model reads: nothing is cut in silence.
    """
    import torch

    network = load(model, device, precision) if isinstance(model, str | Path) else model
    longest = int(getattr(network.config, "max_position_embeddings", 0) or 2**31)
    wrong = sum(not 0 < len(sequence) <= longest for sequence in sequences)
    if wrong:
        raise TrainingRefused(
            f"{wrong} of {len(sequences)} sequences are empty or longer than the model's {longest} tokens",
            hint="Fit them to the model first, and count what that cuts.",
        )
    logits = np.empty(len(sequences), dtype=np.float32)
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for rows in batches([len(sequence) for sequence in sequences], tokens):
                logits[rows] = _logits(network, [sequences[row] for row in rows])
    finally:
        network.train(was_training)
    return logits


def load(folder: str | Path, device: str = "", precision: str = "") -> Any:
    """A one-logit sequence classifier from a folder, for inference.

    Raises TrainingRefused for one with more than one logit, without a padding token, or without all its weights:
    transformers would draw those that are missing, such as a base model's head.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    from models.training.sequences import quiet

    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, precision or ("bfloat16" if place == "cuda" else "float32"))
    with quiet():
        network, loading_info = AutoModelForSequenceClassification.from_pretrained(
            str(folder), dtype=dtype, output_loading_info=True
        )
    if lacking := lacking_weights(loading_info):
        raise TrainingRefused(
            f"{len(lacking)} weights are not in the folder, such as {lacking[0]}",
            hint="Score with a trained classifier, not with a base model or an adapter alone.",
        )
    if network.config.num_labels != 1 or network.config.pad_token_id is None:
        raise TrainingRefused(
            f"the model has {network.config.num_labels} logits and padding token {network.config.pad_token_id}",
            hint="Score with a classifier of one logit that was saved with its padding token.",
        )
    return network.to(place).eval()


def lacking_weights(loading_info: Mapping[str, Any]) -> list[str]:
    """Weights that a folder lacks, or has in another shape, by the loading info of `from_pretrained`."""
    return sorted({*map(str, loading_info["missing_keys"]), *map(str, loading_info["mismatched_keys"])})


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Row numbers by rising length, in batches that hold at most `tokens` with padding, or a single sequence."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batch and (len(batch) + 1) * lengths[row] > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _logits(network: Any, sequences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
    from models.training.sequences import padded

    ids, mask = padded(sequences, network.config.pad_token_id)
    place = next(network.parameters()).device
    logits = network(input_ids=ids.to(place), attention_mask=mask.to(place)).logits
    return np.asarray(logits.squeeze(-1).float().cpu().numpy(), dtype=np.float32)
