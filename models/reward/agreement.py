"""What agreement among annotators is worth, as in Table 9: three ways to use several labels a pair, two ways to judge.

Each row of the paper's table is a training set made of the same pairs: only those on which all annotators agree, all
labels, or one label drawn for each pair; the first row is the model before training. Each is judged on held-apart pairs
by one drawn label, and on held-apart pairs on which all annotators agree. The paper's reading: judge on agreed pairs,
since the noise of single labels hides what was learnt; train on single labels if you like, the noise averages out
(it warns that this was seen for engagement, not for tasks with one right answer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import TrainingRefused
from models.chat.preferences import Pair, PairSet, Row, all_labels, single_random, unanimous
from models.reward.evaluate import Kind, judge
from models.reward.intervals import Accuracy
from models.reward.matrix import check_apart
from models.reward.train import train
from models.training.base import resolved
from models.training.callbacks import Progress
from models.training.configuration import Configuration
from models.training.sequences import classifier

BASELINE = "not trained"


@dataclass(frozen=True)
class Line:
    """One training set and one kind of model.

    Attributes:
        labels: training labels; 0 for the model before training.
        single: accuracy on held-apart pairs by one drawn label.
        agreed: accuracy on held-apart pairs on which all annotators agree.
        longer: the null on those.
    """

    kind: Kind
    training: str
    labels: int
    single: Accuracy
    agreed: Accuracy
    longer: Accuracy


def agreement(
    training: Sequence[Row],
    evaluation: Sequence[Row],
    configurations: Mapping[Kind, Configuration],
    base: str,
    root: Path,
    reviews: int = 3,
    progress_for: Callable[[str], Progress] | None = None,
) -> list[Line]:
    """Train and judge all of it, pointwise and pairwise as there are configurations.

    Args:
        training, evaluation: rows of `annotation.preferences`, of users on different sides of the split.
        reviews: least labels of a pair; pairs with fewer take no part.

    Raises:
        TrainingRefused: there are no pairs with so many labels on one of the sides.
    """
    lines: list[Line] = []
    for kind, configuration in configurations.items():
        sets = _sets(training, configuration.seed, reviews)
        single = single_random(evaluation, configuration.seed, reviews).pairs
        agreed = unanimous(evaluation, reviews).pairs
        _check(sets, single, agreed, reviews)
        fresh, tokenizer = classifier(resolved(configuration.base_model or base), configuration.seed)
        lines.append(_line(kind, BASELINE, 0, fresh, tokenizer, single, agreed, configuration))
        for name, pair_set in sets.items():
            check_apart(pair_set.pairs, single)
            progress = progress_for(f"{kind}, {name}") if progress_for else None
            trained = train(kind, pair_set.pairs, configuration, base, root, progress)
            lines.append(
                _line(
                    kind, name, len(pair_set.pairs), trained.folder, tokenizer, single, agreed, configuration
                )
            )
    return lines


def _sets(rows: Sequence[Row], seed: int, reviews: int) -> dict[str, PairSet]:
    return {
        "multi-review (with agreement)": unanimous(rows, reviews),
        "single-review (all)": all_labels(rows, reviews),
        "single-review (random)": single_random(rows, seed, reviews),
    }


def _line(
    kind: Kind, name: str, labels: int, model: Any, tokenizer: Any,
    single: Sequence[Pair], agreed: Sequence[Pair], configuration: Configuration,
) -> Line:  # fmt: skip
    by_single = judge(kind, model, tokenizer, single, configuration.max_length)
    by_agreed = judge(kind, model, tokenizer, agreed, configuration.max_length)
    return Line(kind, name, labels, by_single.accuracy(), by_agreed.accuracy(), by_agreed.longer())


def _check(sets: Mapping[str, PairSet], single: Sequence[Pair], agreed: Sequence[Pair], reviews: int) -> None:
    empty = [name for name, pair_set in sets.items() if not pair_set.pairs]
    if empty or not single or not agreed:
        raise TrainingRefused(
            f"too few pairs have {reviews} labels or more: nothing for {', '.join(empty) or 'evaluation'}",
            table="annotation.preferences",
            hint="Have pairs judged by several annotators, or ask for fewer labels (--reviews).",
        )
