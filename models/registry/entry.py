"""One model into the registry: stored, read back, checked, and only then a version with an alias.

Killed anywhere, it leaves a run and a pending model at most: a version exists only after its check has passed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import RegistrationRefused
from infra.ledger import now
from infra.settings import Settings
from models.registry import tracking
from models.training.weights import MANIFEST, Manifest, check_unchanged, read_manifest

IDENTITY, STORAGE = "identity", "storage"
_BY_MANIFEST, _COPIED = "manifest", "copied"
_LONGEST = 250
_BATCH = 90


@dataclass(frozen=True)
class Registered:
    """A version of the registry.

    Attributes:
        name, version: as in `models:/name/version`.
        alias: what was set on it, or empty.
        run_id: MLflow's run with configuration, environment and metrics.
        created: False when the same model of the same lineage had been registered before.
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
    """What is to become a version.

    Attributes:
        name: of the registered model.
        experiment: where its run is kept.
        folder: the files to store, without subfolders of interest.
        files: which of them.
        identity: the same identity is the same version, registered once.
        check: is given the folder as it was stored and raises RegistrationRefused.
        by_manifest: given, files stay where they are and only this is stored.
        parameters: configuration by dotted name; long text is logged by its hash.
        documents: JSON artifacts of the run, name to content.
        inputs: MLflow's dataset inputs.
        tags: of the version.
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


def enter(settings: Settings, entry: Entry, alias: str) -> Registered:
    """Make the version, or find the one of the same identity, and set the alias.

    Raises:
        RegistrationRefused: what was stored does not pass the check, or name or alias cannot be used.
        RegistryUnavailable: the registry cannot be asked.
    """
    tracking.check_names(entry.name, alias)
    client = tracking.client(settings)
    with tracking.asked(settings):
        known = tracking.all_versions(settings, entry.name, **{IDENTITY: entry.identity})
        version = known[0] if known else _made(settings, client, entry)
        if alias:
            client.set_registered_model_alias(entry.name, alias, version.version)
    return Registered(entry.name, int(version.version), alias, str(version.run_id), not known)


def stored(settings: Settings, version: Any, parent: Path | None = None) -> Path:
    """The folder of a version's files: copied from the registry, or where the manifest says, if unchanged.

    Raises RegistrationRefused when files of a manifest are not what was registered.
    """
    return _settled(tracking.download(settings, version.source, parent))


def _settled(folder: Path) -> Path:
    if not (folder / MANIFEST).exists():
        return folder
    kept = read_manifest(folder / MANIFEST)
    check_unchanged(Path(kept.place), kept)
    return Path(kept.place)


def _made(settings: Settings, client: Any, entry: Entry) -> Any:
    run = client.create_run(tracking.experiment(settings, entry.experiment), run_name=entry.name)
    with _ended(client, run.info.run_id):
        _log(client, run.info.run_id, entry)
        model = client.create_logged_model(
            run.info.experiment_id, name=entry.name, source_run_id=run.info.run_id
        )
        # Not `models:/ID`, which MLflow would look up at the tracking server of the process.
        place = model.artifact_location
        try:
            with tempfile.TemporaryDirectory() as aside:
                client.log_model_artifacts(model.model_id, str(_gathered(entry, Path(aside))))
            with tempfile.TemporaryDirectory() as aside:
                entry.check(_settled(tracking.download(settings, place, Path(aside))))
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
        if not client.search_registered_models(f"name = '{entry.name}'"):
            client.create_registered_model(entry.name)
        storage = _BY_MANIFEST if entry.by_manifest else _COPIED
        return client.create_model_version(
            entry.name,
            source=place,
            run_id=run.info.run_id,
            model_id=model.model_id,
            tags={**entry.tags, IDENTITY: entry.identity, STORAGE: storage},
        )


@contextmanager
def _ended(client: Any, run_id: str) -> Iterator[None]:
    """A run ends as what it was, also when it is interrupted."""
    try:
        yield
    except BaseException as error:
        client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    client.set_terminated(run_id)


def _gathered(entry: Entry, aside: Path) -> Path:
    """A folder with nothing but what is stored: links to the model's files, or the manifest."""
    if entry.by_manifest is not None:
        (aside / MANIFEST).write_text(entry.by_manifest.json(), encoding="utf-8")
    else:
        for name in entry.files:
            (aside / name).symlink_to((entry.folder / name).resolve())
    return aside


def _log(client: Any, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Metric, Param

    moment = int(now().timestamp() * 1000)
    metrics = [Metric(name, float(value), moment, 0) for name, value in sorted(entry.metrics.items())]
    params = [Param(name, plain(value)) for name, value in flat(entry.parameters)]
    for start in range(0, max(len(metrics), len(params)), _BATCH):
        client.log_batch(run_id, metrics[start : start + _BATCH], params[start : start + _BATCH])
    for name, content in entry.documents.items():
        client.log_dict(run_id, content, name)
    if entry.inputs:
        client.log_inputs(run_id, datasets=list(entry.inputs))


def flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted names, sorted; None is left out."""
    for key, value in sorted(facts.items()):
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def plain(value: Any) -> str:
    """A setting as it may be logged. What is long or has several lines may be text of a user: its length is told.

    Raises RegistrationRefused for what is no number, text, truth value, or list of them.
    """
    if isinstance(value, list | tuple):
        return plain(json.dumps([plain(one) for one in value], ensure_ascii=False))
    if not isinstance(value, str | int | float | bool):
        raise RegistrationRefused(
            f"a configuration holds a {type(value).__name__}",
            hint="Give numbers, short texts and lists of them.",
        )
    text = str(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"({len(text)} characters)"
