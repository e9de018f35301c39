"""How often a preference model prefers the response that people preferred, with its interval, beside a null.

The null prefers the longer response: a model that does not beat it may have learnt length and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from models.conversation import messages
from models.preferences import Pair
from models.reward.pairwise import BothOrders, both_orders
from models.training.fitting import Fitting
from models.training.scoring import score

Kind = Literal["pointwise", "pairwise"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Accuracy:
    """A share of pairs with its 95 % Wilson interval; a pair on which both responses score the same counts half."""

    n: int
    correct: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """NaN where there is no pair."""
        return self.correct / self.n if self.n else math.nan

    def __str__(self) -> str:
        """`.71 [.66, .75]`."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.n else "no pairs"


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
        chosen = tuple(pair for pair, kept in zip(self.pairs, rows, strict=True) if kept)
        consistent = None if self.consistent is None else self.consistent[rows]
        return Judged(chosen, self.preference[rows], consistent, self.fates)

    def accuracy(self) -> Accuracy:
        """Agreement with people."""
        return accuracy(self.hits)

    def longer(self) -> Accuracy:
        """The null on the same pairs: prefer the response with more characters."""
        return accuracy(longer_hits(self.pairs))

    def consistency(self) -> Accuracy | None:
        """Share of pairs with one verdict in both orders; None for pointwise."""
        return None if self.consistent is None else accuracy(self.consistent)


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
    kept = [row for row, made in enumerate(fitted) if made is not None]
    flat = [one for made in fitted if made is not None for one in made]
    logits = score(model, flat, tokens=tokens) if flat else np.empty(0, dtype=np.float32)
    first, second = logits[0::2], logits[1::2]
    chosen = tuple(pairs[row] for row in kept)
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


def accuracy(hits: npt.ArrayLike) -> Accuracy:
    """A share with its Wilson interval."""
    values = np.asarray(hits, dtype=np.float64)
    n, correct = len(values), float(values.sum())
    if not n:
        return Accuracy(0, 0.0, math.nan, math.nan)
    low, high = proportion_confint(correct, n, method="wilson")
    # At 0 and 1 an end of the interval is that value itself, but for rounding.
    return Accuracy(n, correct, min(float(low), correct / n), max(float(high), correct / n))


def longer_hits(pairs: Sequence[Pair]) -> Floats:
    """Of each pair, whether the response that people preferred is the longer one; a half where both are as long."""
    more = np.array([len(pair.chosen) - len(pair.rejected) for pair in pairs], dtype=np.float32)
    return np.asarray((np.sign(more) + 1) / 2, dtype=np.float32)


@dataclass(frozen=True)
class Difference:
    """How much more often one model is right than another on the same pairs, with its interval.

    Adjusted as Agresti and Min (2005) do for paired proportions, so that few pairs on which both agree are no
    certainty.
    """

    n: int
    value: float
    low: float
    high: float


def difference(new: npt.ArrayLike, old: npt.ArrayLike, confidence: float = 0.95) -> Difference:
    """Of hits of two models on the same pairs."""
    from scipy.stats import norm

    gain = np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64)
    n = len(gain)
    if not n:
        return Difference(0, math.nan, math.nan, math.nan)
    won, lost, of = np.clip(gain, 0, None).sum() + 0.5, np.clip(-gain, 0, None).sum() + 0.5, n + 2
    middle = (won - lost) / of
    reach = norm.ppf((1 + confidence) / 2) * math.sqrt(won + lost - (won - lost) ** 2 / of) / of
    return Difference(n, float(gain.mean()), float(middle - reach), float(middle + reach))
