"""The contract of each table, read from its DDL in `schemas/<stage>/<table>.sql`.

The DDL is the only place where a column, its type, comment, PII class, key, partitioning, CHECKs, retention and
write mode are stated. Everything else (migration, the write function, the data dictionary, the tests) asks here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import sqlglot
from sqlglot import exp

from infra.errors import ContractError, JobUnknown

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
EXPECTATIONS = SCHEMAS.parent / "expectations"
_DIALECT = "databricks"
_PII = re.compile(r"\s*\[pii: (\w+)\]$")

WriteMode = Literal["replace_days", "replace_scope", "merge_insert", "merge_upsert", "append"]
_ATOMIC_TYPES = {
    "STRING": "string", "INT": "integer", "BIGINT": "long", "DOUBLE": "double", "FLOAT": "float",
    "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: `type` is Spark SQL, `delta_type` the same as Delta's protocol writes it."""

    name: str
    type: str
    delta_type: Any
    nullable: bool
    comment: str
    pii: str

    def field(self) -> dict[str, Any]:
        """The column as Delta's protocol writes a schema field."""
        return {
            "name": self.name,
            "type": self.delta_type,
            "nullable": self.nullable,
            "metadata": {"comment": self.comment},
        }


@dataclass(frozen=True)
class Contract:
    """All that is promised about one table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...]
    write: WriteMode
    scope: str | None
    root: Literal["restricted", "curated"]
    retention_days: int
    pii: str
    comment: str
    checks: dict[str, str]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order of the DDL."""
        return tuple(column.name for column in self.columns)

    @property
    def delta_schema_json(self) -> str:
        """The schema as Delta's protocol writes it."""
        return json.dumps({"type": "struct", "fields": [column.field() for column in self.columns]})

    @property
    def suite_path(self) -> Path:
        """Where the table's Great Expectations suite stands, whether it exists or not."""
        stage, table = self.name.split(".")
        return EXPECTATIONS / stage / f"{table}.json"


@cache
def table_names() -> tuple[str, ...]:
    """Every declared table as `stage.table`, sorted."""
    return tuple(
        sorted(
            f"{path.parent.name}.{path.stem}"
            for path in SCHEMAS.glob("*/*.sql")
            if path.parent.name != "views"
        )
    )


@cache
def view_names() -> tuple[str, ...]:
    """Every declared analyst view as `views.name`, sorted."""
    return tuple(sorted(f"views.{path.stem}" for path in (SCHEMAS / "views").glob("*.sql")))


@cache
def view_query(name: str) -> tuple[str, str]:
    """The (description, SELECT) of a view; the description is the leading comment of its file."""
    if name not in view_names():
        raise JobUnknown(f"no view {name} is declared", hint=f"There are: {', '.join(view_names())}.")
    text = (SCHEMAS / "views" / f"{name.split('.')[1]}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    comment = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    query = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    return " ".join(comment), query


@cache
def contract(name: str) -> Contract:
    """The contract of table `stage.table`.

    Raises:
        JobUnknown: no such table is declared.
        ContractError: its DDL lacks something that every table must state.
    """
    if name not in table_names():
        raise JobUnknown(f"no table {name} is declared", hint=f"There are: {', '.join(table_names())}.")
    stage, table = name.split(".")
    text = (SCHEMAS / stage / f"{table}.sql").read_text(encoding="utf-8")
    create, *alters = [s for s in sqlglot.parse(text, read=_DIALECT) if s is not None]
    named = create.find(exp.Table)
    if not isinstance(create, exp.Create) or named is None or named.sql() != name:
        raise ContractError("the file must begin with CREATE TABLE of its own name", table=name)
    properties = {
        p.name: p.args["value"].name for p in create.find_all(exp.Property) if p.name.startswith("flywheel.")
    }
    missing = {
        "flywheel.root",
        "flywheel.key",
        "flywheel.write",
        "flywheel.pii",
        "flywheel.retention_days",
    } - set(properties)
    if missing:
        raise ContractError(f"the DDL lacks {', '.join(sorted(missing))}", table=name)
    mode, _, scope = properties["flywheel.write"].partition(":")
    partition = create.find(exp.PartitionedByProperty)
    comment = create.find(exp.SchemaCommentProperty)
    return Contract(
        name=name,
        columns=tuple(_column(name, d) for d in create.this.expressions if isinstance(d, exp.ColumnDef)),
        key=tuple(k.strip() for k in properties["flywheel.key"].split(",")),
        partition=tuple(i.name for i in partition.this.expressions) if partition else (),
        write=mode,
        scope=scope or None,
        root=properties["flywheel.root"],
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
    found = _PII.search(comment)
    kind: Any = definition.kind
    return Column(
        name=definition.name,
        type=kind.sql(_DIALECT),
        delta_type=_delta_type(table, kind),
        nullable=nullable,
        comment=comment,
        pii=found.group(1) if found else "none",
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
    raise ContractError(f"type {text} is not one that every engine reads", table=table)


def _check(table: str, statement: Any) -> tuple[str, str]:
    found = statement.find(exp.Constraint)
    if not isinstance(statement, exp.Alter) or found is None:
        raise ContractError("only ADD CONSTRAINT may follow CREATE TABLE", table=table)
    return found.name, found.expressions[0].this.sql(_DIALECT)
