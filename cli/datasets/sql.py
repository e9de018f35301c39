"""`flywheel sql`: query the lake with DuckDB."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, print_rows
from cli.query import query
from infra.errors import FlywheelError


def sql(
    statement: Annotated[
        str, typer.Argument(help="SQL in DuckDB's dialect. Tables are named stage.table, views views.name.")
    ],
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Query the tables and views of the lake in SQL.

    Reads the Delta files directly: needs no JVM, takes no lock, and works while jobs run. `flywheel tables` lists the
    tables and views.

    \b
    Example:
      flywheel sql "SELECT * FROM views.daily_funnel ORDER BY ds, turns DESC"
    """
    import duckdb

    from infra.lake import Lake
    from infra.settings import load_settings

    try:
        names, rows = query(Lake.of(load_settings()), statement)
    except duckdb.Error as error:
        raise FlywheelError(str(error).splitlines()[0], hint="See: flywheel tables") from None
    print_rows(rows, names, format)
