"""Trained safety classifiers in MLflow: a version exists only after what was stored gives the same scores again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infra.errors import DetectorUnavailable, RegistrationRefused
from infra.settings import Settings
from models.safety.classifier import ClassifierModel, load_classifier, save

_FOLDER = "safety_classifier"
_RESERVED = frozenset({"latest"})


def tracking_uri(settings: Settings) -> str:
    """The setting's URI, or SQLite in the project."""
    if settings.tracking.uri:
        return settings.tracking.uri
    folder = settings.home / ".flywheel"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _client(settings: Settings) -> Any:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    return mlflow.MlflowClient(tracking_uri=tracking_uri(settings), registry_uri=tracking_uri(settings))


def register(model: ClassifierModel, name: str, alias: str, probe: Sequence[str], settings: Settings) -> str:
    """Log the classifier as a run, read it back, compare scores on the probe, and only then make version and alias.

    Figures and hashes are logged; never a text. Returns the version's number.

    Raises RegistrationRefused when the stored classifier scores otherwise, or the alias is reserved.
    """
    if alias in _RESERVED or alias.lstrip("v").isdigit():
        raise RegistrationRefused(
            f"the alias {alias} is reserved by MLflow", hint="Choose another, e.g. candidate."
        )
    client = _client(settings)
    run = client.create_run(_experiment(client, settings), run_name=name)
    with tempfile.TemporaryDirectory() as made:
        save(model, Path(made))
        client.log_artifacts(run.info.run_id, made, _FOLDER)
    for key, value in _flat(model.facts):
        if isinstance(value, int | float):
            client.log_metric(run.info.run_id, key, float(value))
        else:
            client.log_param(run.info.run_id, key, str(value)[:500])
    stored = _downloaded(client, run.info.run_id)
    if not np.array_equal(stored.probabilities(probe), model.probabilities(probe)):
        client.set_terminated(run.info.run_id, "FAILED")
        raise RegistrationRefused("the stored classifier does not give the scores of the trained one")
    client.set_terminated(run.info.run_id)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name,
        source=f"{run.info.artifact_uri}/{_FOLDER}",
        run_id=run.info.run_id,
        tags={
            "classifier_version": model.version,
            "data_hash": str(model.facts.get("data_hash", "")),
            "review_at": str(model.thresholds.review_at),
            "reject_at": str(model.thresholds.reject_at),
        },
    )
    client.set_registered_model_alias(name, alias, version.version)
    return str(version.version)


def fetch(name: str, settings: Settings) -> Path:
    """The folder of `models:/name@alias` or `models:/name/version`. Raises DetectorUnavailable."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client = _client(settings)
    try:
        model, at, alias = name.removeprefix("models:/").partition("@")
        if at:
            version = client.get_model_version_by_alias(model, alias)
        else:
            model, _, number = model.partition("/")
            version = client.get_model_version(model, number)
        target = Path(tempfile.mkdtemp(prefix="safety-"))
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=version.source, dst_path=str(target), tracking_uri=tracking_uri(settings)
            )
        )
    except (MlflowException, OSError) as error:
        raise DetectorUnavailable(
            f"the registry has no {name}: {type(error).__name__}",
            setting="screening.safety_model",
            hint="See the aliases in MLflow, or train: flywheel safety train.",
        ) from error


def _experiment(client: Any, settings: Settings) -> str:
    found = client.get_experiment_by_name("safety")
    if found is not None:
        return str(found.experiment_id)
    local = not settings.tracking.uri
    place = (settings.home / ".flywheel" / "mlartifacts" / "safety").as_uri() if local else None
    return str(client.create_experiment("safety", artifact_location=place))


def _downloaded(client: Any, run_id: str) -> ClassifierModel:
    with tempfile.TemporaryDirectory() as target:
        return load_classifier(Path(client.download_artifacts(run_id, _FOLDER, target)))


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in sorted(facts.items()):
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        elif value is not None:
            found.append((f"{prefix}{key}", value))
    return found
