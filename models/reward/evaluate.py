"""How often a preference model prefers the response that people preferred, with its interval, beside a null.

The null prefers the longer response: a model that does not beat it may have learnt length and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.chat.conversation import messages
from models.chat.preferences import Pair
from models.reward.intervals import Accuracy, accuracy
from models.reward.pairwise import BothOrders, both_orders
from models.training.fitting import Fitting
from models.training.scoring import score

Kind = Literal["pointwise", "pairwise"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """What a model prefers on pairs.

    Attributes:
        pairs: those that fit.
        preference: above 0 where the model prefers what people preferred. Its size compares within a pair only.
        consistent: of each pair, whether the verdict is the same in both orders; None for pointwise.
        fates: pairs by what fitting them cost: `whole`, `shortened`, `too_long`; the last are in no figure.
    """

    pairs: tuple[Pair, ...]
    preference: Floats
    consistent: npt.NDArray[np.bool_] | None
    fates: Mapping[str, int]

    @property
    def hits(self) -> Floats:
        """1 where the model agrees with people, 0 where not, a half where it does not decide."""
        return np.asarray((np.sign(self.preference) + 1) / 2, dtype=np.float32)

    def where(self, keep: Callable[[Pair], bool]) -> Judged:
        """Of these pairs only."""
        rows = np.array([keep(pair) for pair in self.pairs], dtype=np.bool_)
        chosen = tuple(pair for pair, is_kept in zip(self.pairs, rows, strict=True) if is_kept)
        consistent = None if self.consistent is None else self.consistent[rows]
        return Judged(chosen, self.preference[rows], consistent, self.fates)

    def accuracy(self) -> Accuracy:
        """Agreement with people."""
        return accuracy(self.hits, self._clusters)

    def longer(self) -> Accuracy:
        """The null on the same pairs: prefer the response with more characters."""
        return accuracy(longer_hits(self.pairs), self._clusters)

    def consistency(self) -> Accuracy | None:
        """Share of pairs with one verdict in both orders; None for pointwise."""
        return None if self.consistent is None else accuracy(self.consistent, self._clusters)

    @property
    def _clusters(self) -> list[str]:
        return [pair.cluster for pair in self.pairs]


def judge(
    kind: Kind,
    model: str | Path | Any,
    tokenizer: Any,
    pairs: Sequence[Pair],
    longest: int,
    tokens: int = 16_384,
) -> Judged:
    """Score pairs: each response by itself, or both responses in both orders.

    Args:
        model: a folder, or a classifier of one logit.
        longest: tokens of one sequence, as in training.
        tokens: most tokens of one batch.
    """
    fitting = Fitting(tokenizer, longest)
    fitted = [sequences(kind, fitting, pair) for pair in pairs]
    fitting_rows = [row for row, sequences_of_pair in enumerate(fitted) if sequences_of_pair is not None]
    flat = [
        sequence
        for sequences_of_pair in fitted
        if sequences_of_pair is not None
        for sequence in sequences_of_pair
    ]
    logits = score(model, flat, tokens=tokens) if flat else np.empty(0, dtype=np.float32)
    first, second = logits[0::2], logits[1::2]
    chosen = tuple(pairs[row] for row in fitting_rows)
    if kind == "pointwise":
        return Judged(chosen, np.asarray(first - second, dtype=np.float32), None, dict(fitting.counts))
    both = BothOrders(first, second)
    return Judged(chosen, both.preference, both.consistent, dict(fitting.counts))


def sequences(kind: Kind, fitting: Fitting, pair: Pair) -> Sequence[list[int]] | None:
    """The two sequences by which a pair is judged: chosen and rejected, or both orders; None where they do not fit."""
    context = messages(pair.context)
    if kind == "pointwise":
        return fitting.answered(context, pair.chosen, pair.rejected)
    return both_orders(fitting, context, pair.chosen, pair.rejected)


def longer_hits(pairs: Sequence[Pair]) -> Floats:
    """Of each pair, whether the response that people preferred is the longer one; a half where both are as long."""
    more = np.array([len(pair.chosen) - len(pair.rejected) for pair in pairs], dtype=np.float32)
    return np.asarray((np.sign(more) + 1) / 2, dtype=np.float32)
