"""`flywheel retention`: delete what is older than its table's retention."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, print_rows


def retention(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Tables to check, as stage.table. Default: all tables and landed files."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Delete the rows and files. Without this option, they are only counted."),
    ] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Delete rows and files that are past their retention.

    `flywheel tables TABLE` shows how many days a table keeps. Raw text is kept for 90 days. The first `flywheel
    vacuum` after maintenance.keep_deleted_hours removes deleted rows from disk. Deleted days are not planned again.

    \b
    Examples:
      flywheel retention
      flywheel retention --yes
    """
    from infra.settings import load_settings
    from jobs.maintenance.retention import enforce

    rows = [
        {"place": done.place, "older than": done.before, "rows": done.rows, "files": done.files}
        for done in enforce(load_settings(), tables or (), dry_run=not yes)
    ]
    if rows:
        print_rows(rows, list(rows[0]), format)
    if not rows:
        err.print("Nothing is past its retention.")
    elif not yes:
        err.print("Nothing was deleted. To delete: flywheel retention --yes")
