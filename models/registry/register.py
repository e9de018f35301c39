"""Register trained models in MLflow with their lineage: table versions, base model, configuration, code and seed.

A version is created only after the stored model gave the same logits as the trained one. `fetch` returns the folder of
a version; `models.registry.pins` lists the table versions that registered models were made from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from infra import progress
from infra.cache import user_cache
from infra.contracts import contract, table_names
from infra.errors import RegistrationRefused
from infra.lake import Lake
from infra.settings import Settings
from infra.storage import new_folder
from models.registry import ranks, tracking
from models.registry.entry import IDENTITY, Entry, Registered, enter, flat, stored
from models.registry.pins import trained_until
from models.registry.provenance import code, environment
from models.registry.served import Served
from models.tables.snapshot import Snapshot
from models.training.weights import Manifest, check_unchanged, manifest

EXPERIMENT = "training"
_PROBE_LIMIT = 64


@dataclass(frozen=True)
class Lineage:
    """Everything that a model was made from.

    Attributes:
        snapshots: the rows it was trained and evaluated on.
        base_model: hub id or folder; `base_model_hash` is over its files.
        tokenizer_hash: over the tokenizer's files.
        seed: of all random draws.
        configuration: of the run, nested; numbers and short texts.
        parents: registered versions (`name/3`) that were used to make it, such as a reward model.
    """

    snapshots: tuple[Snapshot, ...]
    base_model: str
    base_model_hash: str
    tokenizer_hash: str
    seed: int
    configuration: Mapping[str, Any]
    parents: tuple[str, ...] = field(default=())

    def hash(self) -> str:
        """Sixteen hex digits over all attributes."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Presentation:
    """What MLflow shows of a version, and how it asks it; the attributes are those of `Entry`."""

    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    served: Served | None = None
    description: str = ""
    model_description: str = ""


_NOTHING = Presentation()


def register(
    settings: Settings,
    name: str,
    folder: Path,
    lineage: Lineage,
    metrics: Mapping[str, float],
    probe: Sequence[list[int]],
    *,
    alias: str = tracking.CANDIDATE,
    expected: Sequence[float] | None = None,
    presentation: Presentation = _NOTHING,
) -> Registered:
    """Register a one-logit classifier with its lineage, the code's commit and the environment.

    The stored files are read back and must give the probe's logits. Registering the same weights with the same lineage
    again returns the same version. All ranks may call it: rank 0 registers, all return the result.

    Args:
        folder: `save_pretrained` wrote the model (merged if it was LoRA) and its tokenizer there.
        metrics: name to value.
        probe: token ids of a few sequences; they are not stored.
        alias: is moved to the version; empty for none.
        expected: the probe's logits by the trained model in memory. Without them the stored model is compared with the
            folder only, so an error in saving the folder is not found.
        presentation: what MLflow shows and offers beside the figures.

    Raises:
        RegistrationRefused: the logits differ, weights are missing, or the lineage cannot be stored.
        RegistryUnavailable: the registry does not answer.
    """
    return ranks.once(
        lambda: _register(
            settings, name, Path(folder), lineage, metrics, probe, alias, expected, presentation
        )
    )


def fetch(settings: Settings, reference: str) -> Path:
    """The folder of `name@alias` or `name/3`: a copy in the user's cache, or the place in its manifest.

    Its files are compared with the hash that was registered. A cached copy that is damaged is fetched again.

    Raises:
        ModelUnknown: there is no such version.
        RegistrationRefused: its files changed since they were registered.
        RegistryUnavailable: the registry does not answer.
    """
    version = tracking.version_of(settings, reference)
    folder = (
        user_cache() / "models" / f"{version.name}-{version.version}-{version.tags.get(IDENTITY, '')[:16]}"
    )
    if folder.exists():
        if _is_registered(folder, version):
            return folder
        progress.show(f"The cached copy of {version.name}/{version.version} is damaged. It is fetched again.")
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as temporary:
        source = stored(settings, version, Path(temporary))
        if not source.is_relative_to(temporary):
            return source  # stored by manifest, which was checked: no copy
        if not _is_registered(source, version):
            raise RegistrationRefused(
                f"the files of {version.name}/{version.version} in the registry are not those that were registered",
                setting="tracking.uri",
                hint="Restore the artifact store from a backup, or train and register the model again.",
            )
        with new_folder(folder) as draft:
            shutil.copytree(source, draft, symlinks=False, dirs_exist_ok=True)
    return folder


def _is_registered(folder: Path, version: Any) -> bool:
    """Whether the folder holds the files of the version, by the identity that was computed when it was registered."""
    try:
        files = manifest(folder)
    except (RegistrationRefused, OSError):
        return False
    lineage_hash = version.tags.get("lineage_hash", "")
    return bool(_identity(lineage_hash, files) == version.tags.get(IDENTITY))


def _identity(lineage_hash: str, files: Manifest) -> str:
    return hashlib.sha256(f"{lineage_hash}:{files.content_hash}".encode()).hexdigest()


def _register(
    settings: Settings,
    name: str,
    folder: Path,
    lineage: Lineage,
    metrics: Mapping[str, float],
    probe: Sequence[list[int]],
    alias: str,
    expected: Sequence[float] | None,
    presentation: Presentation,
) -> Registered:
    tracking.check_names(name, alias)
    if not 0 < len(probe) <= _PROBE_LIMIT:
        raise RegistrationRefused(f"a probe has 1 to {_PROBE_LIMIT} sequences, not {len(probe)}")
    from models.registry.probe import logits

    weights = manifest(folder)
    expected_logits = expected if expected is not None else logits(folder, probe)[0].tolist()
    compared_with = "the trained one" if expected is not None else "the saved one"
    large = weights.bytes > settings.tracking.copy_up_to_bytes
    tags = _tags(settings, lineage, weights)
    entry = Entry(
        name=name,
        experiment=EXPERIMENT,
        folder=folder,
        files=tuple(weights.files),
        identity=_identity(lineage.hash(), weights),
        check=partial(_check_stored, weights, probe, expected_logits, compared_with),
        by_manifest=weights if large else None,
        parameters={**lineage.configuration, "seed": lineage.seed, "base_model": lineage.base_model},
        metrics=metrics,
        documents={"environment.json": environment(), "lineage.json": tags},
        inputs=tuple(_dataset_input(settings, snapshot) for snapshot in lineage.snapshots),
        tags={key: value if isinstance(value, str) else json.dumps(value) for key, value in tags.items()},
        curves=presentation.curves,
        served=presentation.served,
        description=presentation.description,
        model_description=presentation.model_description,
    )
    return enter(settings, entry, alias)


def _check_stored(
    weights: Manifest,
    probe: Sequence[list[int]],
    expected_logits: Sequence[float],
    compared_with: str,
    stored_folder: Path,
) -> None:
    from models.registry.probe import check_same

    check_unchanged(stored_folder, weights)
    check_same(stored_folder, probe, expected_logits, compared_with)


def _tags(settings: Settings, lineage: Lineage, weights: Manifest) -> dict[str, Any]:
    """The tags of a version: texts, and values that are stored as JSON."""
    code_version, last_day = code(), trained_until(settings, lineage.snapshots, lineage.parents)
    environment_text = json.dumps(environment(), sort_keys=True)
    return {
        "snapshots": [_snapshot_tag(snapshot) for snapshot in lineage.snapshots],
        "parents": list(lineage.parents),
        "base_model": lineage.base_model,
        "base_model_hash": lineage.base_model_hash,
        "tokenizer_hash": lineage.tokenizer_hash,
        "weights_hash": weights.weights_hash,
        "seed": str(lineage.seed),
        "configuration_hash": hashlib.sha256(repr(list(flat(lineage.configuration))).encode()).hexdigest()[
            :16
        ],
        "lineage_hash": lineage.hash(),
        "trained_until": str(last_day) if last_day else "",
        "code_commit": code_version.commit,
        "code_dirty": str(code_version.dirty).lower(),
        "code_changes_hash": code_version.changes_hash,
        "environment_hash": hashlib.sha256(environment_text.encode()).hexdigest()[:16],
        "bytes": str(weights.bytes),
        "left_behind": list(weights.left),
    }


def _snapshot_tag(snapshot: Snapshot) -> dict[str, Any]:
    return {**asdict(snapshot), "where": _shown(snapshot), "filter_hash": snapshot.filter_hash}


def _shown(snapshot: Snapshot) -> str:
    """The snapshot's condition; a note instead if it reads columns with personal data."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if not snapshot.where:
        return ""
    non_personal = (
        {c.name for c in contract(snapshot.table).columns if c.pii == "none"}
        if snapshot.table in table_names()
        else set()
    )
    try:
        condition = sqlglot.parse_one(snapshot.where, read="duckdb")
        columns = {column.name.lower() for column in condition.find_all(exp.Column)}
    except SqlglotError:
        columns = {""}
    return snapshot.where if columns and columns <= non_personal else "(on personal columns; see filter_hash)"


def _dataset_input(settings: Settings, snapshot: Snapshot) -> Any:
    """MLflow's dataset input. Its source drops version 0 and the table's id, so the tags hold them too."""
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    lake = Lake.of(settings)
    table_id = str(lake.open(snapshot.table).metadata().id)
    source = DeltaDatasetSource(
        path=lake.path(snapshot.table), delta_table_version=snapshot.version, delta_table_id=table_id
    )
    tags = {
        "mlflow.data.context": snapshot.split or "training",
        "table": snapshot.table,
        "version": str(snapshot.version),
        "filter_hash": snapshot.filter_hash,
        "files_hash": snapshot.files_hash,
        "table_id": table_id,
        "rows": str(snapshot.rows),
    }
    digest = f"v{snapshot.version}-{snapshot.filter_hash}"
    dataset = MetaDataset(source, name=f"{snapshot}", digest=digest)
    return DatasetInput(
        dataset=dataset._to_mlflow_entity(), tags=[InputTag(key, value) for key, value in tags.items()]
    )
