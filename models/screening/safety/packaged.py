"""The classifier that needs no labels: fitted on generated text at first use, kept in the user's cache.

It can ask for a review and never rejects: what was learnt from templates is a suspicion, not a proof.
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
_REVIEW_AT = 0.5
_FIT = "fit-1"
_LEAST_WORDS = 3
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_]+")


@lru_cache(maxsize=1)
def recipe_hash() -> str:
    """What the packaged classifier is made of: the same on every machine, unlike the last digits of its weights."""
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
    """The fitted classifier from the cache, built where it is not there yet. Raises DetectorUnavailable."""
    folder = user_cache() / f"safety-{recipe_hash()}"
    if is_classifier(folder):
        try:
            return _named(load_classifier(folder))
        except DetectorUnavailable:
            shutil.rmtree(folder, ignore_errors=True)  # a damaged cache is made anew
    try:
        model = build()
    except (ValueError, OSError, KeyError) as error:
        raise DetectorUnavailable(
            f"the packaged safety classifier cannot be built: {type(error).__name__}",
            hint="Reinstall the project (uv sync).",
        ) from error
    _keep(model, folder)
    return _named(model)


def _named(model: ClassifierModel) -> ClassifierModel:
    return replace(model, version=recipe_hash())


def _keep(model: ClassifierModel, folder: Path) -> None:
    """Put the model in the cache; another process may do the same, and a home that cannot be written is no fault."""
    with suppress(OSError), new_folder(folder) as draft:
        save(model, draft)


@dataclass(frozen=True)
class GeneratedTextModel:
    """The packaged classifier as a safety model that is fitted or read when it is first asked."""

    name: str = "classifier"

    @property
    def version(self) -> str:
        """Hash of the generated text and of how it is fitted, and the fewest words that are scored."""
        return f"{recipe_hash()}-{_LEAST_WORDS}"

    def load(self) -> None:
        """Build or read the classifier. Raises DetectorUnavailable."""
        packaged_classifier().load()

    def supports(self, language: str) -> bool:
        """Languages that the generator writes in, and short text of an undetermined one."""
        return language in corpus_languages() or language == "und"

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text; at most .65, so that nothing is rejected on its word alone.

        Of "go on" or "do it" letters tell nothing: texts under three words are left to the rules, and to the text that
        they make together with the messages before them.
        """
        worth = [index for index, text in enumerate(texts) if len(_WORD.findall(text)) >= _LEAST_WORDS]
        scores = [SAFE] * len(texts)
        for index, score in zip(
            worth, packaged_classifier().score([texts[i] for i in worth], language), strict=True
        ):
            scores[index] = score
        return scores
