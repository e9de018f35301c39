"""Lays rows out so that a person can read them at the width of the terminal.

No date or number is broken, and a word only where the table would not fit otherwise. What still does not fit is shown
with the columns that say the same in every row above the table, and if that does not do, row by row with a line for
each column.
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

_SIGNIFICANT_DIGITS = 4
_HEADER_PARTS = re.compile(r"(?<=[_ ])")
_FIGURE = re.compile(r"[0-9.:,%+\-]+")
"""A day, a range of days, a number: never broken."""


@dataclass(frozen=True)
class _Setting:
    """How tightly a table is set, in characters.

    Attributes:
        gap: blanks between columns.
        word: a word up to this length stands unbroken. A run id has 24; longer ones are ids and paths.
        sentence: least width of a column of sentences; with fewer it is a column of single words.
        title: lines of a title.
    """

    gap: int
    word: int
    sentence: int
    title: int


_SETTINGS = (_Setting(gap=2, word=26, sentence=18, title=3), _Setting(gap=1, word=12, sentence=12, title=4))


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
    """How wide a column wants to be, and how narrow it can be in each setting, in characters."""

    wanted: int
    least: dict[_Setting, int]
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
    same = [n for n in every if len(cells) > 1 and len({line[n] for line in cells}) == 1]
    rest = [n for n in every if n not in same]
    for setting in _SETTINGS:
        if (widths := _widths(shapes, every, width, setting)) is not None:
            return [_table(titles, cells, shapes, every, widths, setting)]
        if same and rest and (widths := _widths(shapes, rest, width, setting)) is not None:
            said = ", ".join(f"{titles[n]} {cells[0][n] or '(none)'}" for n in same)
            return [Text(f"In every row: {said}"), _table(titles, cells, shapes, rest, widths, setting)]
    return _records(titles, cells)


def _shape(title: str, cells: Sequence[str], values: Sequence[Any]) -> _Shape:
    naturals = [max(map(cell_len, cell.split("\n"))) for cell in cells]
    known = [value for value in values if value is not None]
    return _Shape(
        max([cell_len(title), *naturals]),
        {
            setting: max(
                _least_of_title(title, setting),
                *(
                    _least(cell, natural, value, setting)
                    for cell, natural, value in zip(cells, naturals, values, strict=True)
                ),
                1,
            )
            for setting in _SETTINGS
        },
        bool(known) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known),
    )


def _least_of_title(title: str, setting: _Setting) -> int:
    longest = max(cell_len(part) for part in _HEADER_PARTS.split(title))
    return next(
        width for width in range(longest, cell_len(title) + 1) if len(_folded(title, width)) <= setting.title
    )


def _least(cell: str, natural: int, value: Any, setting: _Setting) -> int:
    """The narrowest column in which a cell can be read."""
    if isinstance(value, list | dict):
        return min(natural, setting.word)
    if not isinstance(value, str):
        return natural
    words = [
        cell_len(word) if _FIGURE.fullmatch(word) else min(cell_len(word), setting.word)
        for word in cell.split()
    ]
    return max([min(natural, setting.sentence), *words])


def _widths(
    shapes: Sequence[_Shape], chosen: Sequence[int], width: int, setting: _Setting
) -> list[int] | None:
    """The width of each chosen column, or None if they do not fit side by side."""
    room = width - setting.gap * (len(chosen) - 1)
    wanted, least = [shapes[n].wanted for n in chosen], [shapes[n].least[setting] for n in chosen]
    if sum(wanted) <= room:
        return wanted
    if (spare := room - sum(least)) < 0:
        return None
    # Who lacks least is served first: more columns are shown whole.
    for n in sorted(range(len(chosen)), key=lambda n: wanted[n] - least[n]):
        more = min(spare, wanted[n] - least[n])
        least[n] += more
        spare -= more
    return least


def _table(
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    shapes: Sequence[_Shape],
    chosen: Sequence[int],
    widths: Sequence[int],
    setting: _Setting,
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
        *columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, setting.gap - 1, 0, 0), show_lines=lines
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
