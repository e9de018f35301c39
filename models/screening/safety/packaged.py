"""The classifier that needs no labels: fitted on generated text at first use and cached for the user.

It can send a text to review but never rejects: training on templates is too little evidence for a rejection.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from infra.cache import user_cache
from infra.errors import DetectorUnavailable
from infra.storage import new_folder
from models.screening.safety.classifier import (
    ClassifierModel,
    Thresholds,
    calibrated,
    fit,
    is_classifier,
    load_classifier,
    out_of_fold,
    save,
    version_of,
)
from models.screening.safety.corpus import corpus_hash, corpus_languages, generated
from models.screening.safety.interface import SAFE, SafetyScore
from models.screening.safety.ngrams import RECIPE, features

# Of calibrated probability; chosen on the tune half of public sets (docs/measurements/curation/safety.md).
_REVIEW_AT = 0.55
_FIT = "fit-1"
_LEAST_WORDS = 3
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_]+")


@lru_cache(maxsize=1)
def recipe_hash() -> str:
    """Hash of the classifier's data and settings: the same on every machine, unlike the last digits of its weights."""
    parts = f"{corpus_hash()}/{RECIPE}/{_FIT}/{_REVIEW_AT}"
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def build() -> ClassifierModel:
    """Fit on all generated text, calibrated on folds that share no template; takes some seconds."""
    rows = generated()
    counts = features([row.text for row in rows])
    unsafe = np.array([row.unsafe for row in rows])
    weights = calibrated(fit(rows, counts), out_of_fold(rows, counts), unsafe)
    thresholds = Thresholds(_REVIEW_AT)
    return ClassifierModel(weights, thresholds, version_of(weights, thresholds), corpus_languages())


@lru_cache(maxsize=1)
def packaged_classifier() -> ClassifierModel:
    """The fitted classifier from the cache, built first if it is missing. Raises DetectorUnavailable."""
    folder = user_cache() / f"safety-{recipe_hash()}"
    if is_classifier(folder):
        try:
            return _with_recipe_version(load_classifier(folder))
        except DetectorUnavailable:
            shutil.rmtree(folder, ignore_errors=True)  # rebuild a damaged cache
    try:
        model = build()
    except (ValueError, OSError, KeyError) as error:
        raise DetectorUnavailable(
            f"the packaged safety classifier cannot be built: {type(error).__name__}",
            hint="Reinstall the project (uv sync).",
        ) from error
    _store(model, folder)
    return _with_recipe_version(model)


def _with_recipe_version(model: ClassifierModel) -> ClassifierModel:
    return replace(model, version=recipe_hash())


def _store(model: ClassifierModel, folder: Path) -> None:
    """Put the model in the cache; another process may do the same, and a cache that cannot be written is no error."""
    with suppress(OSError), new_folder(folder) as draft:
        save(model, draft)


@dataclass(frozen=True)
class GeneratedTextModel:
    """The packaged classifier as a safety model that is fitted or loaded on first use."""

    name: str = "classifier"

    @property
    def version(self) -> str:
        """Hash of the generated text and of how the model is fitted, and the fewest words that are scored."""
        return f"{recipe_hash()}-{_LEAST_WORDS}"

    def load(self) -> None:
        """Build or read the classifier. Raises DetectorUnavailable."""
        packaged_classifier().load()

    def supports(self, language: str) -> bool:
        """Languages that the generator writes in, and short text of an undetermined one."""
        return language in corpus_languages() or language == "und"

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text; at most .65, so that this model alone rejects nothing.

        Texts under three words ("go on", "do it") carry too little information: they are left to the rules, and to the
        text that they form together with the messages before them.
        """
        scored = [index for index, text in enumerate(texts) if len(_WORD.findall(text)) >= _LEAST_WORDS]
        scores = [SAFE] * len(texts)
        for index, score in zip(
            scored, packaged_classifier().score([texts[i] for i in scored], language), strict=True
        ):
            scores[index] = score
        return scores
