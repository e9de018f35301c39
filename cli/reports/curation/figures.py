"""The report's plots, as plotly figures that fit a phone, each with what it says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from cli.reports.curation.data import Row
from cli.reports.figures import (
    BAD,
    FAINT,
    GOOD,
    GREY,
    INK,
    LINES,
    Plot,
    heights,
    labelled,
    listed,
    percent,
    plot_text,
    plotted,
    wrapped,
)

KEPT, BEFORE, GONE = GOOD, GREY, BAD
FATES = {
    "selected": ("sampled", KEPT),
    "not_sampled": ("not drawn", "#7dbcb7"),
    "kept": ("kept", KEPT),
    "split_leak": ("split leak", "#a08a2c"),
    "context_unsafe": ("context unsafe", "#cbb95f"),
    "near_duplicate": ("near-duplicate", GONE),
    "diversity_budget": ("diversity budget", "#e8a57e"),
    "in_review": ("waits for review", "#9a7fc0"),
    "rejected": ("screened out", "#8c3b5e"),
}
"""Where a turn ended -> its name and colour, from used to refused."""
_LEVELS_SHOWN = 12
_STRATA_SHOWN = 8
_FEW_DAYS = 10
_ALARM = 0.25
_HOVER_CHARACTERS = 60


def before_after(rows: Sequence[Row]) -> Plot:
    """One dimension: shares before curation and in the sample, and the target where there is one."""
    merged: dict[str, Row] = {}
    for row in rows:
        one = merged.setdefault(
            row["level"], {"before": row["before"], "after": row["achieved"], "target": None}
        )
        if row["kind"] == "target" and row["wanted"] is not None:
            one["target"] = row["wanted"]
    before, after = (sum(one[name] for one in merged.values()) or 1 for name in ("before", "after"))
    shares = {
        level: {
            "before": 100 * one["before"] / before,
            "sample": 100 * one["after"] / after,
            "target": None if one["target"] is None else 100 * one["target"] / after,
        }
        for level, one in merged.items()
    }
    levels = sorted(shares, key=lambda level: (-shares[level]["before"], level))[:_LEVELS_SHOWN]
    labels = labelled(levels)
    figure = go.Figure(
        [
            _share_bar(name, labels, [shares[level][name] for level in levels], colour)
            for name, colour in (("before", BEFORE), ("sample", KEPT))
        ]
    )
    aims = [(label, shares[level]["target"]) for label, level in zip(labels, levels, strict=True)]
    aims = [(label, aim) for label, aim in aims if aim is not None]
    if aims:
        figure.add_scatter(
            y=[label for label, _ in aims], x=[aim for _, aim in aims], mode="markers", name="target",
            marker={"symbol": "line-ns-open", "size": 16, "color": INK, "line": {"width": 2}},
            hovertemplate="%{y}: target %{x:.1f} %<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.25)
    moved = max(levels, key=lambda level: abs(shares[level]["sample"] - shares[level]["before"]), default="")
    key = [("before", BEFORE), ("sample", KEPT), *([("target", INK)] if aims else [])]
    return _drawn(figure, labels, f"Largest change: {_told(moved, shares[moved])}." if moved else "", 38, key)


def _told(level: str, shares: Mapping[str, float | None]) -> str:
    """`en-US/en, 35 % before and 34.9 % in the sample (target 34.8 %)`."""
    before, after, target = (percent(share) if share is not None else "" for share in shares.values())
    return f"{level}, {before} before and {after} in the sample" + (f" (target {target})" if target else "")


def by_day(rows: Sequence[Row]) -> Plot:
    """One dimension and split: what share of each day's sample its largest levels are, and were aimed at."""
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["level"]] = sizes.get(row["level"], 0) + row["usable"]
    days = sorted({row["ds"] for row in rows})
    at = {(row["level"], row["ds"]): row for row in rows}
    figure, at_days = go.Figure(), _day_names(days)
    shown = sorted(sizes, key=lambda level: (-sizes[level], level))[: len(LINES)]
    spans: dict[str, tuple[float, float]] = {}
    for level, colour in zip(shown, LINES, strict=False):
        label = plot_text(level)
        found = [at.get((level, day)) for day in days]
        shares = [row["selected_pct"] or 0.0 if row else 0.0 for row in found]
        spans[level] = min(shares), max(shares)
        aim = next((row["target_pct"] for row in found if row and row["target_pct"] is not None), None)
        figure.add_scatter(
            x=at_days, y=shares, name=label, mode="lines+markers",
            line={"color": colour}, hovertemplate=f"{label}: %{{y:.1f}} % of the sample on %{{x}}<extra></extra>",
        )  # fmt: skip
        if aim is not None:
            figure.add_scatter(
                x=[at_days[0], at_days[-1]], y=[aim, aim], mode="lines", showlegend=False,
                line={"color": colour, "dash": "dot", "width": 1},
                hovertemplate=f"{label}: target {aim:.1f} %<extra></extra>",
            )  # fmt: skip
    figure.update_yaxes(
        gridcolor=FAINT, ticksuffix=" %", rangemode="tozero", fixedrange=True, automargin=True
    )
    figure.update_xaxes(
        type="category" if len(days) <= _FEW_DAYS else "date", fixedrange=True, gridcolor=FAINT
    )
    level = max(shown, key=lambda level: spans[level][1] - spans[level][0])
    summary = (
        f"Varies most: {level}, {percent(spans[level][0])} to {percent(spans[level][1])} of a day's sample."
    )
    return plotted(figure, 250, summary, list(zip(shown, LINES, strict=False)))


def drift(rows: Sequence[Row], titles: Mapping[str, str]) -> Plot:
    """One split: days by dimensions, coloured by how far the day's traffic is from the other days'."""
    days = sorted({row["ds"] for row in rows})
    names = [name for name in titles if any(row["dimension"] == name for row in rows)]
    at = {(row["dimension"], row["ds"]): row for row in rows}
    cells = [[at.get((name, day)) for day in days] for name in names]
    heat = go.Heatmap(
        x=_day_names(days), y=[titles[name] for name in names],
        z=[[max(float(cell["excess"]), 0.0) if cell else None for cell in line] for line in cells],
        zmin=0, zmax=_ALARM, xgap=2, ygap=2, showscale=False,
        colorscale=[[0, "#eef3f2"], [0.4, "#f3e3c3"], [1, GONE]], textfont={"color": INK},
        text=[[f"{max(cell['excess'], 0.0):.2f}" if cell else "" for cell in line] for line in cells],
        texttemplate="%{text}" if len(days) <= _FEW_DAYS else None,
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat)
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix="  ", fixedrange=True)
    figure.update_xaxes(type="category", fixedrange=True)
    states = [row["status"] for row in rows]
    summary = listed(
        [f"{states.count(state)} {state}" for state in ("alarm", "watch", "steady") if state in states]
    )
    return plotted(figure, 60 + 34 * len(names), f"Of {len(rows)} pairs of a day and a dimension: {summary}.")


def strata(rows: Sequence[Row]) -> Plot:
    """One dimension and split: of each of its largest levels, the shares that ended where."""
    turns: dict[str, dict[str, int]] = {}
    for row in rows:
        turns.setdefault(row["level"], {})[row["outcome"]] = int(row["turns"])
    totals = {level: sum(ends.values()) for level, ends in turns.items()}
    levels = sorted(totals, key=lambda level: (-totals[level], level))[:_STRATA_SHOWN]
    labels = labelled([f"{level} · {totals[level]:,}" for level in levels])
    ends_shown = {
        outcome: fate for outcome, fate in FATES.items() if any(outcome in ends for ends in turns.values())
    }
    figure = go.Figure(
        [
            go.Bar(
                name=name, y=labels, orientation="h", marker={"color": colour, "line": {"color": "#fff", "width": 1}},
                x=[100 * turns[level].get(outcome, 0) / totals[level] for level in levels],
                customdata=[turns[level].get(outcome, 0) for level in levels],
                hovertemplate=f"%{{y}}: %{{customdata:,}} {name} (%{{x:.1f}} %)<extra></extra>",
            )
            for outcome, (name, colour) in ends_shown.items()
        ]
    )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.25)
    figure.update_xaxes(range=[0, 100])
    drawn = {level: 100 * turns[level].get("selected", 0) / totals[level] for level in levels}
    most, least = max(levels, key=drawn.__getitem__), min(levels, key=drawn.__getitem__)
    summary = "Sampled: " + " and ".join(
        f"{percent(drawn[level])} of {totals[level]:,} turns of {level}"
        for level in dict.fromkeys((most, least))
    )
    return _drawn(figure, labels, f"{summary}.", 30, list(ends_shown.values()))


def prompt_map(rows: Sequence[Row]) -> Plot:
    """Prompts laid out by what they say: kept ones, and those that were pruned, each with its redacted text."""
    figure, counts, key = go.Figure(), [], []
    for fate in ("kept", "diversity_budget", "near_duplicate"):
        these = [row for row in rows if row["fate"] == fate]
        name, colour = FATES[fate]
        figure.add_scatter(
            x=[row["x"] for row in these], y=[row["y"] for row in these], mode="markers", name=name,
            marker={"color": colour, "size": 5 if fate == "kept" else 7, "opacity": 0.45 if fate == "kept" else 0.9},
            customdata=[wrapped(row["message"], _HOVER_CHARACTERS) for row in these],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
        counts.append(f"{len(these):,} {name}")
        key.append((name, colour))
    figure.update_layout(hoverlabel={"align": "left"})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return plotted(figure, 480, f"{len(rows):,} prompts: {listed(counts)}.", key)


def _day_names(days: Sequence[Any]) -> list[str]:
    """Few days without their year, which a phone has no room for; the page's head has it."""
    return [str(day)[5:] if len(days) <= _FEW_DAYS else str(day) for day in days]


def _share_bar(name: str, labels: list[str], shares: list[float], colour: str) -> Any:
    return go.Bar(
        name=name, y=labels, x=shares, orientation="h", marker={"color": colour},
        hovertemplate=f"%{{y}}: {name} %{{x:.1f}} %<extra></extra>",
    )  # fmt: skip


def _drawn(
    figure: Any, labels: list[str], summary: str, row_pixels: int, key: Sequence[tuple[str, str]]
) -> Plot:
    """A row a label, over an axis of shares."""
    figure.update_yaxes(
        autorange="reversed", automargin=True, ticksuffix="  ", fixedrange=True, type="category"
    )
    figure.update_xaxes(
        gridcolor=FAINT, zeroline=False, fixedrange=True, rangemode="tozero", ticksuffix=" %", nticks=6, tickangle=0,
    )  # fmt: skip
    return plotted(figure, 60 + heights(labels, row_pixels), summary, key)
