"""The pointwise reward model: a score for each response by itself (equation 1), on TRL's `RewardTrainer`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as nn
from trl import RewardConfig, RewardTrainer

from models.chat.conversation import messages
from models.chat.preferences import Pair
from models.training.arguments import LENGTH, arguments
from models.training.configuration import Configuration
from models.training.fitting import Fitting

CHOSEN, REJECTED, MARGIN = "chosen_ids", "rejected_ids", "margin"


def pointwise_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, margin: torch.Tensor | float = 0.0, center: float = 0.0
) -> torch.Tensor:
    """-log s(r_c - r_r - m) + center (r_c + r_r)^2, mean over pairs; equation 1 at m = center = 0.

    It is what `RewardTrainer` computes, stated for tests and for those who score with it.
    """
    preferred = -nn.logsigmoid(chosen - rejected - margin).mean()
    return preferred + center * ((chosen + rejected) ** 2).mean()


class PointwiseTrainer(RewardTrainer):  # type: ignore[misc]
    """TRL's trainer over tokenised pairs; it tells no one that it runs, and writes no model card."""

    def _send_telemetry(self) -> None:
        """A lakehouse of private conversations calls nobody."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The registry describes models."""


def trainer(
    model: Any, tokenizer: Any, rows: Any, configuration: Configuration, folder: Path, peft: Any = None
) -> PointwiseTrainer:
    """A trainer over rows with `chosen_ids`, `rejected_ids` and, if the configuration has one, `margin`."""
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
        model=model, args=args, train_dataset=rows, processing_class=tokenizer, peft_config=peft
    )


def columns(pairs: Sequence[Pair], fitting: Fitting, margin: float = 0.0) -> dict[str, list[Any]]:
    """Token ids of both responses of each pair after their context; `fitting` counts what did not fit.

    Args:
        margin: of a pair whose labels all agree; one on which they are split has none (see `agreement`).
    """
    sure = agreement(pairs) if margin else {}
    made: dict[str, list[Any]] = {CHOSEN: [], REJECTED: [], LENGTH: [], **({MARGIN: []} if margin else {})}
    for pair in pairs:
        fitted = fitting.answered(messages(pair.context), pair.chosen, pair.rejected)
        if fitted is None:
            continue
        made[CHOSEN].append(fitted[0])
        made[REJECTED].append(fitted[1])
        made[LENGTH].append(max(map(len, fitted)))
        if margin:
            made[MARGIN].append(margin * max(sure[pair.pair_id, pair.chosen], 0.0))
    return made


def agreement(pairs: Sequence[Pair]) -> dict[tuple[str, str], float]:
    """Of each pair and preferred response: the share of its labels that say so less the share that do not."""
    votes = Counter((pair.pair_id, pair.chosen) for pair in pairs)
    all_votes = Counter(pair.pair_id for pair in pairs)
    return {(pair_id, won): 2 * n / all_votes[pair_id] - 1 for (pair_id, won), n in votes.items()}
