"""Trained models in MLflow, each with what it was made from: tables at versions, base model, configuration, code, seed.

A version exists only after the stored model gave the logits of the trained one again. `fetch` gives its folder,
`models.registry.pins` says which versions of tables registered models stand on.
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
from models.tables.snapshot import Snapshot
from models.training.weights import Manifest, check_unchanged, manifest

EXPERIMENT = "training"
_PROBE_LIMIT = 64


@dataclass(frozen=True)
class Lineage:
    """What a model was made from.

    Attributes:
        snapshots: what it was trained and evaluated on.
        base_model: hub id or folder, and base_model_hash over its files.
        tokenizer_hash: over the tokenizer's files.
        seed: of everything drawn.
        configuration: of the run, nested; numbers and short texts.
        parents: registered versions (`name/3`) that it was made with, such as a reward model.
    """

    snapshots: tuple[Snapshot, ...]
    base_model: str
    base_model_hash: str
    tokenizer_hash: str
    seed: int
    configuration: Mapping[str, Any]
    parents: tuple[str, ...] = field(default=())

    def hash(self) -> str:
        """Sixteen hex digits of all of it."""
        told = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


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
) -> Registered:
    """Register a one-logit classifier with its lineage, the code's commit and the environment.

    What it stores is read back and must give the probe's logits. The same weights of the same lineage are one version,
    however often they are registered. All ranks may call it: rank 0 does it, all get the result.

    Args:
        folder: what `save_pretrained` wrote of the model (merged if it was LoRA) and its tokenizer.
        metrics: name to value.
        probe: token ids of a few sequences; they are not stored.
        alias: is moved to the version; empty for none.
        expected: logits that the trained model in memory gave of the probe. Without them the stored model is compared
            with the folder, which finds what storing broke, not what saving broke.

    Raises:
        RegistrationRefused: the logits differ, weights are missing, or the lineage cannot be kept.
        RegistryUnavailable: the registry cannot be asked.
    """
    return ranks.once(
        lambda: _register(settings, name, Path(folder), lineage, metrics, probe, alias, expected)
    )


def fetch(settings: Settings, named: str) -> Path:
    """The folder of `name@alias` or `name/3`: copied once into the user's cache, or where its manifest says.

    Raises:
        ModelUnknown: there is no such version.
        RegistrationRefused: its files are not what was registered.
        RegistryUnavailable: the registry cannot be asked.
    """
    version = tracking.version_of(settings, named)
    folder = (
        user_cache() / "models" / f"{version.name}-{version.version}-{version.tags.get(IDENTITY, '')[:16]}"
    )
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as aside:
        found = stored(settings, version, Path(aside))
        if not found.is_relative_to(aside):
            return found  # by manifest: it stays where it is
        with new_folder(folder) as draft:
            shutil.copytree(found, draft, symlinks=False, dirs_exist_ok=True)
    return folder


def _register(
    settings: Settings,
    name: str,
    folder: Path,
    lineage: Lineage,
    metrics: Mapping[str, float],
    probe: Sequence[list[int]],
    alias: str,
    expected: Sequence[float] | None,
) -> Registered:
    tracking.check_names(name, alias)
    if not 0 < len(probe) <= _PROBE_LIMIT:
        raise RegistrationRefused(f"a probe has 1 to {_PROBE_LIMIT} sequences, not {len(probe)}")
    from models.registry.probe import logits

    made = manifest(folder)
    wanted = expected if expected is not None else logits(folder, probe)[0].tolist()
    what = "the trained one" if expected is not None else "the saved one"
    large = made.bytes > settings.tracking.copy_up_to_bytes
    told = _tags(settings, lineage, made)
    entry = Entry(
        name=name,
        experiment=EXPERIMENT,
        folder=folder,
        files=tuple(made.files),
        identity=hashlib.sha256(f"{lineage.hash()}:{made.content_hash}".encode()).hexdigest(),
        check=partial(_check, made, probe, wanted, what),
        by_manifest=made if large else None,
        parameters={**lineage.configuration, "seed": lineage.seed, "base_model": lineage.base_model},
        metrics=metrics,
        documents={"environment.json": environment(), "lineage.json": told},
        inputs=tuple(_input(settings, one) for one in lineage.snapshots),
        tags={key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()},
    )
    return enter(settings, entry, alias)


def _check(
    made: Manifest, probe: Sequence[list[int]], wanted: Sequence[float], what: str, place: Path
) -> None:
    from models.registry.probe import check_same

    check_unchanged(place, made)
    check_same(place, probe, wanted, what)


def _tags(settings: Settings, lineage: Lineage, made: Manifest) -> dict[str, Any]:
    """What a version says of itself, text or JSON."""
    ran, until = code(), trained_until(settings, lineage.snapshots, lineage.parents)
    around = json.dumps(environment(), sort_keys=True)
    return {
        "snapshots": [_told(one) for one in lineage.snapshots],
        "parents": list(lineage.parents),
        "base_model": lineage.base_model,
        "base_model_hash": lineage.base_model_hash,
        "tokenizer_hash": lineage.tokenizer_hash,
        "weights_hash": made.weights_hash,
        "seed": str(lineage.seed),
        "configuration_hash": hashlib.sha256(repr(list(flat(lineage.configuration))).encode()).hexdigest()[
            :16
        ],
        "lineage_hash": lineage.hash(),
        "trained_until": str(until) if until else "",
        "code_commit": ran.commit,
        "code_dirty": str(ran.dirty).lower(),
        "code_changes_hash": ran.changes_hash,
        "environment_hash": hashlib.sha256(around.encode()).hexdigest()[:16],
        "bytes": str(made.bytes),
        "left_behind": list(made.left),
    }


def _told(snapshot: Snapshot) -> dict[str, Any]:
    return {**asdict(snapshot), "where": shown(snapshot), "filter_hash": snapshot.filter_hash}


def shown(snapshot: Snapshot) -> str:
    """The snapshot's condition, or a note in place of one on columns that hold what users wrote or who they are."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if not snapshot.where:
        return ""
    open_columns = (
        {c.name for c in contract(snapshot.table).columns if c.pii == "none"}
        if snapshot.table in table_names()
        else set()
    )
    try:
        read = sqlglot.parse_one(snapshot.where, read="duckdb")
        named = {column.name.lower() for column in read.find_all(exp.Column)}
    except SqlglotError:
        named = {""}
    return snapshot.where if named and named <= open_columns else "(on personal columns; see filter_hash)"


def _input(settings: Settings, snapshot: Snapshot) -> Any:
    """MLflow's dataset input. Its source drops version 0 and the table's id, so they stand in tags too."""
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
