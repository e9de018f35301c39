"""What a table promises: its DDL in `schemas/`, read once, as columns, keys, checks and schemas of both engines."""

from __future__ import annotations

from infra.contracts.reader import (
    SCHEMAS,
    Column,
    Contract,
    WriteMode,
    contract,
    table_names,
    view_names,
    view_query,
)

__all__ = [
    "SCHEMAS", "Column", "Contract", "WriteMode", "contract", "table_names", "view_names", "view_query",
]  # fmt: skip
