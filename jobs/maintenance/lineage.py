"""Lineage in both directions: the data behind a model, and the models made from a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from infra.contracts import contract
from infra.errors import FlywheelError
from infra.lake import Lake
from infra.settings import Settings
from jobs.maintenance.provenance import Provenance, Source, Versions
from models.registry.pins import Model, model, models
from models.tables.opened import open_snapshot
from models.tables.snapshot import Snapshot

_MOST_DAYS = 1_000


@dataclass(frozen=True)
class ModelLineage:
    """A registered model and what it was made from.

    Attributes:
        sources: one for each snapshot, in its order.
        gone: snapshots whose version can no longer be read: vacuumed before it was pinned, or erased.
        parents: models that it was made with, and theirs.
    """

    model: Model
    sources: tuple[Source, ...]
    gone: tuple[str, ...]
    parents: tuple[ModelLineage, ...]


@dataclass(frozen=True)
class Derived:
    """A model that was made from a table, directly or through other models.

    Attributes:
        model: registered version.
        through: tables at versions, from the given one to the one that the model read; or the model's parents.
    """

    model: Model
    through: tuple[str, ...]


def of_model(settings: Settings, named: str) -> ModelLineage:
    """The lineage of the model `name@alias` or `name/3`. Raises ModelUnknown, RegistryUnavailable."""
    return _lineage(settings, model(settings, named), Provenance(settings), frozenset())


def of_table(settings: Settings, table: str, version: int | None = None) -> list[Derived]:
    """Every model made from the table at the version (None: any), each with its shortest path, sorted by name.

    What an erasure of rows of that version must name. Raises JobUnknown, RegistryUnavailable.
    """
    contract(table)
    every, ledger = models(settings), Provenance(settings)
    derived: dict[str, Derived] = {}
    for model_version in every:
        ways = [
            way
            for snapshot in model_version.snapshots
            for way in _ways(ledger, settings, snapshot, table, version)
        ]
        if ways:
            derived[model_version.named] = Derived(model_version, min(ways, key=len))
    grown = True
    while grown:
        grown = False
        for model_version in every:
            parent = next((name for name in model_version.parents if name in derived), None)
            if model_version.named not in derived and parent is not None:
                derived[model_version.named] = Derived(model_version, (*derived[parent].through, parent))
                grown = True
    return [derived[model_version.named] for model_version in every if model_version.named in derived]


def _lineage(
    settings: Settings, registered: Model, ledger: Provenance, above: frozenset[str]
) -> ModelLineage:
    opened = {str(snapshot): versions_of(settings, snapshot) for snapshot in registered.snapshots}
    parents = [name for name in registered.parents if name not in above]
    return ModelLineage(
        registered,
        tuple(ledger.source(s.table, opened[str(s)] or {s.version: None}) for s in registered.snapshots),
        tuple(sorted(name for name, versions in opened.items() if versions is None)),
        tuple(
            _lineage(settings, model(settings, name), ledger, above | {registered.named}) for name in parents
        ),
    )


def versions_of(settings: Settings, snapshot: Snapshot) -> Versions | None:
    """The snapshot's version with the days of its rows. None when it can no longer be read.

    The condition may not be shown, so that the days are those of the split; where they are many, or the table has none,
    all are meant.
    """
    if not Lake.of(settings).exists(snapshot.table):
        return None
    try:
        columns = ["ds"] if "ds" in contract(snapshot.table).column_names else None
        opened = open_snapshot(settings, str(snapshot), split=snapshot.split, columns=columns, raw=True)
        if columns is None:
            return {snapshot.version: None}
        days = {day for batch in opened.batches() for day in batch.column(0).unique().to_pylist()}
    except FlywheelError:
        return None
    dated = frozenset(day for day in days if isinstance(day, date))
    return {snapshot.version: dated if len(dated) <= _MOST_DAYS else None}


def _ways(
    ledger: Provenance, settings: Settings, snapshot: Snapshot, table: str, version: int | None
) -> Iterator[tuple[str, ...]]:
    """Paths from the table at the version to the snapshot, each a sequence of `table@version`."""
    source = ledger.source(snapshot.table, versions_of(settings, snapshot) or {snapshot.version: None})
    for way in _up(source, table, version):
        yield tuple(reversed(way))


def _up(source: Source, table: str, version: int | None) -> Iterator[tuple[str, ...]]:
    if source.name == table and (version is None or version in source.versions):
        yield (source_label(source, version),)
    for above in source.made_from:
        for way in _up(above, table, version):
            yield (source_label(source), *way)


def source_label(source: Source, version: int | None = None) -> str:
    """`stage.table@version`, or the first and last of many versions."""
    if version is not None:
        return f"{source.name}@{version}"
    return f"{source.name}{versions_text(source.versions)}"


def versions_text(versions: Iterable[int]) -> str:
    """`@3`, or `@3..9` for several, or nothing for none."""
    numbers = sorted(versions)
    if not numbers:
        return ""
    return f"@{numbers[0]}" if len(numbers) == 1 else f"@{numbers[0]}..{numbers[-1]}"
