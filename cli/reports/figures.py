"""What the plots of every page share: colours, names that fit, and the look."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from infra.inert import visible

INK, MUTED, FAINT = "#1c2b33", "#5b6b73", "#e4e9ec"
GOOD, BAD = "#0b7a75", "#d9773c"
WORSE, GREY = "#b3261e", "#7f8c94"
"""Of a lift: significantly negative; not significant."""
LINES = (GOOD, "#c2621f", "#4a6fa5", "#8b6bb1", "#8c3b5e")
_LINE_CHARACTERS = 22
"""A line of a label leaves a phone room for the plot."""
_LINES = 5
LINE_PIXELS = 15


@dataclass(frozen=True)
class Plot:
    """A plot on a page.

    Attributes:
        drawing: plotly JSON.
        summary: what it shows, in a sentence or two: the line under it, and its text for who cannot see it.
        key: what its colours mean: name and colour. It stands above the plot and wraps, so it covers nothing.
    """

    drawing: str
    summary: str
    key: Sequence[tuple[str, str]] = ()


def plot_text(text: str) -> str:
    """A text as plotly shows it: plotly reads markup and entities in every text, and `%{...}` in those of hovers."""
    # Without quotes, whose entities plotly does not know.
    return escape(visible(text), quote=False).replace("%{", "&#37;{")


def wrapped(text: str, width: int = _LINE_CHARACTERS, lines: int | None = None) -> str:
    """A text as plotly shows it, broken into lines; of more than `lines`, the last ends in `…`."""
    found = textwrap.wrap(visible(text), width, max_lines=lines, placeholder=" …") or [""]
    return "<br>".join(plot_text(line) for line in found)


def labelled(names: Sequence[str]) -> list[str]:
    """Names in lines; equal ones stay apart by invisible spaces, or plotly would put their bars on one line."""
    labels: list[str] = []
    for name in names:
        label = wrapped(name, lines=_LINES)
        while label in labels:
            label += "\u200b"
        labels.append(label)
    return labels


def heights(labels: Sequence[str], row_pixels: int) -> int:
    """Pixels of rows with these labels: all as high as the longest label needs."""
    lines = max((label.count("<br>") + 1 for label in labels), default=1)
    return max(len(labels), 1) * max(row_pixels, LINE_PIXELS * lines + 8)


def plotted(figure: Any, height: int, summary: str, key: Sequence[tuple[str, str]] = ()) -> Plot:
    """The figure in the pages' look, `height` pixels high."""
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 14, "t": 8, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        showlegend=False,
        separators=".,",
        template="none",
    )
    return Plot(str(figure.to_json()), summary, key)


def listed(parts: Sequence[str], most: int = 4) -> str:
    """`a, b and c`; a list longer than `most` and one says how many more there are."""
    if len(parts) > most + 1:
        parts = [*parts[:most], f"{len(parts) - most} more"]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def percent(share: float) -> str:
    """A percentage with one decimal, none where it is whole: `10 %`, `18.6 %`. No line breaks before its sign."""
    return f"{share:.1f}".removesuffix(".0").replace("-", "−") + "\u00a0%"


def signed(value: float, decimals: int = 1) -> str:
    """A percentage with its sign, a true minus."""
    return f"{'−' if value < 0 else '+'}{abs(value):,.{decimals}f}"
