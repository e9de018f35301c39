"""From judged pairs to a preference model: pairs to token ids, the run, and what it costs to fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import TrainingRefused
from models.chat.preferences import Pair
from models.reward.evaluate import Kind
from models.training.base import resolved
from models.training.callbacks import Progress
from models.training.configuration import Configuration
from models.training.fitting import Fitting
from models.training.run import prepare, start
from models.training.sequences import tokenizer_of

NAMES: Mapping[Kind, str] = {"pointwise": "reward-pointwise", "pairwise": "reward-pairwise"}
"""Registered names."""


@dataclass(frozen=True)
class Trained:
    """A preference model.

    Attributes:
        folder: `save_pretrained` folder of a one-logit classifier and its tokenizer.
        fates: training pairs by what fitting them cost.
    """

    kind: Kind
    folder: Path
    tokenizer: Any
    configuration: Configuration
    base: str
    fates: Mapping[str, int]

    @property
    def base_name(self) -> str:
        """What training started from, without the path of a folder."""
        return Path(self.base).name if Path(self.base).is_dir() else self.base


def train(
    kind: Kind,
    pairs: Sequence[Pair],
    configuration: Configuration,
    base: str,
    root: Path,
    progress: Progress | None = None,
) -> Trained:
    """Train on pairs, or go on with such a run that was killed, or find it done.

    Args:
        base: hub id, folder or name of an embedded model; the configuration's own wins.
        root: where runs have their folders.

    Raises:
        TrainingRefused: the configuration is of another job, there are no pairs, more than one in twenty does not fit
            into `max_length`, or the loss is not a number.
    """
    if configuration.job != NAMES[kind]:
        raise TrainingRefused(
            f"the configuration trains {configuration.job}, not {NAMES[kind]}",
            hint="Give one whose job is the kind asked for.",
        )
    base = resolved(configuration.base_model or base)
    tokenizer = tokenizer_of(base)
    fitting = Fitting(tokenizer, configuration.max_length)
    columns = _columns(kind, pairs, fitting, configuration)
    fitting.check("pairs")
    folder = start(prepare(root, configuration, base, columns), progress)
    return Trained(kind, folder, tokenizer, configuration, base, dict(fitting.counts))


def _columns(
    kind: Kind, pairs: Sequence[Pair], fitting: Fitting, configuration: Configuration
) -> dict[str, list[Any]]:
    if kind == "pointwise":
        from models.reward.pointwise import columns

        return columns(pairs, fitting, configuration.margin)
    from models.reward import pairwise

    return pairwise.columns(pairs, fitting, configuration.seed)
