"""Create a model version in the registry: store the files, read them back, check them, then create the version.

If the process is killed, it leaves at most a run and a pending model: a version exists only after its check passed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import RegistrationRefused
from infra.lake.ledger import now
from infra.settings import Settings
from models.registry import tracking
from models.registry.served import Served
from models.training.weights import MANIFEST, Manifest, check_unchanged, read_manifest

IDENTITY, STORAGE = "identity", "storage"
_BY_MANIFEST, _COPIED = "manifest", "copied"
_MAX_CHARACTERS = 250
_BATCH_SIZE = 90


@dataclass(frozen=True)
class Registered:
    """A version of the registry.

    Attributes:
        name, version: as in `models:/name/version`.
        alias: the alias that was set on it, or empty.
        run_id: MLflow's run with configuration, environment and metrics.
        created: False if the same model of the same lineage was registered before.
    """

    name: str
    version: int
    alias: str
    run_id: str
    created: bool

    def __str__(self) -> str:
        """`name/version`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Entry:
    """The contents of a new version.

    Attributes:
        name: of the registered model.
        experiment: the MLflow experiment of its run.
        folder: holds the files to store; subfolders are ignored.
        files: names of the files to store.
        identity: an identity is registered only once; a second entry returns the existing version.
        check: called with the folder of the stored files; raises RegistrationRefused if they are wrong.
        by_manifest: if given, only this manifest is stored, and the files stay where they are.
        parameters: nested configuration; logged under dotted names. Of a long text only its length is logged.
        documents: JSON artifacts of the run, name to content.
        inputs: MLflow's dataset inputs.
        tags: of the version.
        curves: name to (step, value), in order of steps: how the training went.
        served: how MLflow asks the model; None: it only stores it.
        description: of the version, for people; `model_description`: of the registered model.
    """

    name: str
    experiment: str
    folder: Path
    files: tuple[str, ...]
    identity: str
    check: Callable[[Path], None]
    by_manifest: Manifest | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    documents: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    served: Served | None = None
    description: str = ""
    model_description: str = ""


def enter(settings: Settings, entry: Entry, alias: str) -> Registered:
    """Create the version, unless one of the same identity exists, and set the alias.

    Raises:
        RegistrationRefused: the stored files do not pass the check, or name or alias is not allowed.
        RegistryUnavailable: the registry does not answer.
    """
    tracking.check_names(entry.name, alias)
    client = tracking.client(settings)
    with tracking.registry_errors(settings):
        existing = tracking.all_versions(settings, entry.name, **{IDENTITY: entry.identity})
        version = existing[0] if existing else _new_version(settings, client, entry)
        if alias:
            client.set_registered_model_alias(entry.name, alias, version.version)
    return Registered(entry.name, int(version.version), alias, str(version.run_id), not existing)


def stored(settings: Settings, version: Any, parent: Path | None = None) -> Path:
    """The folder of a version's files: a copy from the registry, or the place in its manifest.

    Raises RegistrationRefused when the files of a manifest changed.
    """
    return unchanged_files(tracking.download(settings, version.source, parent))


def unchanged_files(folder: Path) -> Path:
    """The folder of a version's files: that of a copy, or the one that its manifest names.

    Raises RegistrationRefused when the files of a manifest changed.
    """
    if not (folder / MANIFEST).exists():
        return folder
    registered = read_manifest(folder / MANIFEST)
    check_unchanged(Path(registered.place), registered)
    return Path(registered.place)


def _new_version(settings: Settings, client: Any, entry: Entry) -> Any:
    run = client.create_run(tracking.experiment(settings, entry.experiment), run_name=entry.name)
    with _run_status(client, run.info.run_id):
        _log(client, run.info.run_id, entry)
        model = client.create_logged_model(
            run.info.experiment_id, name=entry.name, source_run_id=run.info.run_id
        )
        # MLflow would look `models:/ID` up at the process's default tracking server, so use the location.
        location = model.artifact_location
        try:
            with tempfile.TemporaryDirectory() as temporary:
                upload = _upload_folder(entry, Path(temporary))
                if entry.served is not None:
                    entry.served.write(upload, model.model_id, run.info.run_id)
                client.log_model_artifacts(model.model_id, str(upload))
            with tempfile.TemporaryDirectory() as temporary:
                entry.check(unchanged_files(tracking.download(settings, location, Path(temporary))))
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
        named = client.search_registered_models(f"name = '{entry.name}'")
        if not named:
            client.create_registered_model(entry.name, description=entry.model_description or None)
        elif entry.model_description and named[0].description != entry.model_description:
            client.update_registered_model(entry.name, entry.model_description)
        storage = _BY_MANIFEST if entry.by_manifest else _COPIED
        return client.create_model_version(
            entry.name,
            source=location,
            run_id=run.info.run_id,
            model_id=model.model_id,
            tags={**entry.tags, IDENTITY: entry.identity, STORAGE: storage},
            description=entry.description or None,
        )


@contextmanager
def _run_status(client: Any, run_id: str) -> Iterator[None]:
    """Set the run's final status, also when it fails or is interrupted."""
    try:
        yield
    except BaseException as error:
        client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    client.set_terminated(run_id)


def _upload_folder(entry: Entry, folder: Path) -> Path:
    """Fill the folder with what is uploaded: links to the model's files, or the manifest."""
    if entry.by_manifest is not None:
        (folder / MANIFEST).write_text(entry.by_manifest.json(), encoding="utf-8")
    else:
        for name in entry.files:
            (folder / name).symlink_to((entry.folder / name).resolve())
    return folder


def _log(client: Any, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Metric, Param

    timestamp_ms = int(now().timestamp() * 1000)
    metrics = [Metric(name, float(value), timestamp_ms, 0) for name, value in sorted(entry.metrics.items())]
    metrics += [
        Metric(name, float(value), timestamp_ms, step)
        for name, curve in sorted(entry.curves.items())
        for step, value in curve
    ]
    params = [Param(name, plain(value)) for name, value in flat(entry.parameters)]
    for start in range(0, max(len(metrics), len(params)), _BATCH_SIZE):
        client.log_batch(run_id, metrics[start : start + _BATCH_SIZE], params[start : start + _BATCH_SIZE])
    for name, content in entry.documents.items():
        client.log_dict(run_id, content, name)
    if entry.inputs:
        client.log_inputs(run_id, datasets=list(entry.inputs))


def flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested mappings to dotted names, sorted, without None."""
    for key, value in sorted(facts.items()):
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def plain(value: Any) -> str:
    """A setting as text for the log. A long or multi-line text may be a user's, so only its length is logged.

    Raises RegistrationRefused for anything but numbers, texts, truth values and lists of them.
    """
    if isinstance(value, list | tuple):
        return plain(json.dumps([plain(item) for item in value], ensure_ascii=False))
    if not isinstance(value, str | int | float | bool):
        raise RegistrationRefused(
            f"a configuration holds a {type(value).__name__}",
            hint="Give numbers, short texts and lists of them.",
        )
    text = str(value)
    return text if len(text) <= _MAX_CHARACTERS and "\n" not in text else f"({len(text)} characters)"
