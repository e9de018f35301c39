"""Lays rows out so that a person can read them at the width of the terminal.

No date, number or word is broken. What does not fit side by side is shown with the columns that say the same in every
row above the table, and if that does not do, row by row with a line for each column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from infra.inert import visible

_GAP = 2  # blanks between columns
_LONGEST_WORD = 26
"""Characters of a word that stands unbroken: a run id has 24, a range of days 22. Longer ones are ids and paths."""
_LEAST_SENTENCE = 18
"""Characters of a line of a sentence; with fewer it is a column of single words."""
_TITLE_LINES = 3
_SIGNIFICANT_DIGITS = 4
_HEADER_PARTS = re.compile(r"(?<=[_ ])")


def cell_text(value: Any) -> str:
    """A value for people: numbers of four digits, times to the second in UTC, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return str(value)


def number_text(value: float) -> str:
    """The number with four digits; all digits before the point stay, and nothing is a negative zero."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (_SIGNIFICANT_DIGITS - 1):
        return f"{value:.0f}"
    return f"{value:.1e}" if abs(value) < 10**-_SIGNIFICANT_DIGITS else f"{value:.{_SIGNIFICANT_DIGITS}g}"


@dataclass(frozen=True)
class _Shape:
    """How wide a column wants to be, and how narrow it can be, in characters."""

    wanted: int
    least: int
    numeric: bool


def laid_out(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], width: int, *, multiline: bool = False
) -> list[RenderableType]:
    """What to print, in order, for rows with the columns `names` at a width in characters.

    Args:
        multiline: cells may have several lines.
    """
    cells = [[visible(cell_text(row[name]), multiline=multiline) for name in names] for row in rows]
    titles = [visible(name) for name in names]
    shapes = [
        _shape(titles[n], [line[n] for line in cells], [row[name] for row in rows])
        for n, name in enumerate(names)
    ]
    every = list(range(len(names)))
    if (widths := _widths(shapes, every, width)) is not None:
        return [_table(titles, cells, shapes, every, widths)]
    same = [n for n in every if len(cells) > 1 and len({line[n] for line in cells}) == 1]
    rest = [n for n in every if n not in same]
    if same and rest and (widths := _widths(shapes, rest, width)) is not None:
        said = ", ".join(f"{titles[n]} {cells[0][n] or '(none)'}" for n in same)
        return [Text(f"In every row: {said}"), _table(titles, cells, shapes, rest, widths)]
    return _records(titles, cells)


def _shape(title: str, cells: Sequence[str], values: Sequence[Any]) -> _Shape:
    longest = max(cell_len(part) for part in _HEADER_PARTS.split(title))
    widths = range(longest, cell_len(title) + 1)
    wanted = cell_len(title)
    least = next(width for width in widths if len(_folded(title, width)) <= _TITLE_LINES)
    for cell, value in zip(cells, values, strict=True):
        natural = max((cell_len(line) for line in cell.split("\n")), default=0)
        wanted = max(wanted, natural)
        if isinstance(value, str):
            unbroken = _LEAST_SENTENCE if " " in cell else _LONGEST_WORD
            word = max((cell_len(word) for word in cell.split()), default=0)
            least = max(least, min(word, unbroken), min(natural, _LEAST_SENTENCE))
        elif isinstance(value, list | dict):
            least = max(least, min(natural, _LONGEST_WORD))
        else:
            least = max(least, natural)
    known = [value for value in values if value is not None]
    numeric = bool(known) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)
    return _Shape(wanted, least, numeric)


def _widths(shapes: Sequence[_Shape], chosen: Sequence[int], width: int) -> list[int] | None:
    """The width of each chosen column, or None if they do not fit side by side."""
    room = width - _GAP * (len(chosen) - 1)
    some = [shapes[n] for n in chosen]
    if sum(shape.wanted for shape in some) <= room:
        return [shape.wanted for shape in some]
    spare = room - sum(shape.least for shape in some)
    if spare < 0:
        return None
    more = sum(shape.wanted - shape.least for shape in some)
    return [shape.least + spare * (shape.wanted - shape.least) // more for shape in some]


def _table(
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    shapes: Sequence[_Shape],
    chosen: Sequence[int],
    widths: Sequence[int],
) -> RichTable:
    columns = [
        Column(
            Text("\n".join(_folded(titles[n], width))),
            justify="right" if shapes[n].numeric else "left",
            overflow="fold",
            min_width=width,
            max_width=width,
        )
        for n, width in zip(chosen, widths, strict=True)
    ]
    # A first cell of several lines could look like several rows.
    lines = widths[0] < shapes[chosen[0]].wanted if chosen else False
    table = RichTable(
        *columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_lines=lines
    )  # fmt: skip
    for line in cells:
        table.add_row(*(Text(line[n], overflow="fold") for n in chosen))
    return table


def _folded(title: str, width: int) -> list[str]:
    """The title in lines of at most `width`, broken after underscores and blanks."""
    lines = [""]
    for part in _HEADER_PARTS.split(title):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _records(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> list[RenderableType]:
    """Row by row, one line for each column."""
    records: list[RenderableType] = []
    for number, line in enumerate(cells, start=1):
        grid = RichTable.grid(Column(style="bold", no_wrap=True), Column(overflow="fold"), padding=(0, 1))
        for title, cell in zip(titles, line, strict=True):
            grid.add_row(Text(title), Text(cell, overflow="fold"))
        records += [Text(f"-- row {number:,} of {len(cells):,}", style="bold"), grid]
    return records
