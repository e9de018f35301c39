"""The report's plots, as plotly figures that fit a phone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from cli.report_data import Row

INK, MUTED, FAINT = "#1c2b33", "#5b6b73", "#e4e9ec"
KEPT, BEFORE, GONE = "#0b7a75", "#b9c6cc", "#d9773c"
_ROW_PIXELS = 26
_LEVELS_SHOWN = 12
_LABEL_CHARACTERS = 28


def funnel(steps: Sequence[tuple[str, int]]) -> str:
    """Turns left after each step, as plotly JSON."""
    top = max((count for _, count in steps), default=0) or 1
    told = [f"{count:,} · {100 * count / top:.1f} %" for _, count in steps]
    colours = [BEFORE, *([KEPT] * (len(steps) - 1))]
    return _bars(steps, told, "%{customdata}: %{x:,} turns", colours, row_pixels=40, insidetextanchor="start")


def reasons(rows: Sequence[tuple[str, int]]) -> str:
    """Turns that ended on the way, by where and why, as plotly JSON."""
    return _bars(rows, [f"{count:,}" for _, count in rows], "%{customdata}: %{x:,} turns", GONE)


def before_after(rows: Sequence[Row]) -> str:
    """One dimension: shares before curation and in the sample, and the target where there is one; plotly JSON."""
    merged: dict[str, Row] = {}
    for row in rows:
        one = merged.setdefault(
            row["level"], {"before": row["before"], "after": row["achieved"], "target": None}
        )
        if row["kind"] == "target" and row["wanted"] is not None:
            one["target"] = row["wanted"]
    before, after = (sum(one[name] for one in merged.values()) or 1 for name in ("before", "after"))
    levels = sorted(merged, key=lambda level: (-merged[level]["before"], level))[:_LEVELS_SHOWN]
    labels = _labels(levels)
    figure = go.Figure(
        [
            _share_bar(
                "before", labels, [100 * merged[level]["before"] / before for level in levels], BEFORE
            ),
            _share_bar("sample", labels, [100 * merged[level]["after"] / after for level in levels], KEPT),
        ]
    )
    aims = [(label, merged[level]["target"]) for label, level in zip(labels, levels, strict=True)]
    aims = [(label, 100 * aim / after) for label, aim in aims if aim is not None]
    if aims:
        figure.add_scatter(
            y=[label for label, _ in aims], x=[aim for _, aim in aims], mode="markers", name="target",
            marker={"symbol": "line-ns-open", "size": 16, "color": INK, "line": {"width": 2}},
            hovertemplate="%{y}: target %{x:.1f} %<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.25, showlegend=True, xaxis={"ticksuffix": " %"})
    return _drawn(figure, len(levels), row_pixels=38)


def seconds(rows: Sequence[tuple[str, float]]) -> str:
    """Wall time by job, as plotly JSON."""
    return _bars(rows, [f"{value:,.1f} s" for _, value in rows], "%{customdata}: %{x:.1f} s", KEPT)


def _bars(
    rows: Sequence[tuple[str, float]], told: list[str], hover: str, colour: str | list[str],
    row_pixels: int = _ROW_PIXELS, **more: Any,
) -> str:  # fmt: skip
    """One bar a row with what is told of it on it, as plotly JSON."""
    bars = go.Bar(
        y=_labels([name for name, _ in rows]), x=[value for _, value in rows], customdata=[name for name, _ in rows],
        orientation="h", marker={"color": colour}, text=told, textposition="auto", textangle=0, cliponaxis=False,
        hovertemplate=f"{hover}<extra></extra>", **more,
    )  # fmt: skip
    return _drawn(go.Figure(bars), len(rows), row_pixels)


def _share_bar(name: str, labels: list[str], shares: list[float], colour: str) -> Any:
    return go.Bar(
        name=name, y=labels, x=shares, orientation="h", marker={"color": colour},
        hovertemplate=f"%{{y}}: {name} %{{x:.1f}} %<extra></extra>",
    )  # fmt: skip


def _labels(names: Sequence[str]) -> list[str]:
    """Names cut to fit; equal ones stay apart by invisible spaces, or plotly would put their bars on one line."""
    labels: list[str] = []
    for name in names:
        label = name if len(name) <= _LABEL_CHARACTERS else f"{name[: _LABEL_CHARACTERS - 1]}…"
        while label in labels:
            label += "\u200b"
        labels.append(label)
    return labels


def _drawn(figure: Any, rows: int, row_pixels: int = _ROW_PIXELS) -> str:
    figure.update_yaxes(
        autorange="reversed", automargin=True, ticksuffix="  ", fixedrange=True, type="category"
    )
    figure.update_xaxes(gridcolor=FAINT, zeroline=False, fixedrange=True, rangemode="tozero")
    figure.update_layout(
        height=90 + max(rows, 1) * row_pixels,
        margin={"l": 4, "r": 12, "t": 30, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        template="none",
    )
    return str(figure.to_json())
