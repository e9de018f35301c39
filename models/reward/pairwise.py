"""The pairwise reward model: one sequence holds both responses, and the logit says whether the first is better.

The better response stands first or second by a hash of the pair's id, so that place tells nothing; a pair is always
scored in both orders, and the difference of the two logits (equations 2 to 4) does not depend on which came first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.chat.conversation import Messages, messages
from models.chat.preferences import Pair
from models.training.base import MARKERS
from models.training.fitting import Fitting
from models.training.sequences import chat, plain

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BothOrders:
    """Logits of pairs in both orders.

    Attributes:
        forward: s(x, a, b).
        backward: s(x, b, a).
    """

    forward: Floats
    backward: Floats

    @property
    def preference(self) -> Floats:
        """(s(x, a, b) - s(x, b, a)) / 2: above 0 where a is preferred. Swapping a and b changes its sign only."""
        return np.asarray((self.forward - self.backward) / 2, dtype=np.float32)

    @property
    def consistent(self) -> npt.NDArray[np.bool_]:
        """Whether the same response wins in both orders."""
        return np.asarray(np.sign(self.forward) == -np.sign(self.backward))


def chosen_first(pair_id: str, seed: int) -> bool:
    """Whether the better response of a pair stands first in training: half of them, by hash."""
    digest = hashlib.blake2b(f"position|{seed}|{pair_id}".encode(), digest_size=1).digest()
    return digest[0] < 128


def sequence(tokenizer: Any, context: Messages, first: str, second: str) -> list[int]:
    """Context, <|resp_a|>, first response, <|resp_b|>, second response, end of turn."""
    ids = chat(tokenizer, context)
    for marker, response in zip(MARKERS, (first, second), strict=True):
        ids.append(tokenizer.convert_tokens_to_ids(marker))
        ids += tokenizer.encode(plain(tokenizer, response), add_special_tokens=False)
    return [*ids, tokenizer.eos_token_id]


def both_orders(fitting: Fitting, context: Messages, a: str, b: str) -> Sequence[list[int]] | None:
    """The sequences of (a, b) and of (b, a), after the same turns; None where they do not fit."""

    def build(turns: Messages) -> Sequence[list[int]]:
        return [sequence(fitting.tokenizer, turns, a, b), sequence(fitting.tokenizer, turns, b, a)]

    return fitting.fit(context, build)


def columns(pairs: Sequence[Pair], fitting: Fitting, seed: int) -> dict[str, list[Any]]:
    """A sequence and t of equation 3 for each pair; `fitting` counts what did not fit."""
    result: dict[str, list[Any]] = {"input_ids": [], "labels": []}
    for pair in pairs:
        fitted = both_orders(fitting, messages(pair.context), pair.chosen, pair.rejected)
        if fitted is None:
            continue
        first = chosen_first(pair.pair_id, seed)
        result["input_ids"].append(fitted[0 if first else 1])
        result["labels"].append(1 if first else 0)
    return result
