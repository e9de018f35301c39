"""Reward models by batch, as in Table 8: `RM_YYMMDD` learns from all batches up to its date, and is asked about each.

A regression gate compares each model with the one before it on the batches that both were trained on, pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.errors import TrainingRefused
from models.chat.preferences import Pair
from models.reward.evaluate import Judged, Kind, judge
from models.reward.intervals import Accuracy, Difference, difference
from models.reward.train import Trained, train
from models.training.callbacks import Progress
from models.training.configuration import Configuration

ALL = "all"
TOLERANCE = 0.02
"""The largest backward loss in the paper's Table 8 is two points: that much is let pass."""

Gate = Literal["holds", "undecided", "regressed"]


@dataclass(frozen=True)
class Cell:
    """One reward model on the held-apart pairs of one batch and mode.

    Attributes:
        model: `RM_YYMMDD`.
        batch: YYMMDD, or `all`.
        zero_shot: the batch is later than the model.
        longer: the null on the same pairs.
        consistency: share of pairs with one verdict in both orders; None for pointwise.
        change: against the model before, on a batch that both were trained on; None elsewhere.
        gate: `regressed` where the interval of the change lies below -TOLERANCE as a whole; `holds` where it lies above
            it; `undecided` where it holds -TOLERANCE: too few pairs to say. The intervals of one model's changes hold
            together with 95 % (Bonferroni).
    """

    model: str
    trained_until: str
    batch: str
    mode: str
    zero_shot: bool
    accuracy: Accuracy
    longer: Accuracy
    consistency: Accuracy | None
    change: Difference | None = None
    gate: Gate | None = None


@dataclass(frozen=True)
class Row:
    """A reward model, the labels it was trained on, and all its cells."""

    trained: Trained
    labels: int
    cells: tuple[Cell, ...]

    @property
    def regressed(self) -> list[Cell]:
        """Where the model lost what the one before it knew."""
        return [cell for cell in self.cells if cell.gate == "regressed"]


def matrix(
    kind: Kind,
    training: Sequence[Pair],
    evaluation: Sequence[Pair],
    configuration: Configuration,
    base: str,
    root: Path,
    progress_for: Callable[[str], Progress] | None = None,
    newest: int = 0,
) -> list[Row]:
    """Train one model for every batch that has training pairs, and judge all of them on all batches.

    Args:
        training, evaluation: pairs of users on different sides of the split.
        newest: train only the models of so many newest batches, on all pairs up to each; 0: of all batches.
        told: makes the progress report of one model, by its name.

    Raises:
        TrainingRefused: there are no evaluation pairs, or a pair stands on both sides.
    """
    check_apart(training, evaluation)
    rows: list[Row] = []
    before: tuple[str, Judged] | None = None
    for until in sorted({pair.batch for pair in training})[-newest:]:
        name = f"RM_{until}"
        learnt = [pair for pair in training if pair.batch <= until]
        trained = train(kind, learnt, configuration, base, root, progress_for(name) if progress_for else None)
        judged = judge(kind, trained.folder, trained.tokenizer, evaluation, configuration.max_length)
        rows.append(Row(trained, len(learnt), tuple(cells(name, until, judged, before))))
        before = (until, judged)
    return rows


def check_apart(training: Sequence[Pair], evaluation: Sequence[Pair]) -> None:
    """Refuse evaluation that is empty or that the model was trained on."""
    if not evaluation:
        raise TrainingRefused(
            "there are no pairs held apart to judge a model on", hint="Import pairs of more users."
        )
    if both := {pair.pair_id for pair in training} & {pair.pair_id for pair in evaluation}:
        raise TrainingRefused(
            f"{len(both)} pairs stand on both sides of the split", hint="Split by user: column split."
        )


def cells(name: str, until: str, judged: Judged, before: tuple[str, Judged] | None = None) -> list[Cell]:
    """The cells of one model: each batch and mode, and all batches of a mode.

    Args:
        before: date and verdicts of the model before: the gate watches the batches up to that date.
    """
    places = sorted({(pair.mode, pair.batch) for pair in judged.pairs})
    watched = [place for place in places if before is not None and place[1] <= before[0]]
    result = []
    for mode, batch in [*places, *((mode, ALL) for mode in sorted({mode for mode, _ in places}))]:
        subset = judged.where(lambda pair, m=mode, b=batch: pair.mode == m and b in (ALL, pair.batch))  # type: ignore[misc]
        change = None
        if before is not None and (mode, batch) in watched:
            change = _change(judged, before[1], mode, batch, len(watched))
        result.append(
            Cell(
                name, until, batch, mode, batch != ALL and batch > until, subset.accuracy(), subset.longer(),
                subset.consistency(), change, None if change is None else verdict(change),
            )
        )  # fmt: skip
    return result


def _change(judged: Judged, before: Judged, mode: str, batch: str, places: int) -> Difference:
    new, old = (_hits(side, mode, batch) for side in (judged, before))
    both = sorted(new.keys() & old.keys())
    of = {pair.pair_id: pair.cluster for pair in judged.pairs}
    return difference(
        [new[pair] for pair in both],
        [old[pair] for pair in both],
        1 - 0.05 / places,
        [of[pair] for pair in both],
    )


def _hits(judged: Judged, mode: str, batch: str) -> Mapping[str, float]:
    return {
        pair.pair_id: float(hit)
        for pair, hit in zip(judged.pairs, judged.hits, strict=True)
        if pair.mode == mode and pair.batch == batch
    }


def verdict(change: Difference) -> Gate:
    """The gate's rule, on one batch."""
    if change.high < -TOLERANCE:
        return "regressed"
    return "holds" if change.low >= -TOLERANCE else "undecided"
