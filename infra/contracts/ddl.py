"""Reads a table's DDL into its contract, with sqlglot. `infra.contracts` calls this once for each version of a file."""

from __future__ import annotations

import re
from typing import Any, cast

import sqlglot
from sqlglot import exp

from infra.contracts import Column, Contract, WriteMode
from infra.errors import ContractError

_DIALECT = "databricks"
_PII = re.compile(r"\s*\[pii: (\w+)\]$")
_ATOMIC_TYPES = {
    "STRING": "string", "INT": "integer", "BIGINT": "long", "DOUBLE": "double", "FLOAT": "float",
    "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip
_REQUIRED = {"flywheel.root", "flywheel.key", "flywheel.write", "flywheel.pii", "flywheel.retention_days"}


def parse(name: str, text: str) -> Contract:
    """The contract that a DDL file states.

    Raises:
        ContractError: the DDL lacks something that every table must state.
    """
    create, *alters = [s for s in sqlglot.parse(text, read=_DIALECT) if s is not None]
    table_node = create.find(exp.Table)
    if not isinstance(create, exp.Create) or table_node is None or table_node.sql() != name:
        raise ContractError("the file must begin with CREATE TABLE and the table's own name", table=name)
    properties = {
        p.name: p.args["value"].name for p in create.find_all(exp.Property) if p.name.startswith("flywheel.")
    }
    if missing := _REQUIRED - set(properties):
        raise ContractError(f"the DDL is missing {', '.join(sorted(missing))}", table=name)
    mode, _, scope = properties["flywheel.write"].partition(":")
    partition = create.find(exp.PartitionedByProperty)
    comment = create.find(exp.SchemaCommentProperty)
    return Contract(
        name=name,
        columns=tuple(_column(name, d) for d in create.this.expressions if isinstance(d, exp.ColumnDef)),
        key=tuple(k.strip() for k in properties["flywheel.key"].split(",")),
        partition=tuple(i.name for i in partition.this.expressions) if partition else (),
        write=cast(WriteMode, mode),
        scope=scope or None,
        root=cast(Any, properties["flywheel.root"]),
        retention_days=int(properties["flywheel.retention_days"]),
        pii=properties["flywheel.pii"],
        comment=comment.this.name if comment else "",
        checks=dict(_check(name, alter) for alter in alters),
    )


def _column(table: str, definition: exp.ColumnDef) -> Column:
    comment, nullable = "", True
    for constraint in definition.constraints:
        if isinstance(constraint.kind, exp.CommentColumnConstraint):
            comment = constraint.kind.this.name
        elif isinstance(constraint.kind, exp.NotNullColumnConstraint):
            nullable = False
    if not comment:
        raise ContractError(f"column {definition.name} has no comment", table=table)
    pii = _PII.search(comment)
    kind: Any = definition.kind
    return Column(
        name=definition.name,
        type=kind.sql(_DIALECT),
        delta_type=_delta_type(table, kind),
        nullable=nullable,
        comment=comment,
        pii=pii.group(1) if pii else "none",
    )


def _delta_type(table: str, kind: exp.DataType | Any) -> Any:
    text = kind.sql(_DIALECT)
    if text in _ATOMIC_TYPES:
        return _ATOMIC_TYPES[text]
    inner = kind.expressions
    if kind.is_type("array"):
        return {"type": "array", "elementType": _delta_type(table, inner[0]), "containsNull": True}
    if kind.is_type("map"):
        key, value = (_delta_type(table, part) for part in inner)
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
    if kind.is_type("struct"):
        fields = [
            {"name": part.name, "type": _delta_type(table, part.kind), "nullable": True, "metadata": {}}
            for part in inner
        ]
        return {"type": "struct", "fields": fields}
    raise ContractError(f"type {text} is not supported by every engine", table=table)


def _check(table: str, statement: Any) -> tuple[str, str]:
    constraint = statement.find(exp.Constraint)
    if not isinstance(statement, exp.Alter) or constraint is None:
        raise ContractError("only ADD CONSTRAINT may follow CREATE TABLE", table=table)
    return constraint.name, constraint.expressions[0].this.sql(_DIALECT)
