"""The data dictionary, derived from the DDL and the jobs' declarations."""

from __future__ import annotations

from typing import Any

from infra.contracts import contract, table_names, view_names, view_query
from jobs.declaration import all_jobs, readers_of, writer_of


def overview() -> list[dict[str, Any]]:
    """One row per table and view."""
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
    writer = writer_of(table)
    if writer is not None:
        return writer.name
    stages = {"ops", *(job.stage for job in all_jobs())}
    return "command or core" if table.split(".")[0] in stages else "a stage to come"


def columns_of(name: str) -> list[dict[str, Any]]:
    """One row per column of a table, preceded by rows on the table itself.

    Raises:
        JobUnknown: names the tables that there are.
    """
    if name.startswith("views."):
        description, query = view_query(name)
        return [{"column": "(view)", "type": "", "null": "", "pii": "", "comment": f"{description}\n{query}"}]
    table = contract(name)
    facts = {
        "what": table.comment,
        "key": ", ".join(table.key),
        "partitioned by": ", ".join(table.partition) or "(not)",
        "write": f"{table.write}{f' by {table.scope}' if table.scope else ''}",
        "retention": f"{table.retention_days} days, root {table.root}",
        "written by": _written_by(name),
        "read by": ", ".join(job.name for job in readers_of(name)) or "(people)",
        **{f"CHECK {check}": text for check, text in table.checks.items()},
    }
    about = [{"column": f"({k})", "type": "", "null": "", "pii": "", "comment": v} for k, v in facts.items()]
    return about + [
        {
            "column": c.name,
            "type": c.type,
            "null": "yes" if c.nullable else "no",
            "pii": c.pii,
            "comment": c.comment,
        }
        for c in table.columns
    ]
