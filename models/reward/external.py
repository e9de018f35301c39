"""Judging a preference model on pairs from elsewhere, on whose like it was never trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import TrainingRefused
from infra.records import Record, read_records
from models.chat.preferences import Pair
from models.reward.evaluate import judge
from models.reward.intervals import Accuracy
from models.reward.matrix import Cell
from models.reward.train import Trained

DECIDED = frozenset({"a", "b"})
_MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Line:
    """A model on one set.

    Attributes:
        too_long: pairs that did not fit into the model's length, and are in no figure.
    """

    name: str
    accuracy: Accuracy
    longer: Accuracy
    consistency: Accuracy | None
    too_long: int

    def cell(self, model: str, trained_until: str) -> Cell:
        """As a cell beside those of the model's own batches."""
        return Cell(
            model, trained_until, self.name, "elsewhere", True, self.accuracy, self.longer, self.consistency
        )


def report(trained: Trained, sets: Mapping[str, Sequence[Pair]]) -> list[Line]:
    """The model's agreement with people on each set, beside the longer answer."""
    lines = []
    for name, pairs in sets.items():
        judged = judge(
            trained.kind, trained.folder, trained.tokenizer, pairs, trained.configuration.max_length
        )
        fate = judged.fates.get("too_long", 0)
        lines.append(Line(name, judged.accuracy(), judged.longer(), judged.consistency(), fate))
    return lines


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of a JSONL(.gz) file: `context` (JSON of `models.chat.conversation`), `response_a`, `response_b`, `winner`.

    Pairs that people did not decide are left out.

    Raises:
        TrainingRefused: a line is not such a pair, or none is decided.
        InputDamaged: the file is cut short or no UTF-8.
    """
    pairs = [pair for pair in _pairs(path) if pair is not None]
    if not pairs:
        raise TrainingRefused(f"{path.name} has no pair that people decided", hint="A winner is a or b.")
    return pairs


def _pairs(path: Path) -> Iterable[Pair | None]:
    return (_pair(path, record) for record in read_records(path, _MAX_BYTES))


def _pair(path: Path, record: Record) -> Pair | None:
    row = record.value or {}
    try:
        a, b, winner, context = row["response_a"], row["response_b"], row["winner"], row["context"]
    except KeyError:
        raise TrainingRefused(
            f"line {record.number} of {path.name} is no pair ({record.reason or 'a field is missing'})",
            hint="A pair has context, response_a, response_b and winner (a, b, tie or both_bad).",
        ) from None
    if winner not in DECIDED:
        return None
    chosen, rejected = (a, b) if winner == "a" else (b, a)
    text = context if isinstance(context, str) else json.dumps(context)
    return Pair(f"{path.stem}-{record.number}", text, chosen, rejected, "all", "static", "evaluation")
