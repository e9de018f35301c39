"""How long rows are in a base model's tokens, and what becomes of those that do not fit, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa

from infra.errors import TrainingRefused
from models.chat.conversation import Messages, messages
from models.training.fitting import SHORTENED, TOO_LONG, WHOLE, Fitting, Ids
from models.training.sequences import chat

if TYPE_CHECKING:
    from models.tables.opened import Opened

OnExcess = Literal["shorten", "drop", "refuse"]
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 1.0)

_RESPONSES: Final = ("response", "response_a", "response_b")


@dataclass(frozen=True)
class LengthReport:
    """Tokens of the rows of one split; of a row with two responses the longer counts.

    Attributes:
        split: as in the rows; empty where they have none.
        quantiles: share of rows to the least number of tokens that so many have at most.
        over: rows of more than `longest` tokens.
        shortened: those of them that fit when the oldest turns are left out.
        lost: those that do not fit even so.
    """

    split: str
    rows: int
    quantiles: Mapping[float, int]
    longest: int
    over: int
    shortened: int
    lost: int


@dataclass(frozen=True)
class Fitted:
    """Rows as token ids.

    Attributes:
        rows: numbers of the rows that are left, from 0 in the order in which they were read.
        sequences: for each of them one sequence of ids a response.
        counts: rows by fate: `whole`, `shortened`, `too_long` (left out); they add up to the rows read.
    """

    rows: tuple[int, ...]
    sequences: tuple[tuple[Ids, ...], ...]
    counts: Mapping[str, int]


def measure_lengths(rows: Opened | pa.Table, tokenizer: Any, longest: int) -> tuple[LengthReport, ...]:
    """A report for each split, sorted by name.

    Args:
        rows: with `context` (JSON of `models.chat.conversation`) and as far as there are any `response`, or
            `response_a` and `response_b`, and `split`.
        tokenizer: with a chat template (`models.training.sequences.tokenizer_of`).
        longest: tokens that a sequence may have.

    Raises:
        TrainingRefused: there is no column of contexts, or a context cannot be read.
    """
    tokens: dict[str, list[int]] = {}
    fates: dict[str, Counter[str]] = {}
    for split, context, responses in _rows(rows):
        length = max(map(len, _sequences(tokenizer, context, responses)))
        tokens.setdefault(split, []).append(length)
        fate = WHOLE
        if length > longest:
            fitting = Fitting(tokenizer, longest)
            fate = SHORTENED if _fit(fitting, context, responses) else TOO_LONG
        fates.setdefault(split, Counter())[fate] += 1
    return tuple(_report(split, tokens[split], fates[split], longest) for split in sorted(tokens))


def fit_lengths(
    rows: Opened | pa.Table, tokenizer: Any, longest: int, on_excess: OnExcess = "shorten"
) -> Fitted:
    """Token ids of all rows that fit, and counts of what was done to those that did not.

    Args:
        on_excess: `shorten` leaves the oldest turns out, and the row only when the last turn alone is too long; `drop`
            leaves the row out; `refuse` refuses all.

    Raises:
        TrainingRefused: `refuse`, and rows are too long; or a context cannot be read.
    """
    fitting = Fitting(tokenizer, longest)
    kept: list[int] = []
    sequences: list[tuple[Ids, ...]] = []
    take = _fit if on_excess == "shorten" else _whole
    for number, (_, context, responses) in enumerate(_rows(rows)):
        fitted = take(fitting, context, responses)
        if fitted is not None:
            kept.append(number)
            sequences.append(fitted)
    if on_excess == "refuse" and fitting.counts[TOO_LONG]:
        raise TrainingRefused(
            f"{fitting.counts[TOO_LONG]} of {fitting.counts.total()} rows have more than {longest} tokens",
            setting="max_length",
            hint="Raise it, or let rows be shortened or dropped, which is counted.",
        )
    return Fitted(tuple(kept), tuple(sequences), dict(fitting.counts))


def _rows(rows: Opened | pa.Table) -> Iterator[tuple[str, Messages, tuple[str, ...]]]:
    for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows.batches():
        names = batch.schema.names
        if "context" not in names:
            raise TrainingRefused(
                "rows without a column context have no prompt to count",
                hint="Give rows of curation.samples, annotation.preferences or the like.",
            )
        response_columns = [batch[name].to_pylist() for name in _RESPONSES if name in names]
        splits = batch["split"].to_pylist() if "split" in names else [""] * batch.num_rows
        for row, context in enumerate(batch["context"].to_pylist()):
            responses = tuple(column[row] for column in response_columns if column[row] is not None)
            yield splits[row] or "", messages(context), responses


def _sequences(tokenizer: Any, context: Messages, responses: tuple[str, ...]) -> tuple[Ids, ...]:
    if not responses:
        return (chat(tokenizer, context),)
    return tuple(
        chat(tokenizer, [*context, {"role": "assistant", "content": response}]) for response in responses
    )


def _fit(fitting: Fitting, context: Messages, responses: tuple[str, ...]) -> tuple[Ids, ...] | None:
    sequences = fitting.fit(context, lambda turns: _sequences(fitting.tokenizer, turns, responses))
    return None if sequences is None else tuple(sequences)


def _whole(fitting: Fitting, context: Messages, responses: tuple[str, ...]) -> tuple[Ids, ...] | None:
    sequences = _sequences(fitting.tokenizer, context, responses)
    fits = max(map(len, sequences)) <= fitting.longest
    fitting.counts[WHOLE if fits else TOO_LONG] += 1
    return sequences if fits else None


def _report(split: str, tokens: list[int], fates: Counter[str], longest: int) -> LengthReport:
    # The least number of tokens that the share has at most: a length that occurs, not a mean of two.
    lengths = np.quantile(np.array(tokens), QUANTILES, method="inverted_cdf")
    return LengthReport(
        split=split,
        rows=len(tokens),
        quantiles={share: int(value) for share, value in zip(QUANTILES, lengths, strict=True)},
        longest=longest,
        over=fates[SHORTENED] + fates[TOO_LONG],
        shortened=fates[SHORTENED],
        lost=fates[TOO_LONG],
    )
