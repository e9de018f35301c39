"""A signal model on a pre-trained transformer: one logit after the context and the response (equation 6)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from infra.errors import TrainingRefused
from infra.storage import new_folder
from models.calibration import Calibration
from models.chat.conversation import messages
from models.signals.model import SEEN, Bools, Floats, texts
from models.training.callbacks import Progress
from models.training.configuration import Configuration

_CALIBRATION = "calibration.json"
CALIBRATED = "calibrated"


class Transformer:
    """A trained one-logit sequence classifier.

    Args:
        folder: written by `save_pretrained`, with its tokenizer.
        longest: most tokens of a sequence; older turns are left out.

    Attributes:
        length_counts: rows by how they fitted that length, added up over all calls.
    """

    name = "transformer"

    def __init__(self, folder: Path, longest: int) -> None:
        from models.training.fitting import Fitting
        from models.training.sequences import tokenizer_of

        self.folder = folder
        self._fitting = Fitting(tokenizer_of(str(folder)), longest)
        self._network: Any = None

    @property
    def length_counts(self) -> Mapping[str, int]:
        """Number of whole, shortened and too long rows."""
        return self._fitting.counts

    def sequences(self, rows: pa.Table) -> list[list[int] | None]:
        """Token ids of each row; None where the last message and the response are too long together."""
        return _sequences(self._fitting, rows)

    def logits(self, rows: pa.Table) -> Floats:
        """Log-odds, one a row; NaN where the row is too long."""
        from models.training.scoring import load, score

        if self._network is None:
            self._network = load(self.folder)
        sequences = self.sequences(rows)
        readable = [index for index, sequence in enumerate(sequences) if sequence is not None]
        values = np.full(len(sequences), np.nan)
        if readable:
            values[readable] = score(
                self._network, [sequence for sequence in sequences if sequence is not None]
            )
        return values


def fit(
    root: Path,
    configuration: Configuration,
    base: str,
    rows: pa.Table,
    labels: Bools,
    progress: Progress | None = None,
) -> tuple[Transformer, Path, Mapping[str, int]]:
    """Train on rows of `SEEN` columns; the same rows and settings again return the earlier model.

    Returns:
        the model, the folder of its run, and the training rows by how they fitted the length.

    Raises:
        TrainingRefused: all rows have the same outcome, over one row in twenty is too long, or the loss is not finite.
    """
    from models.training.fitting import Fitting
    from models.training.run import prepare, start
    from models.training.sequences import tokenizer_of

    fitting = Fitting(tokenizer_of(base), configuration.max_length)
    examples = [
        (ids, int(label))
        for ids, label in zip(_sequences(fitting, rows), labels.tolist(), strict=True)
        if ids is not None
    ]
    fitting.check("responses")
    kept_labels = [label for _, label in examples]
    weight = positive_weight(configuration, kept_labels)
    run = prepare(
        root, configuration, base, {"input_ids": [ids for ids, _ in examples], "labels": kept_labels}, weight
    )
    return Transformer(start(run, progress), configuration.max_length), run, dict(fitting.counts)


def positive_weight(configuration: Configuration, labels: Sequence[int]) -> float | None:
    """Weight of rows with the signal: negatives over positives when balanced.

    Log-odds are then too high by the logarithm of the weight; calibration corrects this.

    Raises:
        TrainingRefused: all rows have the same outcome.
    """
    positive = sum(labels)
    if not 0 < positive < len(labels):
        raise TrainingRefused(
            f"{len(labels)} training rows all have the same outcome", hint="Give more days."
        )
    weight = configuration.pos_weight
    return (len(labels) - positive) / positive if weight == "balanced" else weight


def calibrated_folder(model: Path, run: Path, calibration: Calibration) -> Path:
    """A folder with the model and its calibration, to be registered; files are linked, not copied."""
    folder = run / CALIBRATED
    with new_folder(folder, replace=True) as draft:
        shutil.copytree(model, draft, copy_function=_linked, dirs_exist_ok=True)
        (draft / _CALIBRATION).write_text(json.dumps(calibration.as_dict(), sort_keys=True), encoding="utf-8")
    return folder


def calibration_of(folder: Path) -> Calibration:
    """The calibration in the folder of a registered signal model.

    Raises:
        TrainingRefused: there is none, so its scores are not probabilities.
    """
    try:
        return Calibration.of(json.loads((folder / _CALIBRATION).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingRefused(
            f"the model has no calibration: its scores are not probabilities ({type(error).__name__})",
            hint="Train it again: flywheel train signals.",
        ) from None


def _sequences(fitting: Any, rows: pa.Table) -> list[list[int] | None]:
    pairs = zip(texts(rows.select(SEEN), "context"), texts(rows, "response"), strict=True)
    fit_results = (fitting.answered(messages(context), response) for context, response in pairs)
    return [None if fit_result is None else fit_result[0] for fit_result in fit_results]


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
