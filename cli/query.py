"""Rows of a SQL query over the lake, for commands that print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.lake import Lake


def query(
    lake: Lake, statement: str, values: Mapping[str, Any] | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    """Column names and rows of a DuckDB query.

    Args:
        values: of the statement's `$name` parameters.

    Raises:
        JobUnknown: a table does not exist yet, or the caller may not read it.
        duckdb.Error: the statement is wrong.
    """
    from infra.lake.sql import connect

    with connect(lake, statement) as connection:
        cursor = connection.execute(statement, values)
        names = [column[0] for column in cursor.description or []]
        return names, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
