"""Sequences that fit a model's length: the oldest turns go first, every cut is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from infra.errors import TrainingRefused
from models.chat.conversation import Messages
from models.training.sequences import chat

WHOLE, SHORTENED, TOO_LONG = "whole", "shortened", "too_long"

_LARGEST_LOSS = 0.05

Ids = list[int]


class Fitting:
    """Makes token ids of a context with what follows it, and counts what fitting cost.

    Args:
        longest: most tokens of one sequence; what the tokenizer's model reads where that is less.

    Attributes:
        counts: sequences by fate: `whole`; `shortened`, whose oldest turns were left out; `too_long`, which did not fit
            with only the system message and the last turn before the response, and were left out.
    """

    def __init__(self, tokenizer: Any, longest: int) -> None:
        self.tokenizer = tokenizer
        # model_max_length is 1e30 where the tokenizer does not set it.
        self.longest = int(min(longest, tokenizer.model_max_length))
        self.counts: Counter[str] = Counter({WHOLE: 0, SHORTENED: 0, TOO_LONG: 0})

    def fit(self, context: Messages, build: Callable[[Messages], Sequence[Ids]]) -> Sequence[Ids] | None:
        """What `build` makes of the longest end of the context with which all of it fits, or None.

        A system message at the start always stays; two responses to one context lose the same turns.
        """
        pinned = context[:1] if context and context[0]["role"] == "system" else []
        turns = context[len(pinned) :]
        for dropped in range(max(len(turns), 1)):
            sequences = build([*pinned, *turns[dropped:]])
            if max(map(len, sequences)) <= self.longest:
                self.counts[SHORTENED if dropped else WHOLE] += 1
                return sequences
        self.counts[TOO_LONG] += 1
        return None

    def answered(self, context: Messages, *responses: str) -> Sequence[Ids] | None:
        """The context with each response after it, one sequence a response (equation 1, equation 6)."""

        def build(turns: Messages) -> Sequence[Ids]:
            return [
                chat(self.tokenizer, [*turns, {"role": "assistant", "content": response}])
                for response in responses
            ]

        return self.fit(context, build)

    def check(self, what: str) -> None:
        """Refuse to go on where so much was left out that the rest is another population.

        Args:
            what: was fitted, in the plural, for the message.

        Raises:
            TrainingRefused: more than 5 % did not fit.
        """
        too_long, total = self.counts[TOO_LONG], sum(self.counts.values())
        if too_long > _LARGEST_LOSS * total:
            raise TrainingRefused(
                f"{too_long} of {total} {what} do not fit into {self.longest} tokens even with one turn of context",
                setting="max_length",
                hint="Raise it in the run configuration: what is left out is not left out at random.",
            )
