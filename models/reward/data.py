"""The pairs that a reward model learns from and is judged on: a table at a version, held apart by user, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.errors import TooFewLabels, TrainingRefused
from infra.settings import Settings
from models.chat.preferences import COLUMNS, TABLE, Pair, Row, pairs, single_random
from models.tables.opened import Opened, open_snapshot
from models.tables.snapshot import Snapshot
from models.training.leakage import LeakageReport, Text, measure_leakage

LEAKED = "leaked"
_READ = (*COLUMNS, "user_id")


@dataclass(frozen=True)
class Data:
    """Both sides of the split.

    Attributes:
        training: every label that prefers a response is a pair; those whose prompt is met in evaluation are left out.
        evaluation: each pair once, by one label drawn.
        rows, held: labels of both sides, as the agreement study reads them.
        training_counts, evaluation_counts: labels by fate, `leaked` among them: they add up to the rows read.
    """

    snapshots: tuple[Snapshot, Snapshot]
    leakage: LeakageReport
    training: tuple[Pair, ...]
    evaluation: tuple[Pair, ...]
    rows: tuple[Row, ...]
    held: tuple[Row, ...]
    training_counts: Mapping[str, int]
    evaluation_counts: Mapping[str, int]

    @property
    def source(self) -> str:
        """`stage.table@version`."""
        return str(self.snapshots[0])


def open_pairs(
    settings: Settings, table: str = TABLE, until: str = "", seed: int = 7, text: Text = "prompt"
) -> Data:
    """Read `annotation.preferences`, or a table like it, at a version.

    Args:
        table: `stage.table` or `stage.table@12`.
        until: YYMMDD of the last batch; empty: all.
        seed: draws the label of a pair that several annotators judged, for evaluation.
        text: what of an evaluation pair may not be met in training, nearly or exactly: its `prompt`, or the `whole`
            with both responses.

    Raises:
        TrainingRefused: a user is on both sides, rows contradict each other, a side has no pair that prefers one, or
            most of training would have to be left out.
    """
    if until and not (len(until) == 6 and until.isdecimal()):
        raise TrainingRefused(
            f"{until} is no batch", setting="until", hint="Batches are YYMMDD, such as 260118."
        )
    where = f"batch <= '{until}'" if until else ""
    sides = []
    for split in ("train", "evaluation"):
        sides.append(open_snapshot(settings, table, where=where, split=split, columns=_READ))
        # Both sides are read at one version, also where somebody writes meanwhile.
        table = str(sides[0].snapshot)
    report = measure_leakage(sides[0], sides[1], text=text)
    # Users may never be on both sides; questions that many people ask are left out of training.
    report.refuse(allowed=1.0)
    leaking = set(report.leaking)
    if 2 * len(leaking) > report.train_rows:
        raise TrainingRefused(
            f"the {text} of {len(leaking)} of {report.train_rows} training labels is nearly one of evaluation",
            table=str(sides[0].snapshot),
            hint="Where people ask much the same, compare whole pairs: --apart whole."
            if text == "prompt"
            else "The sides are not apart: look at where the pairs come from.",
        )
    everything = _rows(sides[0])
    rows = tuple(row for number, row in enumerate(everything) if number not in leaking)
    held = _rows(sides[1])
    learnt, judged = pairs(rows), single_random(held, seed, reviews=1)
    counts = Counter(learnt.counts) + Counter({LEAKED: len(everything) - len(rows)})
    if not learnt.pairs or not judged.pairs:
        raise TooFewLabels(
            f"{len(learnt.pairs)} pairs to learn from and {len(judged.pairs)} to be judged on",
            table=str(sides[0].snapshot),
            hint="Import more pairs, of more users: flywheel preferences import.",
        )
    return Data(
        (sides[0].snapshot, sides[1].snapshot), report, learnt.pairs, judged.pairs, rows, held,
        dict(counts), judged.counts,
    )  # fmt: skip


def _rows(opened: Opened) -> tuple[dict[str, Any], ...]:
    return tuple(row for batch in opened.batches() for row in batch.to_pylist())
