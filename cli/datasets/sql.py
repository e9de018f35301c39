"""`flywheel sql`: query the lake with DuckDB."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, print_rows


def sql(
    statement: Annotated[
        str, typer.Argument(help="SQL in DuckDB's dialect. Tables are named stage.table, views views.name.")
    ],
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Rows to print at most. Default: sql.row_limit.", show_default=False),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Allow tables with raw text. The reader is recorded in ops.raw_reads."),
    ] = False,
    reader: Annotated[
        str, typer.Option(help="Your name, for raw text.", envvar="FLYWHEEL_REVIEWER", show_default=False)
    ] = "",
) -> None:
    """Query the tables and views of the lake in SQL.

    Runs one SELECT (also DESCRIBE, SUMMARIZE, EXPLAIN), which can change nothing and open nothing but the tables that
    it names. Reads the Delta files directly: needs no JVM, takes no lock, and works while jobs run. `flywheel tables`
    lists the tables and views. Limits of time and memory: settings sql.time_limit_seconds, sql.memory_limit_bytes.

    \b
    Example:
      flywheel sql "SELECT * FROM views.daily_funnel ORDER BY ds, turns DESC"
    """
    from infra.lake import Lake
    from infra.lake.room import read
    from infra.settings import load_settings

    settings = load_settings()
    try:
        answer = read(Lake.of(settings), settings.sql, statement, row_limit=limit, raw=raw, reader=reader)
    except KeyboardInterrupt:
        err.print("Interrupted: the statement was stopped.")
        raise typer.Exit(130) from None
    names = list(answer.names)
    rows = [dict(zip(names, row, strict=True)) for row in answer.rows]
    print_rows(rows, names, format, multiline=answer.is_plan)
    for warning in answer.warnings:
        err.print(f"Not as recorded: {warning}")
    if answer.cut:
        err.print(
            f"Only the first {len(answer.rows):,} rows are shown, there are more. For more rows, give --limit. "
            "To export a table: flywheel pull."
        )
