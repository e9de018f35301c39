"""Turn preference labels into training pairs of a reward model, including the three label sets of Table 9.

Ties are dropped and counted. A row is one label: `annotation.preferences` has one row a pair and annotator. Counts are
in labels; they add up to the number of rows, and do not depend on row order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.errors import TrainingRefused

TABLE = "annotation.preferences"
COLUMNS = (
    "pair_id", "annotator_id", "batch", "mode", "split", "context", "response_a", "response_b", "winner",
)  # fmt: skip
"""The columns that these functions read; a row may have more."""
WINNERS = frozenset({"a", "b", "tie", "both_bad"})
USED, DUPLICATE, TOO_FEW, DISAGREEMENT, NOT_DRAWN = (
    "used", "duplicate", "too_few_reviews", "disagreement", "not_drawn",
)  # fmt: skip
_PAIR_COLUMNS = ("context", "response_a", "response_b", "mode", "split")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """A context with the better and the worse of two responses (equation 1), by one label or several that agree.

    Attributes:
        cluster: the user of the pair, because pairs of the same user are not independent. Empty: a cluster of its own.
    """

    pair_id: str
    context: str
    chosen: str
    rejected: str
    batch: str
    mode: str
    split: str
    cluster: str = ""


@dataclass(frozen=True)
class PairSet:
    """Training pairs and what became of each label.

    Attributes:
        pairs: sorted by pair and annotator; `all_labels` and `pairs` return a pair once for each label.
        counts: labels by outcome: `used`, `tie`, `both_bad`, `disagreement`, `not_drawn`, `too_few_reviews`,
            `duplicate`. They add up to the number of rows.
    """

    pairs: tuple[Pair, ...]
    counts: Mapping[str, int]


def pairs(rows: Iterable[Row]) -> PairSet:
    """Every label that prefers one response, as a pair of its own; ties and `both_bad` dropped and counted.

    Raises:
        TrainingRefused: a row lacks a column, or two rows contradict each other.
    """
    return _derived(rows, 1, _decided)


def all_labels(rows: Iterable[Row], reviews: int = 3) -> PairSet:
    """Single-Review (All) of Table 9: every label of pairs judged by `reviews` annotators or more, conflicts kept.

    Raises:
        TrainingRefused: as `pairs`.
    """
    return _derived(rows, reviews, _decided)


def unanimous(rows: Iterable[Row], reviews: int = 3) -> PairSet:
    """Multi-Review (With Agreement) of Table 9: pairs on which all annotators prefer the same response, each once.

    Raises:
        TrainingRefused: as `pairs`.
    """
    return _derived(rows, reviews, _agreed)


def single_random(rows: Iterable[Row], seed: int, reviews: int = 3) -> PairSet:
    """Single-Review (Random) of Table 9: each pair with the label of one annotator, drawn by a hash of seed and pair.

    Raises:
        TrainingRefused: as `pairs`.
    """
    return _derived(rows, reviews, lambda labels: _drawn(labels, seed))


# Selects among a pair's labels: returns the labels that become a training pair each, and counts of all by outcome.
_Choose = Callable[[Sequence[Row]], tuple[list[Row], Counter[str]]]


def _derived(rows: Iterable[Row], reviews: int, choose: _Choose) -> PairSet:
    grouped, counts = _by_pair(rows)
    derived: list[Pair] = []
    for pair_id in sorted(grouped):
        labels = [grouped[pair_id][annotator] for annotator in sorted(grouped[pair_id])]
        if len(labels) < reviews:
            counts[TOO_FEW] += len(labels)
            continue
        selected, outcomes = choose(labels)
        counts += outcomes
        derived += [_pair(label) for label in selected]
    return PairSet(tuple(derived), dict(sorted(counts.items())))


def _decided(labels: Sequence[Row]) -> tuple[list[Row], Counter[str]]:
    decided = [label for label in labels if label["winner"] in ("a", "b")]
    return decided, Counter(_outcome(label) for label in labels)


def _agreed(labels: Sequence[Row]) -> tuple[list[Row], Counter[str]]:
    if len({label["winner"] for label in labels}) > 1:
        return [], Counter({DISAGREEMENT: len(labels)})
    decided, outcomes = _decided(labels)
    return decided[:1], outcomes


def _drawn(labels: Sequence[Row], seed: int) -> tuple[list[Row], Counter[str]]:
    digest = hashlib.blake2b(f"{seed}|{labels[0]['pair_id']}".encode(), digest_size=8).digest()
    drawn = labels[int.from_bytes(digest, "big") % len(labels)]
    decided, outcomes = _decided([drawn])
    return decided, outcomes + Counter({NOT_DRAWN: len(labels) - 1})


def _outcome(label: Row) -> str:
    return USED if label["winner"] in ("a", "b") else str(label["winner"])


def _by_pair(rows: Iterable[Row]) -> tuple[dict[str, dict[str, Row]], Counter[str]]:
    """Rows by pair and annotator; a duplicate row is used once."""
    grouped: dict[str, dict[str, Row]] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        _check_row(row)
        labels = grouped.setdefault(row["pair_id"], {})
        first_label = next(iter(labels.values()), row)
        if any(row[name] != first_label[name] for name in _PAIR_COLUMNS):
            raise TrainingRefused("labels of one pair have different content", table=TABLE)
        previous = labels.get(row["annotator_id"])
        if previous is None:
            labels[row["annotator_id"]] = row
            continue
        if previous["winner"] != row["winner"]:
            raise TrainingRefused("an annotator gave two different judgements of a pair", table=TABLE)
        counts[DUPLICATE] += 1
    return grouped, counts


def _check_row(row: Row) -> None:
    if missing := [name for name in COLUMNS if row.get(name) is None]:
        raise TrainingRefused(f"a row is missing {', '.join(missing)}", table=TABLE)
    if row["winner"] not in WINNERS:
        raise TrainingRefused("a winner is neither a, b, tie nor both_bad", table=TABLE)


def _pair(label: Row) -> Pair:
    a_won = label["winner"] == "a"
    return Pair(
        pair_id=label["pair_id"],
        context=label["context"],
        chosen=label["response_a"] if a_won else label["response_b"],
        rejected=label["response_b"] if a_won else label["response_a"],
        batch=label["batch"],
        mode=label["mode"],
        split=label["split"],
        cluster=label.get("user_id") or "",
    )
