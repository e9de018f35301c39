"""The connection to MLflow: client, names and aliases of models, their versions and files."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.errors import ModelUnknown, RegistrationRefused, RegistryUnavailable
from infra.nearest import did_you_mean
from infra.settings import Settings

CANDIDATE, CHAMPION = "candidate", "champion"
"""Training sets the first alias; the release gate sets the second."""

GATE = "candidate_gate"
"""Tag of a version: whether it passed the quality gate of the settings, or what it lacked."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}\Z")
_RESERVED = frozenset({"latest"})
_PAGE_SIZE = 200
# A server that does not answer is an error after about a minute; MLflow's defaults wait for hours. Telemetry is off.
_ENVIRONMENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}  # fmt: skip


def tracking_uri(settings: Settings) -> str:
    """The URI from the settings, or SQLite in the project."""
    if settings.tracking.uri:
        return settings.tracking.uri
    database = _database(settings)
    database.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{database}"


def _is_made(settings: Settings) -> bool:
    """Whether there is a registry: who only asks does not make one, which takes ten seconds of migrations."""
    return bool(settings.tracking.uri) or _database(settings).exists()


def _database(settings: Settings) -> Path:
    return settings.home / ".flywheel" / "mlflow.db"


def client(settings: Settings) -> Any:
    """A client of the tracking server in the settings, which is also the model registry.

    Raises RegistryUnavailable when it cannot be opened.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    uri = tracking_uri(settings)
    with registry_errors(settings):
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def registry_errors(settings: Settings) -> Iterator[None]:
    """Turn errors of MLflow into RegistryUnavailable, without their message, which could quote data."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        code = getattr(error, "error_code", "") or type(error).__name__
        raise RegistryUnavailable(
            f"the model registry failed: {code}",
            setting="tracking.uri",
            hint="Check that the server answers: curl $FLYWHEEL_TRACKING__URI/health. Without the setting, check the "
            "free space and the permissions of <project>/.flywheel.",
        ) from error


def check_names(name: str, alias: str) -> None:
    """Raises RegistrationRefused for a name or an alias that MLflow reserves or cannot look up.

    An empty alias means none.
    """
    if not _NAME.match(name):
        raise RegistrationRefused(
            "a model name may only have letters, digits, dots, dashes and underscores",
            hint="E.g. reward-pointwise.",
        )
    if alias and (
        not _NAME.match(alias) or alias.lower() in _RESERVED or re.fullmatch(r"v?\d+", alias.lower())
    ):
        raise RegistrationRefused(
            f"the alias {alias} is reserved by MLflow", hint=f"Choose another, e.g. {CANDIDATE}."
        )


def version_of(settings: Settings, reference: str) -> Any:
    """MLflow's model version of `name@alias` or `name/3`, with or without `models:/` before it.

    Raises:
        ModelUnknown: there is no such model, version or alias.
        RegistryUnavailable: the registry does not answer.
    """
    unknown = f"the registry has no {reference}"
    if not _is_made(settings):
        raise ModelUnknown(unknown, hint="No model is registered yet. Train one: flywheel train --help")
    from mlflow.exceptions import MlflowException

    mlflow_client = client(settings)
    model, at, alias = reference.removeprefix("models:/").partition("@")
    number = ""
    if not at:
        model, _, number = model.partition("/")
    try:
        if at:
            return mlflow_client.get_model_version_by_alias(model, alias)
        if number.isdigit():
            return mlflow_client.get_model_version(model, number)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            with registry_errors(settings):
                raise
    with registry_errors(settings):
        known = [
            registered.name for registered in mlflow_client.search_registered_models(max_results=_PAGE_SIZE)
        ]
    raise ModelUnknown(
        unknown,
        hint=did_you_mean(
            model, [name for name in known if name != model],
            "Name a model as NAME@candidate or NAME/3; flywheel lineage lists the models.",
        ),
    )  # fmt: skip


def tag_gate(settings: Settings, name: str, version: int, reasons: Sequence[str]) -> None:
    """Record on a version whether it passed the gate of `settings.candidate`, and if not, why."""
    mlflow_client = client(settings)
    told = f"not passed: {'; '.join(reasons)}" if reasons else "passed"
    with registry_errors(settings):
        mlflow_client.set_model_version_tag(name, str(version), GATE, told)


def all_versions(settings: Settings, name: str = "", **tags: str) -> list[Any]:
    """All model versions with the name and the tags, if given, by name and number. Raises RegistryUnavailable."""
    if not _is_made(settings):
        return []
    conditions = [f"name = '{name}'"] if name else []
    conditions += [f"tags.{key} = '{value}'" for key, value in tags.items()]
    mlflow_client, versions, token = client(settings), [], None
    with registry_errors(settings):
        while True:
            page = mlflow_client.search_model_versions(
                " AND ".join(conditions), max_results=_PAGE_SIZE, page_token=token
            )
            versions += page
            if not (token := page.token):
                return sorted(versions, key=lambda version: (version.name, int(version.version)))


def aliases(settings: Settings, name: str) -> dict[str, list[str]]:
    """Version number to the aliases that point at it."""
    by_version: dict[str, list[str]] = {}
    with registry_errors(settings):
        for alias, number in sorted(client(settings).get_registered_model(name).aliases.items()):
            by_version.setdefault(str(number), []).append(alias)
    return by_version


def experiment(settings: Settings, name: str) -> str:
    """Id of the experiment; creates it if needed. With the SQLite default its artifacts are stored in the project."""
    mlflow_client = client(settings)
    if (existing := mlflow_client.get_experiment_by_name(name)) is not None:
        return str(existing.experiment_id)
    local = not settings.tracking.uri
    artifacts = (settings.home / ".flywheel" / "mlartifacts" / name).as_uri() if local else None
    return str(mlflow_client.create_experiment(name, artifact_location=artifacts))


def download(settings: Settings, source: str, parent: Path | None = None) -> Path:
    """A folder with the artifacts of an MLflow URI, in a new folder under `parent` (default: the temporary one)."""
    import mlflow

    with registry_errors(settings):
        target = tempfile.mkdtemp(prefix="model-", dir=parent)
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=source, dst_path=target, tracking_uri=tracking_uri(settings)
            )
        )
