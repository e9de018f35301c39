"""DuckDB over the Delta tables, each by its name `stage.table`, without a JVM and without a lock.

Only tables whose files the caller may read are registered; any other raises an error. Views of `schemas/views/` are
registered with the tables and views that they use. What was registered is all that a connection can open: it is sealed
before it is handed out. A statement that a user wrote is read by `infra.lake.room`, which also decides what may run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import files
from typing import TYPE_CHECKING, Any, Final

from infra.contracts import table_names, view_names, view_query
from infra.errors import EnvironmentMissing, JobUnknown
from infra.lake import Lake
from infra.lake.arrow import queryable
from infra.storage import local_path

if TYPE_CHECKING:
    import duckdb

_NAME = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b", re.IGNORECASE)
_ENGINE: Final[dict[str, str | bool]] = {
    # A name that is no table would otherwise be looked for among the caller's Python variables.
    "python_enable_replacements": False,
    # An unknown function would otherwise be looked for on the network.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}


def connect(lake: Lake, statement: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the lake's tables and views, for statements of ours.

    Args:
        statement: register only what this SQL names (faster); None registers everything readable.

    Raises:
        EnvironmentMissing: no DuckDB build of the Delta extension for this platform.
        JobUnknown: the statement names a declared table that does not exist yet or that the caller may not read.
    """
    connection = engine()
    # Views use other views: those are registered first, also when everything is registered.
    names = names_in(statement if statement is not None else " ".join([*table_names(), *view_names()]))
    register(connection, lake, names, skip_unreadable=statement is None)
    return connection


def engine(**config: str | int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that sees neither Python's variables nor the network; `config` are further settings of DuckDB."""
    import duckdb

    connection = duckdb.connect(config={**_ENGINE, **config})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def register(
    connection: duckdb.DuckDBPyConnection, lake: Lake, names: Iterable[str], skip_unreadable: bool = False
) -> None:
    """Register tables and views, each after those that it uses, and seal the connection.

    From then on the connection opens no file outside the folders of these tables, loads no extension, and its
    settings are locked.

    Args:
        skip_unreadable: leave out what the caller may not read instead of raising.

    Raises:
        EnvironmentMissing: no DuckDB build of the Delta extension for this platform.
        JobUnknown: a table does not exist yet, or the caller may not read it.
    """
    names = list(names)
    tables = [name for name in names if not name.startswith("views.")]
    readable = lake.readable(tables)
    if missing := [name for name in tables if name not in readable and not skip_unreadable]:
        raise JobUnknown(
            f"{missing[0]} does not exist yet, or you may not read its files",
            hint=f"Run flywheel migrate, or ask for read access to {lake.path(missing[0])}.",
        )
    folders = {name: local_path(readable[name]) for name in tables if name in readable}
    if any(folders.values()):
        connection.execute(f"LOAD {_text(_extension())}")
    for name, folder in folders.items():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        if folder is not None:
            source = f"delta_scan({_text(str(folder))})"
        else:
            # Of an object store, delta-rs reads the files: DuckDB would need another extension and its own keys.
            source = f"_{name.replace('.', '_')}"
            connection.register(source, queryable(lake.open(name)))
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
    # Before the views: what a view may open is what was registered, whatever its SQL says.
    _seal(connection, [str(folder) for folder in folders.values() if folder is not None])
    connection.execute("CREATE SCHEMA IF NOT EXISTS views")
    for name in (n for n in names if n.startswith("views.")):
        description, query = view_query(name)
        if all(t in readable for t in names_in(query) if not t.startswith("views.")):
            connection.execute(f"CREATE VIEW {name} AS {query}")
            connection.execute(f"COMMENT ON VIEW {name} IS '{description.replace(chr(39), chr(8217))}'")


def _seal(connection: duckdb.DuckDBPyConnection, folders: Iterable[str]) -> None:
    listed = ", ".join(_text(folder) for folder in folders)
    connection.execute(f"SET allowed_directories = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


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


def names_in(statement: str) -> list[str]:
    """Declared tables and views whose names occur in a text, each after the views and tables that it uses."""
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


def _extension() -> str:
    import duckdb

    version = duckdb.__version__
    for file in files("duckdb-ext-delta") or []:
        if file.name == "delta.duckdb_extension" and f"v{version}" in str(file):
            return str(file.locate())
    raise EnvironmentMissing(
        f"the package duckdb-ext-delta has no Delta extension for DuckDB {version} on this platform",
        hint="Install the versions in uv.lock (uv sync).",
    )
