"""The safety models that a setting names: the packaged classifier, one trained here, or Llama Guard."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from infra.errors import DetectorUnavailable
from infra.settings import load_settings
from models.screening.safety.classifier import ClassifierModel, is_classifier, load_classifier
from models.screening.safety.interface import SafetyModel
from models.screening.safety.lexicon import LexiconModel
from models.screening.safety.packaged import GeneratedTextModel, packaged_classifier
from models.screening.safety.profanity import ProfanityModel


@lru_cache(maxsize=2)
def safety_models(named: str = "") -> tuple[SafetyModel, ...]:
    """The rules, and the model that `screening.safety_model` names; '' is the packaged classifier.

    A folder with a trained classifier, `models:/name@alias` or `models:/name/version` of the model registry, and
    anything else as a causal language model with Llama Guard's answers: a folder or a hub id.

    Raises DetectorUnavailable when the name leads nowhere.
    """
    rules = (LexiconModel(), ProfanityModel())
    if not named:
        return (*rules, GeneratedTextModel())
    folder = Path(named)
    if named.startswith("models:/") or is_classifier(folder):
        return (*rules, classifier_named(named))
    if folder.is_absolute() and not folder.is_dir():
        raise DetectorUnavailable(
            f"there is no safety model at {named}",
            setting="screening.safety_model",
            hint="Name a folder, models:/NAME@ALIAS or a hub id.",
        )
    from models.screening.safety.llama_guard import LlamaGuardModel

    return (*rules, LlamaGuardModel(named))


def classifier_named(named: str = "") -> ClassifierModel:
    """The classifier of a folder or of the registry; '' is the packaged one. Raises DetectorUnavailable."""
    if not named:
        return packaged_classifier()
    if not named.startswith("models:/"):
        return load_classifier(Path(named))
    from models.screening.safety.registry import fetch

    return load_classifier(fetch(named, load_settings()))
