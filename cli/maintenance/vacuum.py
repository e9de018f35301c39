"""`flywheel vacuum`: free the disk of what no version in use needs."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, print_rows
from infra.settings import load_settings


def vacuum(
    tables: Annotated[
        list[str] | None, typer.Argument(help="stage.table, several if wanted; default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would leave the disk.")] = False,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """Remove files that no version in use needs; versions that registered models stand on are spared.

    Files go when they have been out of the table for maintenance.keep_deleted_hours. Whether a model stands on a
    version is asked of the registry: if it does not answer, nothing is vacuumed. To remove a user's rows is another
    thing: flywheel erase.

    Examples: flywheel vacuum --dry-run;  flywheel vacuum annotation.preferences
    """
    from jobs.maintenance.vacuum import vacuum as clean

    rows, files = [], []
    for done in clean(load_settings(), tables or (), dry_run):
        spared = [
            f"{version} ({', '.join(who)}{'; already gone' if version in done.gone else ''})"
            for version, who in done.spared.items()
        ]
        files.append(done.files)
        rows.append({"table": done.table, "files": done.files, "spared versions": ", ".join(spared)})
    print_rows(rows, ["table", "files", "spared versions"], format)
    total = sum(files)
    err.print(f"{total:,} file(s) {'would leave' if dry_run else 'left'} the disk.", highlight=False)
