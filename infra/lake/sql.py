"""SQL for analysts: DuckDB over the Delta tables, each by its name `stage.table`, without a JVM and without a lock.

Only tables whose files the caller may read are registered; any other raises an error. Views of `schemas/views/` are
registered with the tables and views that they use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import files
from typing import TYPE_CHECKING, Any

from infra.contracts import table_names, view_names, view_query
from infra.errors import EnvironmentMissing, JobUnknown
from infra.lake import Lake

if TYPE_CHECKING:
    import duckdb

_NAME = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b", re.IGNORECASE)


def connect(lake: Lake, statement: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the lake's tables and views.

    Args:
        statement: register only what this SQL names (faster); None registers everything readable.

    Raises:
        EnvironmentMissing: no DuckDB build of the Delta extension for this platform.
        JobUnknown: the statement names a declared table that does not exist yet or that the caller may not read.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"LOAD '{_extension(duckdb.__version__)}'")
    connection.execute("SET TimeZone = 'UTC'")
    # Views use other views: those are registered first, also when everything is registered.
    names = _names_in(statement if statement is not None else " ".join([*table_names(), *view_names()]))
    readable = lake.readable(name for name in names if not name.startswith("views."))
    for name in (n for n in names if not n.startswith("views.")):
        if name in readable:
            stage, table = name.split(".")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {stage}")
            connection.execute(
                f"CREATE VIEW {stage}.{table} AS SELECT * FROM delta_scan({_text(readable[name])})"
            )
        elif statement is not None:
            raise JobUnknown(
                f"{name} does not exist yet, or you may not read its files",
                hint=f"Run flywheel migrate, or ask for read access to {lake.path(name)}.",
            )
    connection.execute("CREATE SCHEMA IF NOT EXISTS views")
    for name in (n for n in names if n.startswith("views.")):
        description, query = view_query(name)
        if all(t in readable for t in _names_in(query) if not t.startswith("views.")):
            connection.execute(f"CREATE VIEW {name} AS {query}")
            connection.execute(f"COMMENT ON VIEW {name} IS '{description.replace(chr(39), chr(8217))}'")
    return connection


def named_rows(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query by column name.

    Args:
        values: of the statement's `$name` parameters.
    """
    result = connection.execute(statement, values)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _names_in(statement: str) -> list[str]:
    """Declared tables and views that a statement names, each after the views and tables that it uses."""
    names: list[str] = []

    def visit(text: str) -> None:
        for stage, name in _NAME.findall(text):
            full = f"{stage}.{name}".lower()
            if full in names:
                continue
            if full in view_names():
                visit(view_query(full)[1])
                names.append(full)
            elif full in table_names():
                names.append(full)

    visit(statement)
    return names


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def _extension(version: str) -> str:
    for file in files("duckdb-ext-delta") or []:
        if file.name == "delta.duckdb_extension" and f"v{version}" in str(file):
            return str(file.locate())
    raise EnvironmentMissing(
        f"the package duckdb-ext-delta has no Delta extension for DuckDB {version} on this platform",
        hint="Install the versions in uv.lock (uv sync).",
    )
