"""`flywheel compact`: turn many small files of a table into few."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, print_rows


def compact(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables to compact, as stage.table. Default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the files only.")] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Merge the small files of a table, so that it reads faster.

    Compacts tables with more than maintenance.compact_above_files files in a partition. Rows do not change. `flywheel
    vacuum` deletes the old files.

    \b
    Example:
      flywheel compact ops.runs
    """
    from infra.settings import load_settings
    from jobs.maintenance.compaction import compact as compact_tables

    rows = [
        {"table": done.table, "files before": done.files_before, "files after": done.files_after}
        for done in compact_tables(load_settings(), tables or (), dry_run)
    ]
    if rows:
        print_rows(rows, list(rows[0]), format)
    else:
        err.print("No table has enough files to compact.")
