"""Where the command prints: results on standard output, messages and progress on standard error."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column
from rich.table import Table as RichTable

# Output that is piped or logged has no terminal width.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
# The terminal wraps sentences. Line breaks of our own would get into what is piped, searched or copied.
out = Console(width=_WIDTH, soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


class Format(StrEnum):
    """Output formats: a table for people, CSV or JSON for programs."""

    table = "table"
    csv = "csv"
    json = "json"


def print_error(error: Exception) -> None:
    """Print one of our errors as one line."""
    # Escaped: the place of an error is in square brackets, which rich would take for a style.
    text = f"[bold red]{type(error).__name__}[/bold red]: {escape(str(error))}"
    err.print(text, highlight=False, soft_wrap=True)


def print_rows(rows: list[dict[str, Any]], names: list[str], format: Format) -> None:
    """Print rows, with the columns `names` in that order."""
    if format is Format.table:
        table = RichTable(*(Column(name, overflow="fold", no_wrap=name == names[0]) for name in names))
        for row in rows:
            table.add_row(*("" if row[name] is None else escape(str(row[name])) for name in names))
        out.print(table, soft_wrap=False)
        return
    writers: dict[Format, Callable[..., None]] = {Format.csv: _csv, Format.json: _json}
    writers[format](rows, names)


def _csv(rows: list[dict[str, Any]], names: list[str]) -> None:
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _json(rows: list[dict[str, Any]], names: list[str]) -> None:
    json.dump(
        [{name: row[name] for name in names} for row in rows], sys.stdout, default=str, ensure_ascii=False
    )
    sys.stdout.write("\n")
