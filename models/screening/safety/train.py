"""Train a safety classifier from a labelled table: fit, calibrate, choose thresholds, evaluate on held-out users.

Generated text (`models.screening.safety.corpus`) is always among the training rows, so that a small table
does not unlearn the hazards that it lacks. A row is calibrated and judged only by models that were not fitted on it, or
on a row of its source; generated rows are used for fitting only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.errors import TrainingRefused
from infra.records import Record, read_records
from models.calibration import Reliability, calibration_error, reliability
from models.screening.hazards import CATEGORIES
from models.screening.safety.classifier import ClassifierModel, Weights, calibrated, fit, pieces, version_of
from models.screening.safety.corpus import LabelledText, corpus_hash, corpus_languages, generated
from models.screening.safety.evaluate import Band, Bounds, band, choose
from models.screening.safety.ngrams import features

_UNSAFE = frozenset({"unsafe", "1", "true", "reject", "toxic", "hateful", "abusive"})
_SAFE = frozenset({"safe", "0", "false", "approve", "none", "not_hateful"})
_FOLDS = 3
_HELD_OUT_SHARE = 0.25
_GENERATED_WEIGHT = 0.5
_LEAST_ROWS = 100
_MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class LabelledRow:
    """A labelled text; `held_out` rows are never fitted on."""

    text: LabelledText
    held_out: bool


@dataclass(frozen=True)
class Trained:
    """A classifier and its results on held-out rows."""

    model: ClassifierModel
    band: Band
    reliability: tuple[Reliability, ...]


def read_labels(path: Path) -> list[LabelledRow]:
    """Rows of a JSONL(.gz), parquet or Delta table with columns text (or context and response), label, and optionally
    category, language, split and user.

    A row is held out if its split is 'evaluation' (or 'test'); in a table without split a quarter of the users
    (else of the texts) is held out by hash.

    Raises:
        TrainingRefused: the table or a row cannot be read, a label or category is unknown, or a row has no text.
        InputDamaged: a file of lines is cut short or no UTF-8.
    """
    return [_row(number, row) for number, row in enumerate(_records(path), start=1)]


def _records(path: Path) -> Iterable[Mapping[str, Any]]:
    import pyarrow.dataset as arrow
    from deltalake import DeltaTable

    try:
        if path.is_dir() and (path / "_delta_log").is_dir():
            return list(DeltaTable(str(path)).to_pyarrow_dataset().to_table().to_pylist())
        if path.is_dir() or path.suffix == ".parquet":
            return list(arrow.dataset(path, format="parquet").to_table().to_pylist())
    except (OSError, ValueError) as error:
        raise TrainingRefused(
            f"the labelled table {path} cannot be read: {type(error).__name__}",
            hint="Give JSONL, parquet or a Delta table.",
        ) from None
    if not path.exists():
        raise TrainingRefused(
            f"the labelled table {path} does not exist", hint="Give JSONL, parquet or a Delta table."
        )
    return [_object(path, record) for record in read_records(path, _MAX_BYTES)]


def _object(path: Path, record: Record) -> Mapping[str, Any]:
    if record.value is None:
        raise TrainingRefused(
            f"row {record.number} of the labelled table {path} is refused: {record.reason}",
            hint="Mend or delete it: a model is trained on all rows or none.",
        )
    return record.value


def _row(number: int, row: Mapping[str, Any]) -> LabelledRow:
    parts = [row.get(name) for name in ("text", "context", "user_message", "response")]
    text = "\n".join(str(part) for part in parts if part)
    label = str(row.get("label", "")).strip().lower()
    if not text.strip() or label not in _UNSAFE | _SAFE:
        raise TrainingRefused(
            f"row {number} of the labelled table has no text or no known label",
            hint=f"Labels are {', '.join(sorted(_UNSAFE | _SAFE))}.",
        )
    category = row.get("category") or None
    if category is not None and category not in CATEGORIES:
        raise TrainingRefused(
            f"row {number} of the labelled table has an unknown category",
            hint=f"Categories are {', '.join(CATEGORIES)}.",
        )
    source = str(row.get("user") or row.get("user_id") or text)
    unsafe = label in _UNSAFE
    labelled = LabelledText(
        text, unsafe, category if unsafe else None, str(row.get("language") or "en"), source
    )
    split = row.get("split")
    return LabelledRow(labelled, _by_hash(source) if split is None else str(split) in {"evaluation", "test"})


def _by_hash(source: str) -> bool:
    digest = hashlib.sha256(f"safety-held-out/{source}".encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE


def train(rows: Sequence[LabelledRow], bounds: Bounds) -> Trained:
    """Fit on the training rows; thresholds and calibration come from folds, the figures from the held-out rows.

    Raises TrainingRefused when there are too few rows of a kind or no thresholds keep the bounds.
    """
    training = [row.text for row in rows if not row.held_out]
    held_out = [row.text for row in rows if row.held_out]
    for name, part in (("training", training), ("held-out", held_out)):
        kinds = {row.unsafe for row in part}
        if len(part) < _LEAST_ROWS or len(kinds) < 2:
            raise TrainingRefused(
                f"{len(part)} {name} rows of {len(kinds)} label(s) are too few",
                hint=f"Give at least {_LEAST_ROWS} rows of both labels for training and for judging.",
            )
    overlap = {row.source for row in training} & {row.source for row in held_out}
    if overlap:
        raise TrainingRefused(
            f"{len(overlap)} users are on both sides of the split", hint="Split by user (column user)."
        )
    generated_rows = generated()
    base = _Parts.of(generated_rows, _GENERATED_WEIGHT)
    parts = _Parts.of(training, 1.0)
    unsafe = np.array([row.unsafe for row in training])
    logits = _out_of_fold(base, parts)
    weights = calibrated(base.joined(parts).fit(), logits, unsafe)
    calibrated_folds = 1 / (1 + np.exp(-(weights.slope * logits + weights.offset)))
    thresholds = choose(calibrated_folds, unsafe, bounds)
    model = ClassifierModel(weights, thresholds, version_of(weights, thresholds), corpus_languages())
    judged, bins = evaluate(model, held_out)
    _check_bounds(judged, bounds)
    folds = band(calibrated_folds, unsafe, thresholds)
    facts = {
        "data_hash": data_hash(rows),
        "corpus_hash": corpus_hash(),
        "rows": {"train": len(training), "held_out": len(held_out), "generated": len(generated_rows)},
        "thresholds": {"review_at": thresholds.review_at, "reject_at": thresholds.reject_at},
        "bounds": vars(bounds),
        "folds": _figures(folds),
        "held_out": _figures(judged) | {"calibration_error": calibration_error(bins)},
        "reliability": {
            f"bin{i}": f"{b.rows}:{b.predicted:.4f}:{b.observed:.4f}" for i, b in enumerate(bins)
        },
    }
    return Trained(
        ClassifierModel(weights, thresholds, model.version, model.languages, facts=facts), judged, bins
    )


def _check_bounds(judged: Band, bounds: Bounds) -> None:
    """Refuse thresholds whose errors (not their upper bounds) on the held-out rows exceed the bounds."""
    for name, hits, trials, bound in (
        ("passing", judged.unsafe_passed, judged.passed, bounds.pass_error),
        ("rejecting", judged.safe_rejected, judged.rejected, bounds.reject_error),
    ):
        if trials and hits / trials > bound:
            raise TrainingRefused(
                f"on held-out rows the error of {name} is {hits / trials:.3f}, {bound:.3g} is allowed",
                hint="Users differ more than the folds showed: give labels of more users, or allow more.",
            )


def evaluate(model: ClassifierModel, rows: Sequence[LabelledText]) -> tuple[Band, tuple[Reliability, ...]]:
    """The outcome of the model's thresholds on labelled rows, and the calibration of its probabilities there."""
    probabilities = model.probabilities([row.text for row in rows])
    unsafe = np.array([row.unsafe for row in rows])
    return band(probabilities, unsafe, model.thresholds), reliability(probabilities, unsafe)


def _figures(outcome: Band) -> dict[str, float]:
    return {
        "pass_error_upper": outcome.pass_error_upper,
        "reject_error_upper": outcome.reject_error_upper,
        "review_share": outcome.review_share,
        "unsafe_passed": outcome.unsafe_passed,
        "safe_rejected": outcome.safe_rejected,
        "passed": outcome.passed,
        "rejected": outcome.rejected,
    }


def data_hash(rows: Iterable[LabelledRow]) -> str:
    """Hash of all rows, whatever their order."""
    lines = sorted(
        json.dumps([row.text.text, row.text.unsafe, row.text.category, row.text.language, row.held_out])
        for row in rows
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Parts:
    """Labelled pieces with features and weights; `owner` is the row of each piece.

    A model is fitted on pieces because it scores pieces; a row weighs the same however many pieces it has.
    """

    pieces: list[LabelledText]
    owner: npt.NDArray[np.int64]
    counts: Any
    weight: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[LabelledText], weight: float) -> _Parts:
        pieces_by_row = [pieces(row.text) for row in rows]
        flat = [
            LabelledText(piece, row.unsafe, row.category, row.language, row.source)
            for row, row_pieces in zip(rows, pieces_by_row, strict=True)
            for piece in row_pieces
        ]
        sizes = np.array([len(row_pieces) for row_pieces in pieces_by_row])
        owner = np.repeat(np.arange(len(rows)), sizes)
        return cls(flat, owner, features([row.text for row in flat]), weight / sizes[owner])

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Parts:
        indices = np.flatnonzero(chosen)
        return _Parts(
            [self.pieces[i] for i in indices], self.owner[indices], self.counts[indices], self.weight[indices]
        )

    def joined(self, other: _Parts) -> _Parts:
        from scipy import sparse

        return _Parts(
            [*self.pieces, *other.pieces],
            np.concatenate([self.owner, other.owner]),
            sparse.vstack([self.counts, other.counts], format="csr"),
            np.concatenate([self.weight, other.weight]),
        )

    def fit(self) -> Weights:
        return fit(self.pieces, self.counts, self.weight)


def _out_of_fold(base: _Parts, parts: _Parts) -> npt.NDArray[np.float64]:
    """Log-odds of each row (its worst piece) by a model that saw no row of its source."""
    rows = int(parts.owner.max()) + 1
    logits = np.full(rows, -np.inf)
    fold = np.array(
        [int(hashlib.sha256(p.source.encode()).hexdigest()[:8], 16) % _FOLDS for p in parts.pieces]
    )
    for number in range(_FOLDS):
        in_fold = fold == number
        if in_fold.any():
            model = base.joined(parts.where(~in_fold)).fit()
            test = parts.where(in_fold)
            np.maximum.at(logits, test.owner, model.harm_logits(test.counts))
    return logits
