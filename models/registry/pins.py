"""Which versions of which tables registered models stand on: what vacuuming spares, and what an erasure must name."""

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
    """A registered version as its tags tell it.

    Attributes:
        named: `name/version`.
        aliases: those that stand on it.
        snapshots: what it was trained and evaluated on; `where` as it may be shown.
        parents: registered versions that it was made with.
        tags: all of MLflow's.
    """

    named: str
    aliases: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]
    parents: tuple[str, ...]
    tags: dict[str, str]

    def reads(self, table: str, versions: Iterable[int] | None = None) -> bool:
        """Whether it stands on one of the versions (None: any) of the table."""
        wanted = None if versions is None else set(versions)
        return any(s.table == table and (wanted is None or s.version in wanted) for s in self.snapshots)


def models(settings: Settings) -> list[Model]:
    """Every registered version, by name and number.

    Raises:
        RegistryUnavailable: it cannot be asked, or a version's lineage cannot be read.
    """
    found = tracking.all_versions(settings)
    marks = {name: tracking.aliases(settings, name) for name in sorted({one.name for one in found})}
    return [_model(one, marks[one.name]) for one in found]


def model(settings: Settings, named: str) -> Model:
    """The version of `name@alias` or `name/3`. Raises ModelUnknown, RegistryUnavailable."""
    version = tracking.version_of(settings, named)
    return _model(version, tracking.aliases(settings, version.name))


def pins(settings: Settings) -> dict[str, dict[int, list[str]]]:
    """Table to version to the registered models that stand on it. Raises RegistryUnavailable."""
    made: dict[str, dict[int, list[str]]] = {}
    for one in models(settings):
        for snapshot in one.snapshots:
            named = made.setdefault(snapshot.table, {}).setdefault(snapshot.version, [])
            if one.named not in named:
                named.append(one.named)
    return made


def models_touching(settings: Settings, table: str, versions: Iterable[int] | None = None) -> list[str]:
    """Models that stand on one of the versions (None: any) of the table, and models that were made with those.

    What an erasure must list (`ops.erasures.affected_models`): it spares no pin. Raises RegistryUnavailable.
    """
    every, wanted = models(settings), None if versions is None else set(versions)
    touched = {one.named for one in every if one.reads(table, wanted)}
    while more := {one.named for one in every if touched & set(one.parents)} - touched:
        touched |= more
    return [one.named for one in every if one.named in touched]


def trained_until(
    settings: Settings, snapshots: Iterable[Snapshot], parents: Iterable[str] = ()
) -> date | None:
    """Last day of the rows that were trained on, by the model or by one that it was made with; None where nobody knows.

    A snapshot of split `evaluation` was not trained on.
    """
    days: list[date | None] = [_last_day(settings, one) for one in snapshots if one.split != "evaluation"]
    for parent in parents:
        told = model(settings, parent).tags.get("trained_until", "")
        days.append(date.fromisoformat(told) if told else None)
    known = [day for day in days if day is not None]
    return max(known) if known and len(known) == len(days) else None


def _last_day(settings: Settings, snapshot: Snapshot) -> date | None:
    try:
        opened = open_snapshot(
            settings, str(snapshot), where=snapshot.where, split=snapshot.split, columns=[_DAY], raw=True
        )
        days = [day for batch in opened.batches() for day in batch.column(0).unique().to_pylist()]
    except FlywheelError:  # the version is gone, or the table has no days: then nobody knows
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
                str(one["table"]), int(one["version"]), str(one["where"]), str(one["split"]), int(one["rows"]),
                str(one["files_hash"]),
            )
            for one in json.loads(tags.get("snapshots", "[]"))
        )  # fmt: skip
        parents = tuple(str(one) for one in json.loads(tags.get("parents", "[]")))
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryUnavailable(
            f"the lineage of {named} cannot be read: {type(error).__name__}",
            hint="Mend its tags snapshots and parents in MLflow; run artifact lineage.json has them.",
        ) from None
    return Model(named, tuple(aliases.get(str(version.version), ())), snapshots, parents, tags)
