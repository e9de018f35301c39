"""Where the command prints: results on standard output, messages and progress on standard error.

What is printed may come from data, so nothing in it acts: rich reads neither markup nor emoji names in a text, and
control characters are shown, not sent. A style is given by `styled`, never inside a text.
"""

from __future__ import annotations

import csv
import os
import sys
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from cli.layout import laid_out
from infra.inert import csv_cell, json_text, visible


class InertConsole(Console):
    """A console that shows every text as it is, in one line: cells of tables and branches of trees too."""

    def __init__(self, **options: Any) -> None:
        # The terminal wraps sentences. Line breaks of our own would get into what is piped, searched or copied.
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every `str` that rich prints, wherever it stands, becomes a text here."""
        return super().render_str(visible(text), **options)

    @property
    def columns(self) -> int:
        """Characters of a line. What is piped or logged has no terminal, and gets lines of 160."""
        is_known = self.is_terminal or "COLUMNS" in os.environ or self._width is not None
        return self.width if is_known else _PIPED


_PIPED = 160
out = InertConsole()
err = InertConsole(stderr=True)


class Format(StrEnum):
    """Output formats: a table for people, CSV for spreadsheets, JSON for programs."""

    table = "table"
    csv = "csv"
    json = "json"


def styled(*parts: str | tuple[str, str]) -> Text:
    """One line of texts; a pair is a text and its style."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def print_error(error: Exception) -> None:
    """Print one of our errors as one line."""
    err.print(styled((type(error).__name__, "bold red"), f": {error}"))


def print_lines(text: object) -> None:
    """Print a text of ours that has several lines, such as a summary."""
    for line in str(text).split("\n"):
        out.print(line)


def print_passages(passages: dict[str, str]) -> None:
    """Print texts of several lines, each beside its label: no line of a text can look like a label of ours."""
    grid = RichTable.grid(Column(style="bold", no_wrap=True), Column(overflow="fold"), padding=(0, 1))
    for label, text in passages.items():
        grid.add_row(label, Text(visible(text, multiline=True)))
    out.print(grid, soft_wrap=False)


def print_rows(
    rows: list[dict[str, Any]], names: list[str], format: Format, *, multiline: bool = False
) -> None:
    """Print rows, with the columns `names` in that order.

    A table fits the terminal and rounds numbers (`cli.layout`). JSON holds the values exactly. In CSV, a text that a
    spreadsheet would read as a formula begins with an apostrophe.

    Args:
        multiline: cells of a table may have several lines. Never for data: a line could look like another row.
    """
    if format is Format.table:
        width = out.columns
        for part in laid_out(rows, names, width, multiline=multiline):
            out.print(part, soft_wrap=False, width=width)
    elif format is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(csv_cell(name) for name in names)
        writer.writerows([csv_cell(row[name]) for name in names] for row in rows)
    else:
        print_json([{name: row[name] for name in names} for row in rows])


def print_json(content: Any) -> None:
    """Print the content as JSON in one line; a value that JSON does not know as its `str`."""
    sys.stdout.write(f"{json_text(content)}\n")
