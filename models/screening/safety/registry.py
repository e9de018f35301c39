"""Trained safety classifiers in the registry: a version is made only if the stored copy gives the same scores."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from infra.errors import DetectorUnavailable, ModelUnknown, RegistrationRefused, RegistryUnavailable
from infra.settings import Settings
from models.registry import tracking
from models.registry.entry import Entry, enter, flat, stored
from models.screening.safety.classifier import ClassifierModel, load_classifier, save

_EXPERIMENT = "safety"


def register(model: ClassifierModel, name: str, alias: str, probe: Sequence[str], settings: Settings) -> str:
    """Store the classifier, read it back, compare scores on the probe, and only then make a version and the alias.

    Logs figures and hashes, never a text. Returns the version number: the earlier one if the classifier was registered
    before.

    Raises:
        RegistrationRefused: the stored classifier gives other scores, or the alias is reserved.
        RegistryUnavailable: the registry cannot be reached.
    """
    expected = model.probabilities(probe)

    def check(place: Path) -> None:
        if not np.array_equal(load_classifier(place).probabilities(probe), expected):
            raise RegistrationRefused("the stored classifier does not give the scores of the trained one")

    facts = dict(flat(model.facts))
    figures = {key: float(value) for key, value in facts.items() if isinstance(value, int | float)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save(model, folder)
        entry = Entry(
            name=name,
            experiment=_EXPERIMENT,
            folder=folder,
            files=tuple(sorted(file.name for file in folder.iterdir())),
            identity=_hash(folder),
            check=check,
            parameters={key: str(value) for key, value in facts.items() if key not in figures},
            metrics=figures,
            tags={
                "classifier_version": model.version,
                "data_hash": str(model.facts.get("data_hash", "")),
                "review_at": str(model.thresholds.review_at),
                "reject_at": str(model.thresholds.reject_at),
            },
        )
        return str(enter(settings, entry, alias).version)


def fetch(name: str, settings: Settings) -> Path:
    """The folder of `models:/name@alias` or `models:/name/version`. Raises DetectorUnavailable."""
    try:
        return stored(settings, tracking.version_of(settings, name))
    except (ModelUnknown, RegistryUnavailable, RegistrationRefused) as error:
        raise DetectorUnavailable(
            f"the registry has no {name}: {type(error).__name__}",
            setting="screening.safety_model",
            hint="See the aliases in MLflow, or train: flywheel safety train.",
        ) from error


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
