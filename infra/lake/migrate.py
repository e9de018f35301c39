"""Bring the lake to the DDL of `schemas/`: idempotent, additive, without a JVM.

A new table, a new nullable column, a new CHECK, a changed comment or property is applied. Anything that would lose or
reinterpret rows is refused with the reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from infra.contracts import Contract, contract, table_names
from infra.errors import ContractError, MigrationRefused
from infra.lake import Lake, facts
from infra.lake.roots import make_roots
from infra.settings import Settings

_ORDERED = frozenset({"STRING", "INT", "BIGINT", "DOUBLE", "FLOAT", "DATE", "TIMESTAMP"})


@dataclass(frozen=True)
class Change:
    """One change that migration made to one table."""

    table: str
    what: str


def migrate(settings: Settings, key_fits: bool = False) -> list[Change]:
    """Apply every contract to the lake and return what changed (nothing on a second call).

    Args:
        key_fits: see `infra.lake.facts.record`.

    Raises:
        MigrationRefused: a contract asks for a destructive change, or the split would move users.
        KeyMismatch: the key is missing, or is not the lake's.
    """
    make_roots(settings)
    lake = Lake.of(settings)
    facts.record(settings, lake, key_fits)
    changes: list[Change] = []
    for name in table_names():
        changes += _create(lake, contract(name)) if not lake.exists(name) else _alter(lake, contract(name))
    return changes


def _configuration(table: Contract) -> dict[str, str]:
    return {
        # History is kept as long as rows are, so that any past version of a table in retention can be read again.
        "delta.logRetentionDuration": f"interval {table.retention_days} days",
        "delta.deletedFileRetentionDuration": "interval 30 days",
        # The log keeps the least and the greatest value of a file's columns, for as long as it is kept: never of text.
        "delta.dataSkippingStatsColumns": ",".join(_columns_with_statistics(table)),
        "flywheel.key": ", ".join(table.key),
        "flywheel.retention_days": str(table.retention_days),
        "flywheel.pii": table.pii,
    } | {f"flywheel.check.{name}": text for name, text in table.checks.items()}


def _columns_with_statistics(table: Contract) -> list[str]:
    """Columns that bound nothing anybody wrote, of types whose order helps a reader to skip files."""
    return [
        column.name
        for column in table.columns
        if column.name not in table.partition
        and column.pii not in ("raw", "redacted")
        and column.type in _ORDERED
    ]


def _create(lake: Lake, table: Contract) -> list[Change]:
    delta = DeltaTable.create(
        lake.path(table.name),
        schema=Schema.from_json(table.delta_schema_json),
        mode="ignore",
        partition_by=list(table.partition),
        name=table.name,
        description=table.comment,
        configuration=_configuration(table),
        raise_if_key_not_exists=False,
        storage_options=lake.delta_options,
    )
    if table.checks:
        delta.alter.add_constraint(dict(table.checks))
    return [Change(table.name, "created")]


def _alter(lake: Lake, table: Contract) -> list[Change]:
    delta = lake.open(table.name)
    existing = {f["name"]: f for f in json.loads(delta.schema().to_json())["fields"]}
    metadata = delta.metadata()
    if list(metadata.partition_columns) != list(table.partition):
        raise _refused(table, f"partitioning would change from {list(metadata.partition_columns)}")
    if dropped := sorted(set(existing) - set(table.column_names)):
        raise _refused(table, f"column {dropped[0]} would be dropped")
    changes, added = [], []
    for column in table.columns:
        old = existing.get(column.name)
        if old is None:
            if not column.nullable:
                raise _refused(
                    table, f"new column {column.name} is NOT NULL, but old rows have no value for it"
                )
            added.append(column)
        elif _normal(old["type"]) != _normal(column.delta_type):
            raise _refused(table, f"column {column.name} would change its type from {old['type']}")
        elif old["nullable"] and not column.nullable:
            raise _refused(table, f"column {column.name} would become NOT NULL")
        elif old["metadata"].get("comment") != column.comment:
            delta.alter.set_column_metadata(column.name, {"comment": column.comment})
            changes.append(Change(table.name, f"comment of {column.name}"))
    if added:
        schema = {"type": "struct", "fields": [column.field() for column in added]}
        delta.alter.add_columns(list(Schema.from_json(json.dumps(schema)).fields))
        changes += [Change(table.name, f"column {column.name} added") for column in added]
    return changes + _alter_checks(lake, table)


def _alter_checks(lake: Lake, table: Contract) -> list[Change]:
    changes = []
    delta = lake.open(table.name)
    configuration = delta.metadata().configuration
    for name, text in table.checks.items():
        current = configuration.get(f"flywheel.check.{name}")
        if current == text:
            continue
        if current is not None:
            raise _refused(table, f"CHECK {name} would change", "Give the new CHECK a new name.")
        try:
            delta.alter.add_constraint({name: text})
        except DeltaError:
            raise _refused(
                table, f"rows of the table violate the new CHECK {name}", "Repair them first."
            ) from None
        changes.append(Change(table.name, f"CHECK {name} added"))
    properties = _configuration(table)
    if any(configuration.get(key) != value for key, value in properties.items()):
        lake.open(table.name).alter.set_table_properties(properties, raise_if_not_exists=False)
        changes.append(Change(table.name, "properties"))
    return changes


def _normal(delta_type: object) -> str:
    return json.dumps(delta_type, sort_keys=True)


def _refused(table: Contract, reason: str, hint: str = "") -> MigrationRefused:
    return MigrationRefused(
        reason,
        table=table.name,
        hint=hint or "Create a new table and copy the rows, or restore the DDL in schemas/.",
    )


def drift(lake: Lake) -> list[str]:
    """Differences between the lake and the DDL, in words; empty when they agree."""
    differences = []
    for name in table_names():
        table = contract(name)
        try:
            existing = {f["name"]: f for f in json.loads(lake.open(name).schema().to_json())["fields"]}
        except ContractError as error:
            differences.append(str(error))
            continue
        for column in table.columns:
            if column.name not in existing:
                differences.append(f"{name}.{column.name} is missing")
            elif _normal(existing[column.name]["type"]) != _normal(column.delta_type):
                differences.append(f"{name}.{column.name} has another type")
        differences += [
            f"{name}.{extra} is not in the DDL" for extra in sorted(set(existing) - set(table.column_names))
        ]
    return differences
