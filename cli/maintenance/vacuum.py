"""`flywheel vacuum`: delete files that no version in use needs."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, print_rows


def vacuum(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables to vacuum, as stage.table. Default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the files only; delete nothing.")] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Delete files that no table version in use needs.

    A file is deleted maintenance.keep_deleted_hours after it was removed from its table. Versions that registered
    models were trained on are kept. If the model registry does not respond, nothing is deleted. To remove the rows of
    a user, use `flywheel erase`.

    \b
    Examples:
      flywheel vacuum --dry-run
      flywheel vacuum annotation.preferences
    """
    from infra.settings import load_settings
    from jobs.maintenance.vacuum import vacuum as vacuum_tables

    rows, files = [], []
    for done in vacuum_tables(load_settings(), tables or (), dry_run):
        spared = [
            f"{version} ({', '.join(models)}{'; already deleted' if version in done.gone else ''})"
            for version, models in done.spared.items()
        ]
        files.append(done.files)
        rows.append({"table": done.table, "files": done.files, "spared versions": ", ".join(spared)})
    print_rows(rows, ["table", "files", "spared versions"], format)
    err.print(f"{sum(files):,} file(s) {'would be deleted' if dry_run else 'deleted'}.")
