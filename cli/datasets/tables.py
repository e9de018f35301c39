"""`flywheel tables`: the data dictionary, derived from the DDL and the jobs' declarations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.console import Format, print_rows


def tables(
    name: Annotated[str | None, typer.Argument(help="stage.table or views.name. Default: list all.")] = None,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Show the data dictionary: all tables, or the columns of one.

    For a table: its key, partitioning, retention, checks, the job that writes it and the jobs that read it.

    \b
    Examples:
      flywheel tables
      flywheel tables curation.samples
    """
    rows = overview() if name is None else columns_of(name)
    print_rows(rows, list(rows[0]), format, multiline=True)


def overview() -> list[dict[str, Any]]:
    """One row per table and view."""
    from infra.contracts import contract, table_names, view_names, view_query

    rows: list[dict[str, Any]] = []
    for name in table_names():
        table = contract(name)
        rows.append(
            {
                "table": name,
                "what": table.comment,
                "root": table.root,
                "pii": table.pii,
                "days kept": table.retention_days,
                "written by": _written_by(name),
            }
        )
    for name in view_names():
        rows.append(
            {
                "table": name,
                "what": view_query(name)[0],
                "root": "view",
                "pii": "",
                "days kept": "",
                "written by": "",
            }
        )
    return rows


def _written_by(table: str) -> str:
    from jobs.declaration import all_jobs, writer_of

    writer = writer_of(table)
    if writer is not None:
        return writer.name
    stages = {"ops", *(job.stage for job in all_jobs())}
    return "a command" if table.split(".")[0] in stages else "a future stage"


def columns_of(name: str) -> list[dict[str, Any]]:
    """One row per column of a table, after rows about the table itself (their names are in parentheses).

    Raises:
        JobUnknown: there is no such table or view; names those that exist.
    """
    from infra.contracts import contract, view_query
    from jobs.declaration import readers_of

    if name.startswith("views."):
        description, query = view_query(name)
        return [{"column": "(view)", "type": "", "null": "", "pii": "", "comment": f"{description}\n{query}"}]
    table = contract(name)
    facts = {
        "what": table.comment,
        "key": ", ".join(table.key),
        "partitioned by": ", ".join(table.partition) or "(nothing)",
        "write": f"{table.write}{f' by {table.scope}' if table.scope else ''}",
        "retention": f"{table.retention_days} days, root {table.root}",
        "written by": _written_by(name),
        "read by": ", ".join(job.name for job in readers_of(name)) or "(no job)",
        **{f"CHECK {check}": text for check, text in table.checks.items()},
    }
    about = [{"column": f"({k})", "type": "", "null": "", "pii": "", "comment": v} for k, v in facts.items()]
    return about + [
        {
            "column": column.name,
            "type": column.type,
            "null": "yes" if column.nullable else "no",
            "pii": column.pii,
            "comment": column.comment,
        }
        for column in table.columns
    ]
