"""The report's plots, as plotly figures that fit a phone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from cli.reports.curation.data import Row
from cli.reports.figures import BAD, FAINT, GOOD, INK, LINES, labelled, plot_text, styled

KEPT, BEFORE, GONE = GOOD, "#b9c6cc", BAD
FATES = {
    "selected": ("sampled", KEPT),
    "not_sampled": ("not drawn", "#8fc7c2"),
    "kept": ("kept", KEPT),
    "split_leak": ("split leak", "#c9b458"),
    "context_unsafe": ("context unsafe", "#e3d9a0"),
    "near_duplicate": ("near-duplicate", GONE),
    "diversity_budget": ("diversity budget", "#efb48f"),
    "in_review": ("waits for review", "#a58bc4"),
    "rejected": ("screened out", "#8c3b5e"),
}
"""Where a turn ended -> its name and colour, from used to refused."""
_ROW_PIXELS = 26
_LEVELS_SHOWN = 12
_STRATA_SHOWN = 8
_FEW_DAYS = 10
_ALARM = 0.25


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
    labels = labelled(levels)
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


def by_day(rows: Sequence[Row]) -> str:
    """One dimension and split: what share of each day's sample its largest levels are, and were aimed at."""
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["level"]] = sizes.get(row["level"], 0) + row["usable"]
    days = sorted({row["ds"] for row in rows})
    at = {(row["level"], row["ds"]): row for row in rows}
    figure = go.Figure()
    shown = sorted(sizes, key=lambda level: (-sizes[level], level))[: len(LINES)]
    for level, label, colour in zip(shown, labelled(shown), LINES, strict=False):
        found = [at.get((level, day)) for day in days]
        aim = next((row["target_pct"] for row in found if row and row["target_pct"] is not None), None)
        figure.add_scatter(
            x=days, y=[row["selected_pct"] if row else 0.0 for row in found], name=label, mode="lines+markers",
            line={"color": colour}, hovertemplate=f"{label}: %{{y:.1f}} % of the sample on %{{x}}<extra></extra>",
        )  # fmt: skip
        if aim is not None:
            figure.add_scatter(
                x=[days[0], days[-1]], y=[aim, aim], mode="lines", showlegend=False,
                line={"color": colour, "dash": "dot", "width": 1},
                hovertemplate=f"{label}: target {aim:.1f} %<extra></extra>",
            )  # fmt: skip
    figure.update_layout(showlegend=True)
    figure.update_yaxes(
        gridcolor=FAINT, ticksuffix=" %", rangemode="tozero", fixedrange=True, automargin=True
    )
    figure.update_xaxes(
        type="category" if len(days) <= _FEW_DAYS else "date", fixedrange=True, gridcolor=FAINT
    )
    return styled(figure, 260)


def drift(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """One split: days by dimensions, coloured by how far the day's traffic is from the other days'."""
    days = sorted({row["ds"] for row in rows})
    names = [name for name in titles if any(row["dimension"] == name for row in rows)]
    at = {(row["dimension"], row["ds"]): row for row in rows}
    cells = [[at.get((name, day)) for day in days] for name in names]
    heat = go.Heatmap(
        x=[str(day) for day in days], y=[titles[name] for name in names],
        z=[[max(float(cell["excess"]), 0.0) if cell else None for cell in line] for line in cells],
        zmin=0, zmax=_ALARM, xgap=2, ygap=2, showscale=False,
        colorscale=[[0, "#eef3f2"], [0.4, "#f3e3c3"], [1, GONE]],
        text=[[f"{max(cell['excess'], 0.0):.2f}" if cell else "" for cell in line] for line in cells],
        texttemplate="%{text}" if len(days) <= _FEW_DAYS else None,
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat)
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix="  ", fixedrange=True)
    figure.update_xaxes(type="category", fixedrange=True)
    return styled(figure, 90 + 34 * len(names))


def strata(rows: Sequence[Row]) -> str:
    """One dimension and split: of each of its largest levels, the shares that ended where."""
    turns: dict[str, dict[str, int]] = {}
    for row in rows:
        turns.setdefault(row["level"], {})[row["outcome"]] = int(row["turns"])
    totals = {level: sum(ends.values()) for level, ends in turns.items()}
    levels = sorted(totals, key=lambda level: (-totals[level], level))[:_STRATA_SHOWN]
    labels = labelled([f"{level} · {totals[level]:,}" for level in levels])
    figure = go.Figure(
        [
            go.Bar(
                name=name, y=labels, orientation="h", marker={"color": colour},
                x=[100 * turns[level].get(outcome, 0) / totals[level] for level in levels],
                customdata=[turns[level].get(outcome, 0) for level in levels],
                hovertemplate=f"%{{y}}: %{{customdata:,}} {name} (%{{x:.1f}} %)<extra></extra>",
            )
            for outcome, (name, colour) in FATES.items()
            if any(outcome in ends for ends in turns.values())
        ]
    )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.25, showlegend=True)
    figure.update_xaxes(range=[0, 100], ticksuffix=" %")
    return _drawn(figure, len(levels), row_pixels=30)


def prompt_map(rows: Sequence[Row]) -> str:
    """Prompts laid out by what they say: kept ones, and those that were pruned, each with its redacted text."""
    figure = go.Figure()
    for fate in ("kept", "diversity_budget", "near_duplicate"):
        these = [row for row in rows if row["fate"] == fate]
        name, colour = FATES[fate]
        figure.add_scatter(
            x=[row["x"] for row in these], y=[row["y"] for row in these], mode="markers", name=name,
            marker={"color": colour, "size": 5 if fate == "kept" else 7, "opacity": 0.45 if fate == "kept" else 0.9},
            customdata=[_wrapped(row["message"]) for row in these], hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=True, hoverlabel={"align": "left"})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return styled(figure, 520)


def _wrapped(text: str) -> str:
    """A text for a hover label: escaped, since plotly reads markup there, and broken into lines."""
    return "<br>".join(plot_text(line) for line in textwrap.wrap(text, 60))


def _bars(
    rows: Sequence[tuple[str, float]], told: list[str], hover: str, colour: str | list[str],
    row_pixels: int = _ROW_PIXELS, **more: Any,
) -> str:  # fmt: skip
    """One bar a row with what is told of it on it, as plotly JSON."""
    bars = go.Bar(
        y=labelled([name for name, _ in rows]), x=[value for _, value in rows],
        customdata=[plot_text(name) for name, _ in rows],
        orientation="h", marker={"color": colour}, text=told, textposition="auto", textangle=0, cliponaxis=False,
        hovertemplate=f"{hover}<extra></extra>", **more,
    )  # fmt: skip
    return _drawn(go.Figure(bars), len(rows), row_pixels)


def _share_bar(name: str, labels: list[str], shares: list[float], colour: str) -> Any:
    return go.Bar(
        name=name, y=labels, x=shares, orientation="h", marker={"color": colour},
        hovertemplate=f"%{{y}}: {name} %{{x:.1f}} %<extra></extra>",
    )  # fmt: skip


def _drawn(figure: Any, rows: int, row_pixels: int = _ROW_PIXELS) -> str:
    figure.update_yaxes(
        autorange="reversed", automargin=True, ticksuffix="  ", fixedrange=True, type="category"
    )
    figure.update_xaxes(gridcolor=FAINT, zeroline=False, fixedrange=True, rangemode="tozero")
    return styled(figure, 90 + max(rows, 1) * row_pixels)
