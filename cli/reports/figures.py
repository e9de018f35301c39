"""What the plots of every page share: colours, names that fit, and the look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from infra.inert import visible

INK, MUTED, FAINT = "#1c2b33", "#5b6b73", "#e4e9ec"
GOOD, BAD = "#0b7a75", "#d9773c"
WORSE, GREY = "#b3261e", "#8a979e"
"""Of a lift: significantly negative; not significant."""
LINES = (GOOD, BAD, "#4a6fa5", "#a58bc4", "#8c3b5e")
_LABEL_CHARACTERS = 28


def plot_text(text: str) -> str:
    """A text as plotly shows it: plotly reads markup and entities in every text, and `%{...}` in those of hovers."""
    # Without quotes, whose entities plotly does not know.
    return escape(visible(text), quote=False).replace("%{", "&#37;{")


def labelled(names: Sequence[str]) -> list[str]:
    """Names cut to fit; equal ones stay apart by invisible spaces, or plotly would put their bars on one line."""
    labels: list[str] = []
    for name in names:
        label = plot_text(name if len(name) <= _LABEL_CHARACTERS else f"{name[: _LABEL_CHARACTERS - 1]}…")
        while label in labels:
            label += "\u200b"
        labels.append(label)
    return labels


def styled(figure: Any, height: int) -> str:
    """The figure in the pages' look, `height` pixels high, as plotly JSON."""
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 12, "t": 30, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        template="none",
    )
    return str(figure.to_json())
