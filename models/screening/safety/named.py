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
def safety_models(name: str = "") -> tuple[SafetyModel, ...]:
    """The rules, and the model that `screening.safety_model` names; '' is the packaged classifier.

    The name is a folder with a trained classifier, or `models:/name@alias` or `models:/name/version` of the model
    registry. Any other folder or hub id is a causal language model that answers as Llama Guard does.

    Raises DetectorUnavailable when there is no such model.
    """
    rules = (LexiconModel(), ProfanityModel())
    if not name:
        return (*rules, GeneratedTextModel())
    folder = Path(name)
    if name.startswith("models:/") or is_classifier(folder):
        return (*rules, classifier_named(name))
    if folder.is_absolute() and not folder.is_dir():
        raise DetectorUnavailable(
            f"there is no safety model at {name}",
            setting="screening.safety_model",
            hint="Name a folder, models:/NAME@ALIAS or a hub id.",
        )
    from models.screening.safety.llama_guard import LlamaGuardModel

    return (*rules, LlamaGuardModel(name))


def classifier_named(name: str = "") -> ClassifierModel:
    """The classifier of a folder or of the registry; '' is the packaged one. Raises DetectorUnavailable."""
    if not name:
        return packaged_classifier()
    if not name.startswith("models:/"):
        return load_classifier(Path(name))
    from models.screening.safety.registry import fetch

    return load_classifier(fetch(name, load_settings()))
