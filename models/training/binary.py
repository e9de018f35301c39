"""A binary classifier on one logit: equation 2 over pairs of responses, equation 6 over signals.

`transformers` takes `num_labels=1` for regression and trains it on squared error, so the loss is stated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as nn
from transformers import Trainer

from models.training.sequences import IDS, padded

LABEL = "labels"


def binary_loss(logits: torch.Tensor, labels: torch.Tensor, pos_weight: float | None = None) -> torch.Tensor:
    """-[w t log s(z) + (1 - t) log(1 - s(z))], mean over the batch (equations 2 and 6 at w = 1), in float32."""
    weight = None if pos_weight is None else torch.tensor(pos_weight, device=logits.device)
    return nn.binary_cross_entropy_with_logits(logits.float(), labels.float(), pos_weight=weight)


class Padding:
    """Batches of rows with `input_ids` and `labels`."""

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Ids and mask (n, longest) and labels (n)."""
        ids, mask = padded([row[IDS] for row in rows], self._padding)
        labels = torch.tensor([float(row[LABEL]) for row in rows])
        return {IDS: ids, "attention_mask": mask, LABEL: labels}


class BinaryTrainer(Trainer):  # type: ignore[misc]
    """`Trainer` with binary cross-entropy on one logit.

    Its data set has columns `input_ids` and `labels` (0 or 1, or a probability in between).

    Args:
        pos_weight: weight of positive rows, for rare signals; None is 1.
    """

    def __init__(self, *args: Any, pos_weight: float | None = None, **options: Any) -> None:
        model = options.get("model") or args[0]
        options.setdefault("data_collator", Padding(model.config.pad_token_id))
        super().__init__(*args, **options)
        self._pos_weight = pos_weight
        # The loss is a mean over its batch; saying so lets gradient accumulation average it too.
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        """`binary_loss` of the batch."""
        labels = inputs.pop(LABEL)
        outputs = model(**inputs)
        loss = binary_loss(outputs.logits.squeeze(-1), labels, self._pos_weight)
        return (loss, outputs) if return_outputs else loss
