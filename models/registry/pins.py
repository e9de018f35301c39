"""The table versions that registered models were trained on. Vacuum keeps them; an erasure lists the models."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from infra.errors import FlywheelError, RegistryUnavailable
from infra.settings import Settings
from models.registry import tracking
from models.tables.opened import open_snapshot
from models.tables.snapshot import Snapshot

_DAY = "ds"


@dataclass(frozen=True)
class Model:
    """A registered version, read from its tags.

    Attributes:
        named: `name/version`.
        aliases: the aliases that point at it.
        snapshots: the rows it was trained and evaluated on; `where` as it may be shown.
        parents: registered versions that were used to make it.
        tags: all tags in MLflow.
    """

    named: str
    aliases: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]
    parents: tuple[str, ...]
    tags: dict[str, str]

    def reads(self, table: str, versions: Iterable[int] | None = None) -> bool:
        """Whether it was made from one of the versions (None: any) of the table."""
        version_set = None if versions is None else set(versions)
        return any(
            s.table == table and (version_set is None or s.version in version_set) for s in self.snapshots
        )


def models(settings: Settings) -> list[Model]:
    """Every registered version, by name and number.

    Raises:
        RegistryUnavailable: the registry does not answer, or a version's lineage cannot be read.
    """
    versions = tracking.all_versions(settings)
    aliases_by_name = {
        name: tracking.aliases(settings, name) for name in sorted({version.name for version in versions})
    }
    return [_model(version, aliases_by_name[version.name]) for version in versions]


def model(settings: Settings, reference: str) -> Model:
    """The version of `name@alias` or `name/3`. Raises ModelUnknown, RegistryUnavailable."""
    version = tracking.version_of(settings, reference)
    return _model(version, tracking.aliases(settings, version.name))


def pins(settings: Settings) -> dict[str, dict[int, list[str]]]:
    """Table to version to the registered models that were made from it. Raises RegistryUnavailable."""
    readers: dict[str, dict[int, list[str]]] = {}
    for registered in models(settings):
        for snapshot in registered.snapshots:
            names = readers.setdefault(snapshot.table, {}).setdefault(snapshot.version, [])
            if registered.named not in names:
                names.append(registered.named)
    return readers


def models_touching(settings: Settings, table: str, versions: Iterable[int] | None = None) -> list[str]:
    """Models made from one of the versions (None: any) of the table, and all models made with those.

    An erasure lists them (`ops.erasures.affected_models`), because it also removes pinned versions. Raises
    RegistryUnavailable.
    """
    registered_models, version_set = models(settings), None if versions is None else set(versions)
    touched = {registered.named for registered in registered_models if registered.reads(table, version_set)}
    while (
        descendants := {
            registered.named for registered in registered_models if touched & set(registered.parents)
        }
        - touched
    ):
        touched |= descendants
    return [registered.named for registered in registered_models if registered.named in touched]


def trained_until(
    settings: Settings, snapshots: Iterable[Snapshot], parents: Iterable[str] = ()
) -> date | None:
    """Last day of the training rows of the model and of its parents; None if one of these days is unknown.

    A snapshot of split `evaluation` was not trained on.
    """
    days: list[date | None] = [
        _last_day(settings, snapshot) for snapshot in snapshots if snapshot.split != "evaluation"
    ]
    for parent in parents:
        last_day = model(settings, parent).tags.get("trained_until", "")
        days.append(date.fromisoformat(last_day) if last_day else None)
    known_days = [day for day in days if day is not None]
    return max(known_days) if known_days and len(known_days) == len(days) else None


def _last_day(settings: Settings, snapshot: Snapshot) -> date | None:
    try:
        opened = open_snapshot(
            settings, str(snapshot), where=snapshot.where, split=snapshot.split, columns=[_DAY], raw=True
        )
        days = [day for batch in opened.batches() for day in batch.column(0).unique().to_pylist()]
    except FlywheelError:  # the version is gone, or the table has no days
        return None
    return max((day for day in days if isinstance(day, date) and not isinstance(day, datetime)), default=None)


def _model(version: Any, aliases: dict[str, list[str]]) -> Model:
    tags = {str(key): str(value) for key, value in version.tags.items()} | {
        "run_id": str(version.run_id or "")
    }
    named = f"{version.name}/{version.version}"
    try:
        snapshots = tuple(
            Snapshot(
                str(snapshot["table"]), int(snapshot["version"]), str(snapshot["where"]), str(snapshot["split"]),
                int(snapshot["rows"]), str(snapshot["files_hash"]),
            )
            for snapshot in json.loads(tags.get("snapshots", "[]"))
        )  # fmt: skip
        parents = tuple(str(parent) for parent in json.loads(tags.get("parents", "[]")))
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryUnavailable(
            f"the lineage of {named} cannot be read: {type(error).__name__}",
            hint="Repair its tags snapshots and parents in MLflow; the run's artifact lineage.json has them.",
        ) from None
    return Model(named, tuple(aliases.get(str(version.version), ())), snapshots, parents, tags)
