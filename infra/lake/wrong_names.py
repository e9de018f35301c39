"""What DuckDB says of a wrong statement, as a sentence of ours that tells which names are near the wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.contracts import contract
from infra.nearest import did_you_mean

if TYPE_CHECKING:
    import duckdb

_NO_COLUMN = (
    "Referenced column ",
    "does not have a column named ",
    "in EXCLUDE list not found",
    "side of join",
)
_TYPES = ("No function matches", "Could not choose a best candidate function")
_OUTSIDE = {
    "WHERE clause cannot contain aggregates!": "WHERE may not contain aggregates such as count(*): use HAVING",
}


def told(connection: duckdb.DuckDBPyConnection, message: str, tables: Sequence[str]) -> tuple[str, str]:
    """What is wrong, and what to do.

    Args:
        message: of DuckDB, for a statement that was only planned: it quotes the statement and no row.
        tables: declared tables and views that the statement reads.
    """
    what = message.splitlines()[0].partition(" Error: ")[2] or message.splitlines()[0]
    quoted = what.split('"')[1::2]
    if any(mark in what for mark in _NO_COLUMN) and quoted:
        return _no_column(connection, quoted[-1], tables)
    if what.startswith("Referenced table ") and quoted:
        return f"FROM names no table or alias {quoted[0]}", did_you_mean(quoted[0], tables)
    if " with name " in what and what.endswith(" does not exist!"):
        kind, _, name = what.removesuffix(" does not exist!").partition(" with name ")
        return (
            _no_function(connection, name)
            if "Function" in kind
            else (f"there is no {kind.lower()} {name}", "")
        )
    if what.startswith(_TYPES):
        call = next(iter(what.split("'")[1::2] or quoted), "")
        return f"no function takes {call.replace('_LITERAL', '')}", "Convert a value: CAST(column AS DOUBLE)."
    if what in _OUTSIDE:
        return _OUTSIDE[what], ""
    return what[:1].lower() + what[1:].rstrip(".!"), ""


def _no_column(connection: duckdb.DuckDBPyConnection, name: str, tables: Sequence[str]) -> tuple[str, str]:
    columns = {table: columns_of(connection, table) for table in tables}
    where = f" in {' or '.join(tables)}" if tables else ""
    every = dict.fromkeys(column for names in columns.values() for column in names)
    listing = f"Its columns: flywheel tables {tables[0]}" if tables else ""
    return f"there is no column {name}{where}", did_you_mean(name, every, listing)


def _no_function(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[str, str]:
    rows = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    # Operators are functions too, and so are helpers of the system: nobody means them.
    known = sorted(
        row[0] for row in rows if row[0].isidentifier() and not row[0].startswith(("_", "pg_", "duckdb_"))
    )
    return f"there is no function {name}", did_you_mean(name, known)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Columns of a declared table, or of a declared view that the connection has."""
    if not table.startswith("views."):
        return list(contract(table).column_names)
    return [
        str(column[0]) for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
    ]
