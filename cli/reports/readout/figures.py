"""The readout page's plots: lifts with the set that the data do not rule out, whatever its kind, and their days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from cli.reports.figures import (
    FAINT,
    GOOD,
    GREY,
    INK,
    LINES,
    MUTED,
    WORSE,
    Plot,
    heights,
    labelled,
    listed,
    plot_text,
    plotted,
)  # fmt: skip
from cli.reports.readout.data import Row
from cli.reports.readout.words import interval, lift

_COLOURS = {"positive": GOOD, "negative": WORSE, "not_final": MUTED}
_BAND = "rgba(74,111,165,.16)"
_ROW_PIXELS = 34
_SMALLEST_REACH = 1.0
"""Percent that an axis of lifts always reaches to both sides of zero."""


def forest(rows: Sequence[Row], names: Sequence[str]) -> Plot:
    """One line a row of `experiments.readouts`: the lift, and the lifts that the data do not rule out.

    A set without an end runs to the edge of the plot with an arrow; what a complement rules out stays empty.
    """
    labels = labelled(names)
    edge = _reach(rows)
    figure = go.Figure()
    for row, label in zip(rows, labels, strict=True):
        colour = _COLOURS.get(row["verdict"], GREY)
        for start, end in _pieces(row, edge):
            figure.add_scatter(
                x=[start, end], y=[label, label], mode="lines+markers", line={"color": colour, "width": 3},
                marker={"symbol": [_cap(start, edge), _cap(end, edge)], "size": 9, "color": colour,
                        "line": {"width": 2, "color": colour}},
                hoverinfo="skip", showlegend=False,
            )  # fmt: skip
    points = [(row, label) for row, label in zip(rows, labels, strict=True) if row["lift_pct"] is not None]
    figure.add_scatter(
        x=[max(-edge, min(edge, row["lift_pct"])) for row, _ in points], y=[label for _, label in points],
        mode="markers", showlegend=False, customdata=[lift(row) for row, _ in points],
        marker={"size": 11, "color": [_COLOURS.get(row["verdict"], GREY) for row, _ in points],
                "line": {"color": "#fff", "width": 1.5}},
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure.update_xaxes(
        range=[-1.08 * edge, 1.08 * edge],
        ticksuffix=" %",
        nticks=6,
        tickangle=0,
        gridcolor=FAINT,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(reversed(labels)), automargin=True,
        ticksuffix="  ", fixedrange=True, range=[-0.6, len(labels) - 0.4],
    )  # fmt: skip
    told = [f"{name} {lift(row)}" for row, name in zip(rows, names, strict=True)]
    return plotted(figure, 48 + heights(labels, _ROW_PIXELS), f"Lift: {listed(told)}.")


def curve(fixed: Sequence[Row], always_valid: Sequence[Row], days: int) -> Plot:
    """The cumulative lift of one arm and metric, day by day, with the interval that may be looked at every day.

    Args:
        fixed, always_valid: rows of `experiments.readouts` in the order of their days.
        days: of the window; days that are still to come stay empty.
    """
    figure = go.Figure()
    for run in _runs([row for row in always_valid if row["interval_kind"] == "bounded"]):
        # A day alone has no area: it gets a hair of width.
        at = [row["k"] for row in run] if len(run) > 1 else [run[0]["k"] - 0.06, run[0]["k"] + 0.06]
        ends = run if len(run) > 1 else [run[0], run[0]]
        figure.add_scatter(
            x=[*at, *reversed(at)],
            y=[row["low_pct"] for row in ends] + [row["high_pct"] for row in reversed(ends)],
            fill="toself", fillcolor=_BAND, mode="lines", line={"width": 0}, hoverinfo="skip",
            name="always-valid 95 %", showlegend=False,
        )  # fmt: skip
    bounded = [row for row in fixed if row["interval_kind"] == "bounded"]
    shown = [row for row in fixed if row["lift_pct"] is not None]
    figure.add_scatter(
        x=[row["k"] for row in shown], y=[row["lift_pct"] for row in shown], mode="lines+markers",
        line={"color": LINES[2], "width": 2}, marker={"size": 7}, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[row["k"] for row in bounded], y=[row["lift_pct"] for row in bounded], mode="markers", showlegend=False,
        marker={"size": 7, "color": LINES[2]}, customdata=[lift(row) for row in bounded],
        error_y={"type": "data", "array": [row["high_pct"] - row["lift_pct"] for row in bounded],
                 "arrayminus": [row["lift_pct"] - row["low_pct"] for row in bounded], "thickness": 1.5, "width": 3,
                 "color": LINES[2]},
        hovertemplate="day %{x}: %{customdata}<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=0, line={"color": INK, "width": 1})
    figure.update_xaxes(
        tickvals=list(range(1, days + 1)), range=[0.5, days + 0.5], fixedrange=True, gridcolor=FAINT,
        title={"text": "day of the window", "standoff": 6}, zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(ticksuffix=" %", fixedrange=True, automargin=True, gridcolor=FAINT, zeroline=False)
    last = shown[-1]
    always = next((f"; always valid: {interval(row)}" for row in always_valid if row["k"] == last["k"]), "")
    return plotted(figure, 250, f"Day {last['k']}: {lift(last)}{always}.")


def exposures(by_arm: Mapping[str, Sequence[tuple[str, int]]]) -> Plot:
    """Users first exposed on each day, by arm."""
    figure = go.Figure()
    for place, (arm, counts) in enumerate(by_arm.items()):
        figure.add_scatter(
            x=[day[5:] for day, _ in counts], y=[users for _, users in counts], mode="lines+markers",
            name=plot_text(arm),
            line={"color": LINES[place % len(LINES)], "dash": ("solid", "dot", "dash")[place // len(LINES) % 3]},
            hovertemplate=f"{plot_text(arm)}: %{{y:,}} users first seen on %{{x}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(type="category", fixedrange=True, gridcolor=FAINT)
    figure.update_yaxes(rangemode="tozero", gridcolor=FAINT, fixedrange=True, automargin=True, zeroline=False)
    told = [f"{arm} {sum(users for _, users in counts):,}" for arm, counts in by_arm.items()]
    key = [(arm, LINES[place % len(LINES)]) for place, arm in enumerate(by_arm)]
    return plotted(figure, 260, f"Users in all: {listed(told)}.", key)


def _reach(rows: Sequence[Row]) -> float:
    """How far the axis goes to both sides of zero: every end that there is stands on it."""
    ends = [
        abs(float(row[name]))
        for row in rows
        for name in ("lift_pct", "low_pct", "high_pct", "gap_low_pct", "gap_high_pct")
        if row[name] is not None and (name != "lift_pct" or row["interval_kind"] == "bounded")
    ]
    return 1.12 * max([*ends, _SMALLEST_REACH])


def _pieces(row: Row, edge: float) -> list[tuple[float, float]]:
    """The set of lifts as stretches of the axis, cut at its edges."""
    match row["interval_kind"]:
        case "bounded":
            return [(row["low_pct"], row["high_pct"])]
        case "complement":
            return [(-edge, row["gap_low_pct"]), (row["gap_high_pct"], edge)]
        case "half_line":
            return [(-edge if row["low_pct"] is None else row["low_pct"],
                     edge if row["high_pct"] is None else row["high_pct"])]  # fmt: skip
        case "whole_line":
            return [(-edge, edge)]
    return []


def _cap(end: float, edge: float) -> str:
    """The marker at the end of a stretch: a bar where it ends, an arrow where it goes on."""
    if abs(end) < edge:
        return "line-ns-open"
    return "triangle-right" if end > 0 else "triangle-left"


def _runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of consecutive days together."""
    runs: list[list[Row]] = []
    for row in rows:
        if runs and row["k"] == runs[-1][-1]["k"] + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
