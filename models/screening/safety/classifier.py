"""A linear model on n-grams: calibrated probability of harm, the S category, and thresholds for review and rejection.

Long texts are scored whole, in pieces of a few sentences, and the worst piece counts, so that one harmful paragraph in
a page of small talk does not average out.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from infra.errors import DetectorUnavailable
from infra.storage import write_file
from models.screening.hazards import CATEGORIES
from models.screening.privacy.view import normalised
from models.screening.safety.corpus import LabelledText
from models.screening.safety.disguise import further_readings
from models.screening.safety.interface import REJECT, REVIEW, SAFE, SafetyScore
from models.screening.safety.ngrams import BUCKETS, RECIPE, features

Floats = npt.NDArray[np.float32]
_PIECE_CHARACTERS = 120
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_PENALTY = 5.0
_CEILING = 0.65
_NOTEWORTHY = 0.25
_MANIFEST = "safety_classifier.json"
_WEIGHTS = "weights.npz"


@dataclass(frozen=True)
class Thresholds:
    """Calibrated probabilities from which a text is reviewed and rejected; without `reject_at` no text is rejected."""

    review_at: float
    reject_at: float | None = None

    def scaled(self, probability: float) -> float:
        """The probability on the scale that all safety models share (see `interface.REVIEW`): monotone."""
        if probability < self.review_at:
            return REVIEW * probability / self.review_at
        if self.reject_at is None:
            return REVIEW + (_CEILING - REVIEW) * _within(probability, self.review_at, 1.0)
        if probability < self.reject_at:
            return REVIEW + (REJECT - REVIEW) * _within(probability, self.review_at, self.reject_at)
        return REJECT + (1.0 - REJECT) * _within(probability, self.reject_at, 1.0)


def _within(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.0


@dataclass(frozen=True)
class Weights:
    """Arrays of one linear model: idf and harm over BUCKETS, a row for each category, Platt's slope and offset."""

    idf: Floats
    harm: Floats
    bias: float
    category: Floats
    categories: tuple[str, ...]
    slope: float = 1.0
    offset: float = 0.0

    @cached_property
    def _category_columns(self) -> Floats:
        """Shape (BUCKETS, categories), in rows: scipy copies a transposed view whole at every product."""
        return np.ascontiguousarray(self.category.T)

    def harm_logits(self, rows: sparse.csr_matrix) -> npt.NDArray[np.float64]:
        """Uncalibrated log-odds of harm, one a row of counts."""
        return np.asarray(_weighted(rows, self.idf) @ self.harm, dtype=np.float64) + self.bias

    def probabilities(self, rows: sparse.csr_matrix) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of harm."""
        return _sigmoid(self.slope * self.harm_logits(rows) + self.offset)

    def likeliest(self, rows: sparse.csr_matrix) -> list[str]:
        """The likeliest category of each row, given that it is unsafe."""
        scores = _weighted(rows, self.idf) @ self._category_columns
        return [self.categories[index] for index in np.asarray(scores).argmax(axis=1)]


def _sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -60, 60))))


def _weighted(rows: sparse.csr_matrix, idf: Floats) -> sparse.csr_matrix:
    """Sublinear tf-idf with unit rows."""
    values = (1.0 + np.log(rows.data)) * idf[rows.indices]
    weighted = sparse.csr_matrix((values, rows.indices, rows.indptr), shape=rows.shape)
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    scale = np.repeat(1.0 / np.maximum(norms, 1e-12), np.diff(rows.indptr))
    return sparse.csr_matrix((values * scale, rows.indices, rows.indptr), shape=rows.shape)


def fit(
    rows: Sequence[LabelledText],
    counts: sparse.csr_matrix | None = None,
    weight: npt.NDArray[np.float64] | None = None,
) -> Weights:
    """Fit harm on all rows and the category on unsafe rows that name one; uncalibrated (slope 1, offset 0).

    `counts` are the rows' features if they are at hand; `weight` is the weight of each row. Harm is logistic
    regression; a category is the centroid of its rows, which is accurate enough to name the hazard.
    """
    if counts is None:
        counts = features([row.text for row in rows])
    occurrences = np.bincount(counts.indices, minlength=BUCKETS)
    idf = (np.log((1 + len(rows)) / (1 + occurrences)) + 1).astype(np.float32)
    weighted = _weighted(counts, idf)
    harm, bias = _fit_harm(weighted, np.array([row.unsafe for row in rows]), weight)
    labels = np.array([row.category if row.unsafe and row.category else "" for row in rows])
    categories = tuple(str(name) for name in sorted(set(labels) - {""}))
    centroids = np.vstack(
        [np.asarray(weighted[labels == name].mean(axis=0), dtype=np.float64) for name in categories]
    )
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return Weights(idf, harm, bias, centroids.round(5).astype(np.float32), categories)


def _fit_harm(
    weighted: sparse.csr_matrix, unsafe: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64] | None
) -> tuple[Floats, float]:
    """Coefficients and bias, rounded so that small differences between linear-algebra libraries vanish."""
    from sklearn.linear_model import LogisticRegression

    harm = LogisticRegression(C=_PENALTY, max_iter=300, tol=1e-4).fit(weighted, unsafe, sample_weight=weight)
    return harm.coef_[0].round(4).astype(np.float32), round(float(harm.intercept_[0]), 4)


def calibrated(weights: Weights, logits: npt.NDArray[np.float64], unsafe: npt.NDArray[np.bool_]) -> Weights:
    """The weights with Platt scaling fitted on out-of-fold log-odds."""
    from sklearn.linear_model import LogisticRegression

    platt = LogisticRegression(C=1e6).fit(logits[:, None], unsafe)
    return replace(
        weights,
        slope=round(max(float(platt.coef_[0, 0]), 1e-3), 4),
        offset=round(float(platt.intercept_[0]), 4),
    )


def out_of_fold(
    rows: Sequence[LabelledText],
    counts: sparse.csr_matrix,
    weight: npt.NDArray[np.float64] | None = None,
    folds: int = 2,
) -> npt.NDArray[np.float64]:
    """Log-odds of each row by a model that saw no row of its source."""
    fold = np.array([_fold(row.source, folds) for row in rows])
    logits = np.zeros(len(rows), dtype=np.float64)
    for test_fold in range(folds):
        train = np.flatnonzero(fold != test_fold)
        model = fit([rows[int(i)] for i in train], counts[train], None if weight is None else weight[train])
        logits[fold == test_fold] = model.harm_logits(counts[np.flatnonzero(fold == test_fold)])
    return logits


def _fold(source: str, folds: int) -> int:
    return int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "big") % folds


def pieces(text: str) -> list[str]:
    """The whole text in pieces of sentences, each about `_PIECE_CHARACTERS` long."""
    if len(text) <= _PIECE_CHARACTERS:
        return [text]
    finished: list[str] = []
    piece = ""
    for sentence in _SENTENCE.split(text):
        if piece and len(piece) + len(sentence) > _PIECE_CHARACTERS:
            finished.append(piece)
            piece = sentence
        else:
            piece = f"{piece} {sentence}".strip()
    return [*finished, piece]


@dataclass(frozen=True)
class ClassifierModel:
    """A fitted classifier as a safety model. Equal versions give equal answers."""

    weights: Weights
    thresholds: Thresholds
    version: str
    languages: tuple[str, ...]
    name: str = "classifier"
    facts: dict[str, Any] = field(default_factory=dict)

    def load(self) -> None:
        """Compile the feature kernel and score once. Raises DetectorUnavailable."""
        try:
            (score,) = self.score(["hello"], "en")
        except (ValueError, RuntimeError, OSError) as error:
            raise DetectorUnavailable(
                f"the safety classifier cannot score: {type(error).__name__}",
                hint="train or install it again",
            ) from error
        if not 0.0 <= score.score <= 1.0:
            raise DetectorUnavailable(
                "the safety classifier scores outside [0, 1]", hint="train or install it again"
            )

    def supports(self, language: str) -> bool:
        """The languages it was trained on, and short text of an undetermined one."""
        return language in self.languages or language == "und"

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Calibrated probability of harm of each text: that of its worst piece."""
        return self._worst_pieces(texts)[0]

    def _worst_pieces(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float64], sparse.csr_matrix]:
        """Probability and the counts of the worst piece, by text."""
        parts = [
            [
                piece
                for reading in (text, *further_readings(normalised(text).text))
                for piece in pieces(reading)
            ]
            for text in texts
        ]
        counts = features([piece for text_pieces in parts for piece in text_pieces])
        probabilities = self.weights.probabilities(counts)
        starts = np.cumsum([0, *(len(text_pieces) for text_pieces in parts)])
        worst = np.array(
            [begin + int(np.argmax(probabilities[begin:end])) for begin, end in pairwise(starts)],
            dtype=np.int64,
        )
        return probabilities[worst], counts[worst]

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text on the shared scale, with a category from `_NOTEWORTHY` on."""
        if not texts:
            return []
        probabilities, counts = self._worst_pieces(texts)
        scaled = [self.thresholds.scaled(float(p)) for p in probabilities]
        # `not <` includes NaN, which must not look safe.
        noteworthy = [i for i, value in enumerate(scaled) if not value < _NOTEWORTHY]
        likeliest = self.weights.likeliest(counts[noteworthy]) if noteworthy else []
        categories = dict(zip(noteworthy, likeliest, strict=True))
        return [
            SafetyScore(categories[index], value) if index in categories else SAFE
            for index, value in enumerate(scaled)
        ]


def version_of(weights: Weights, thresholds: Thresholds) -> str:
    """Hash of all weights and thresholds, the categories and the features' recipe."""
    digest = hashlib.sha256(f"{RECIPE}/{weights.categories}/{thresholds}".encode())
    for array in (weights.idf, weights.harm, weights.category):
        digest.update(array.tobytes())
    digest.update(f"{weights.bias}/{weights.slope}/{weights.offset}".encode())
    return digest.hexdigest()[:12]


def save(model: ClassifierModel, folder: Path) -> None:
    """Write manifest and weights to a folder; the manifest is written last, so a folder that has one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = model.weights.idf < model.weights.idf.max()
    used = np.flatnonzero(seen | (model.weights.harm != 0)).astype(np.int32)
    np.savez_compressed(
        folder / _WEIGHTS,
        used=used,
        idf=model.weights.idf[used],
        harm=model.weights.harm[used],
        category=model.weights.category[:, used],
        unseen=np.float32(model.weights.idf.max()),
    )
    manifest = {
        "version": model.version,
        "recipe": RECIPE,
        "bias": model.weights.bias,
        "slope": model.weights.slope,
        "offset": model.weights.offset,
        "categories": model.weights.categories,
        "thresholds": asdict(model.thresholds),
        "languages": model.languages,
        "facts": model.facts,
    }
    write_file(folder / _MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))


def is_classifier(folder: Path) -> bool:
    """Whether a folder holds a saved classifier."""
    return (folder / _MANIFEST).is_file()


def load_classifier(folder: Path) -> ClassifierModel:
    """Read a saved classifier. Raises DetectorUnavailable when it is incomplete, of another kind or changed."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        with np.load(folder / _WEIGHTS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        weights = _spread(arrays, manifest)
        thresholds = Thresholds(**manifest["thresholds"])
        if manifest["recipe"] != RECIPE:
            raise ValueError("made with other features")
        if not set(weights.categories) <= set(CATEGORIES):
            raise ValueError("unknown categories")
        if version_of(weights, thresholds) != manifest["version"]:
            raise ValueError("changed since it was saved")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DetectorUnavailable(
            f"no whole safety classifier in {folder}: {type(error).__name__}",
            setting="screening.safety_model",
            hint="Train it again: flywheel safety train.",
        ) from error
    return ClassifierModel(
        weights,
        thresholds,
        manifest["version"],
        tuple(manifest["languages"]),
        facts=dict(manifest["facts"]),
    )


def _spread(arrays: dict[str, Any], manifest: dict[str, Any]) -> Weights:
    used = arrays["used"]
    idf = np.full(BUCKETS, arrays["unseen"], dtype=np.float32)
    idf[used] = arrays["idf"]
    harm = np.zeros(BUCKETS, dtype=np.float32)
    harm[used] = arrays["harm"]
    category = np.zeros((len(arrays["category"]), BUCKETS), dtype=np.float32)
    category[:, used] = arrays["category"]
    return Weights(
        idf,
        harm,
        float(manifest["bias"]),
        category,
        tuple(manifest["categories"]),
        float(manifest["slope"]),
        float(manifest["offset"]),
    )
