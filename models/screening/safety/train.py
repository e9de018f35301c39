"""Train a safety classifier from a labelled table: fit, calibrate, choose the band, judge it on users kept apart.

Generated text (`models.screening.safety.corpus`) is always among the training rows, so that a small table does not
unlearn what it does not mention. Neither it nor anything fitted on a row takes part in calibrating or judging that row.
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
from models.calibration import Reliability, calibration_error, reliability
from models.screening.safety.classifier import ClassifierModel, Weights, calibrated, fit, pieces, version_of
from models.screening.safety.corpus import LabelledText, corpus_hash, corpus_languages, generated
from models.screening.safety.evaluate import Band, Bounds, band, choose
from models.screening.safety.interface import CATEGORIES
from models.screening.safety.ngrams import features

_UNSAFE = frozenset({"unsafe", "1", "true", "reject", "toxic", "hateful", "abusive"})
_SAFE = frozenset({"safe", "0", "false", "approve", "none", "not_hateful"})
_FOLDS = 3
_HELD_OUT_SHARE = 0.25
_GENERATED_WEIGHT = 0.5
_LEAST_ROWS = 100


@dataclass(frozen=True)
class LabelledRow:
    """A labelled text; `held_out` rows are never fitted on."""

    text: LabelledText
    held_out: bool


@dataclass(frozen=True)
class Trained:
    """A classifier and what it does on held-out rows."""

    model: ClassifierModel
    band: Band
    reliability: tuple[Reliability, ...]


def read_labels(path: Path) -> list[LabelledRow]:
    """Rows of a JSONL(.gz), parquet or Delta table with columns text (or context and response), label, and optionally
    category, language, split and user.

    A row is held out if its split is 'evaluation' (or 'test'); in a table without split a quarter of the users
    (else of the texts) is held out by hash.

    Raises TrainingRefused for an unreadable table, an unknown label or category, or a row without text.
    """
    return [_row(number, row) for number, row in enumerate(_records(path), start=1)]


def _records(path: Path) -> Iterable[Mapping[str, Any]]:
    import duckdb
    import pyarrow.dataset as arrow
    from deltalake import DeltaTable

    try:
        if path.is_dir() and (path / "_delta_log").is_dir():
            return list(DeltaTable(str(path)).to_pyarrow_dataset().to_table().to_pylist())
        if path.is_dir() or path.suffix == ".parquet":
            return list(arrow.dataset(path, format="parquet").to_table().to_pylist())
        columns, rows = _json_lines(path)
        return [dict(zip(columns, row, strict=True)) for row in rows]
    except (OSError, ValueError, duckdb.Error) as error:
        raise TrainingRefused(
            f"the labelled table {path} cannot be read: {type(error).__name__}",
            hint="Give JSONL, parquet or a Delta table.",
        ) from None


def _json_lines(path: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_json_auto(?, sample_size = -1)", [str(path)])
        return [column[0] for column in found.description or []], found.fetchall()


def _row(number: int, row: Mapping[str, Any]) -> LabelledRow:
    parts = [row.get(name) for name in ("text", "context", "user_message", "response")]
    text = "\n".join(str(part) for part in parts if part)
    label = str(row.get("label", "")).strip().lower()
    if not text.strip() or label not in _UNSAFE | _SAFE:
        raise TrainingRefused(
            f"row {number} of the labelled table has no text or no label that is known",
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
    found = LabelledText(text, unsafe, category if unsafe else None, str(row.get("language") or "en"), source)
    split = row.get("split")
    return LabelledRow(found, _by_hash(source) if split is None else str(split) in {"evaluation", "test"})


def _by_hash(source: str) -> bool:
    digest = hashlib.sha256(f"safety-held-out/{source}".encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE


def train(rows: Sequence[LabelledRow], bounds: Bounds) -> Trained:
    """Fit on the training rows; thresholds and calibration come from folds, the figures from the held-out rows.

    Raises TrainingRefused when there are too few rows of a kind or no thresholds keep the bounds.
    """
    own = [row.text for row in rows if not row.held_out]
    held = [row.text for row in rows if row.held_out]
    for name, some in (("training", own), ("held-out", held)):
        kinds = {row.unsafe for row in some}
        if len(some) < _LEAST_ROWS or len(kinds) < 2:
            raise TrainingRefused(
                f"{len(some)} {name} rows of {len(kinds)} label(s) are too few",
                hint=f"Give at least {_LEAST_ROWS} rows of both labels for training and for judging.",
            )
    overlap = {row.source for row in own} & {row.source for row in held}
    if overlap:
        raise TrainingRefused(
            f"{len(overlap)} users are on both sides of the split", hint="Split by user (column user)."
        )
    made = generated()
    base = _Parts.of(made, _GENERATED_WEIGHT)
    parts = _Parts.of(own, 1.0)
    unsafe = np.array([row.unsafe for row in own])
    logits = _out_of_fold(base, parts)
    weights = calibrated(base.joined(parts).fit(), logits, unsafe)
    calibrated_folds = 1 / (1 + np.exp(-(weights.slope * logits + weights.offset)))
    thresholds = choose(calibrated_folds, unsafe, bounds)
    model = ClassifierModel(weights, thresholds, version_of(weights, thresholds), corpus_languages())
    judged, bins = evaluate(model, held)
    _check_kept(judged, bounds)
    folds = band(calibrated_folds, unsafe, thresholds)
    facts = {
        "data_hash": data_hash(rows),
        "corpus_hash": corpus_hash(),
        "rows": {"train": len(own), "held_out": len(held), "generated": len(made)},
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


def _check_kept(judged: Band, bounds: Bounds) -> None:
    """Refuse what the held-out rows contradict: there the errors themselves must keep the bounds."""
    for name, hits, of, bound in (
        ("passing", judged.unsafe_passed, judged.passed, bounds.pass_error),
        ("rejecting", judged.safe_rejected, judged.rejected, bounds.reject_error),
    ):
        if of and hits / of > bound:
            raise TrainingRefused(
                f"on held-out rows the error of {name} is {hits / of:.3f}, {bound:.3g} is allowed",
                hint="Users differ more than the folds showed: give labels of more users, or allow more.",
            )


def evaluate(model: ClassifierModel, rows: Sequence[LabelledText]) -> tuple[Band, tuple[Reliability, ...]]:
    """What the model's thresholds do on labelled rows, and how well its probabilities are calibrated there."""
    probabilities = model.probabilities([row.text for row in rows])
    unsafe = np.array([row.unsafe for row in rows])
    return band(probabilities, unsafe, model.thresholds), reliability(probabilities, unsafe)


def _figures(found: Band) -> dict[str, float]:
    return {
        "pass_error_upper": found.pass_error_upper,
        "reject_error_upper": found.reject_error_upper,
        "review_share": found.review_share,
        "unsafe_passed": found.unsafe_passed,
        "safe_rejected": found.safe_rejected,
        "passed": found.passed,
        "rejected": found.rejected,
    }


def data_hash(rows: Iterable[LabelledRow]) -> str:
    """Of all rows, whatever their order."""
    lines = sorted(
        json.dumps([row.text.text, row.text.unsafe, row.text.category, row.text.language, row.held_out])
        for row in rows
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Parts:
    """Labelled pieces with features and weights; `owner` is the row of each piece.

    A model is fitted on pieces, as it reads pieces: an unsafe row of many pieces weighs as much as one of a single.
    """

    pieces: list[LabelledText]
    owner: npt.NDArray[np.int64]
    counts: Any
    weight: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[LabelledText], weight: float) -> _Parts:
        cut = [pieces(row.text) for row in rows]
        flat = [
            LabelledText(piece, row.unsafe, row.category, row.language, row.source)
            for row, found in zip(rows, cut, strict=True)
            for piece in found
        ]
        sizes = np.array([len(found) for found in cut])
        owner = np.repeat(np.arange(len(rows)), sizes)
        return cls(flat, owner, features([row.text for row in flat]), weight / sizes[owner])

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Parts:
        kept = np.flatnonzero(chosen)
        return _Parts([self.pieces[i] for i in kept], self.owner[kept], self.counts[kept], self.weight[kept])

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
    for one in range(_FOLDS):
        mine = fold == one
        if mine.any():
            model = base.joined(parts.where(~mine)).fit()
            some = parts.where(mine)
            np.maximum.at(logits, some.owner, model.harm_logits(some.counts))
    return logits
