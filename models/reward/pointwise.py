"""The pointwise reward model: a score for each response by itself (equation 1), on TRL's `RewardTrainer`.

A pair that several annotators judged is read once: the loss counts its labels for and against, which is the loss over
all labels at the cost of the pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as nn
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from models.chat.conversation import messages
from models.chat.preferences import Pair
from models.training.arguments import LENGTH, arguments
from models.training.configuration import Configuration
from models.training.fitting import Fitting

CHOSEN, REJECTED, MARGIN = "chosen_ids", "rejected_ids", "margin"
LABELS = "labels_for_and_against"
"""Of a row: how many labels prefer the response that stands as chosen, and how many the other one."""


def pointwise_loss(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    margin: torch.Tensor | float = 0.0,
    center: float = 0.0,
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """-log s(r_c - r_r - m) + center (r_c + r_r)^2, mean over labels; equation 1 at m = center = 0.

    A label against the pair's order costs -log s(r_r - r_c). The margin is of the labels for it.

    Args:
        chosen, rejected: scores, shape (pairs,).
        labels: shape (pairs, 2), numbers of labels for and against; None: one for each pair.
    """
    difference = chosen - rejected
    if labels is None:
        labels = torch.tensor([1.0, 0.0]).expand(len(chosen), 2)
    labels = labels.to(difference)
    of_labels = (
        torch.stack([-nn.logsigmoid(difference - margin), -nn.logsigmoid(-difference)], dim=1) * labels
    )
    centered = center * (chosen + rejected) ** 2 * labels.sum(dim=1)
    return (of_labels.sum() + centered.sum()) / labels.sum()


class PointwiseTrainer(RewardTrainer):  # type: ignore[misc]
    """TRL's trainer over tokenised pairs and their labels; it tells no one that it runs, and writes no model card."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """`pointwise_loss` of a batch; TRL's own is computed for its metrics."""
        labels = inputs.pop(LABELS)
        _, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        chosen, rejected = torch.chunk(outputs.logits.squeeze(-1), chunks=2)
        margin, center = inputs.get(MARGIN, 0.0), self.args.center_rewards_coefficient or 0.0
        loss = pointwise_loss(chosen, rejected, margin, center, labels)
        return (loss, outputs) if return_outputs else loss

    def _send_telemetry(self) -> None:
        """A lakehouse of private conversations calls nobody."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The registry describes models."""


class _Collator(DataCollatorForPreference):  # type: ignore[misc]
    """Pads a batch of pairs, as TRL does, and keeps their labels."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        return batch | {LABELS: torch.tensor([row[LABELS] for row in examples], dtype=torch.float)}


def trainer(
    model: Any, tokenizer: Any, rows: Any, configuration: Configuration, folder: Path, peft: Any = None
) -> PointwiseTrainer:
    """A trainer over the rows of `columns`."""
    args = arguments(
        configuration,
        folder,
        len(rows),
        RewardConfig,
        # Pairs fit already: here TRL would drop the longer ones without a word.
        max_length=None,
        center_rewards_coefficient=configuration.center or None,
    )
    return PointwiseTrainer(
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=peft,
        data_collator=_Collator(pad_token_id=tokenizer.pad_token_id),
    )


def columns(pairs: Sequence[Pair], fitting: Fitting, margin: float = 0.0) -> dict[str, list[Any]]:
    """A row for each pair: token ids of both responses after their context, and the pair's labels.

    The response that most labels prefer stands as chosen; where as many prefer the other, that of the first label.
    `fitting` counts the pairs that did not fit.

    Args:
        pairs: one for each label.
        margin: of a pair whose labels all agree; it shrinks with their agreement, to none where they are split evenly.
    """
    votes = Counter((pair.pair_id, pair.chosen) for pair in pairs)
    rows: dict[str, list[Any]] = {
        CHOSEN: [],
        REJECTED: [],
        LENGTH: [],
        LABELS: [],
        **({MARGIN: []} if margin else {}),
    }
    seen: set[str] = set()
    for pair in pairs:
        if pair.pair_id in seen:
            continue
        seen.add(pair.pair_id)
        chosen, rejected = sorted((pair.chosen, pair.rejected), key=lambda text: -votes[pair.pair_id, text])
        fitted = fitting.answered(messages(pair.context), chosen, rejected)
        if fitted is None:
            continue
        labels = [votes[pair.pair_id, chosen], votes[pair.pair_id, rejected]]
        rows[CHOSEN].append(fitted[0])
        rows[REJECTED].append(fitted[1])
        rows[LENGTH].append(max(map(len, fitted)))
        rows[LABELS].append(labels)
        if margin:
            rows[MARGIN].append(margin * (labels[0] - labels[1]) / sum(labels))
    return rows
