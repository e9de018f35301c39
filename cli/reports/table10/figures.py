"""Figure 8 of the paper from its table, as plotly figures that fit a phone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from cli.reports.figures import FAINT, GOOD, GREY, INK, LINES, MUTED, WORSE, Plot, listed, plotted, signed
from jobs.experiments.comparison import Verdict
from jobs.experiments.table10 import Cell

COLOURS = {
    Verdict.positive: ("significantly positive", GOOD),
    Verdict.negative: ("significantly negative", WORSE),
    Verdict.inconclusive: ("not significant", GREY),
}
_TARGET, _CEILING, _RED = 60, 65, 70


def lifts(cells: Sequence[Cell], flagged: Collection[Cell]) -> Plot:
    """Lift of each release with its asymmetric interval, by verdict; flagged intervals are open."""
    figure = go.Figure()
    for verdict, (name, colour) in COLOURS.items():
        chosen = [cell for cell in cells if cell.verdict is verdict]
        if not chosen:
            continue
        figure.add_scatter(
            x=[cell.version for cell in chosen], y=[cell.value for cell in chosen], mode="markers", name=name,
            marker={"color": colour, "size": 11, "line": {"color": colour, "width": 2},
                    "symbol": ["circle-open" if cell in flagged else "circle" for cell in chosen]},
            error_y={"type": "data", "symmetric": False, "array": [cell.plus for cell in chosen],
                     "arrayminus": [cell.minus for cell in chosen], "color": colour, "thickness": 2, "width": 5},
            customdata=[_hover_text(cell, cell in flagged) for cell in chosen],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": INK, "width": 1})
    told = [
        f"{name}: {listed([cell.version for cell in cells if cell.verdict is verdict], most=9) or 'none'}"
        for verdict, (name, _) in COLOURS.items()
    ]
    summary = f"{'; '.join(told)}."
    summary = summary[:1].upper() + summary[1:]
    return _by_version(figure, [cell.version for cell in cells], " %", 280, summary, list(COLOURS.values()))


def win_rates(rows: Mapping[str, Mapping[str, Cell]], versions: Sequence[str]) -> Plot:
    """Win rates of the reward models over the version before, with the guardrails."""
    figure = go.Figure()
    for (name, row), colour, dash in zip(
        rows.items(), (LINES[2], LINES[1], LINES[1]), ("solid", "solid", "dot"), strict=True
    ):
        present = [version for version in versions if version in row]
        figure.add_scatter(
            x=present, y=[row[version].value for version in present], mode="lines+markers", name=name,
            line={"color": colour, "dash": dash}, hovertemplate=f"{name}, %{{x}}: %{{y:.1f}} %<extra></extra>",
        )  # fmt: skip
    for height, label in ((_TARGET, "target"), (_CEILING, "ceiling"), (_RED, "red"), (50, "even")):
        figure.add_hline(
            y=height, line={"color": MUTED, "width": 1, "dash": "dash"},
            annotation={"text": label, "font": {"size": 10, "color": MUTED}}, annotation_position="top right",
        )  # fmt: skip
    key = [(name, colour) for name, colour in zip(rows, (LINES[2], LINES[1], LINES[1]), strict=True)]
    told = [f"{name} {_span(cell.value for cell in row.values())}" for name, row in rows.items()]
    return _by_version(figure, versions, " %", 300, f"Win rates: {listed(told)}. Dotted: pairwise.", key)


def cumulative(growth: Mapping[str, Sequence[tuple[str, float]]]) -> Plot:
    """Product of the lifts so far, from 1."""
    figure = go.Figure()
    for (name, steps), colour in zip(growth.items(), (GOOD, LINES[2]), strict=True):
        figure.add_scatter(
            x=[version for version, _ in steps], y=[value for _, value in steps], mode="lines+markers", name=name,
            line={"color": colour}, hovertemplate=f"{name} up to %{{x}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=1, line={"color": INK, "width": 1})
    first = next(iter(growth.values()))
    told = [f"{name} {steps[-1][1]:.2f} times" for name, steps in growth.items()]
    summary = f"Up to {first[-1][0]}: {listed(told)}."
    key = list(zip(growth, (GOOD, LINES[2]), strict=True))
    return _by_version(figure, [version for version, _ in first], "", 260, summary, key)


def lift_text(cell: Cell) -> str:
    """A lift with the two ends of its interval, whose digits are those printed: `+0.84 % (+0.10 to +1.58)`."""
    low, high = cell.value - (cell.minus or 0.0), cell.value + (cell.plus or 0.0)
    return f"{signed(cell.value, 2)} % ({signed(low, cell.decimals)} to {signed(high, cell.decimals)})"


def _span(values: Iterable[float]) -> str:
    found = list(values)
    return f"{min(found)} to {max(found)} %"


def _hover_text(cell: Cell, flagged: bool) -> str:
    text = f"{cell.version}: {lift_text(cell)}"
    return f"{text}<br>equation 17 cannot give this interval" if flagged else text


def _by_version(
    figure: Any, versions: Sequence[str], suffix: str, height: int, summary: str, key: Sequence[tuple[str, str]]
) -> Plot:  # fmt: skip
    figure.update_xaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(versions),
        range=[-0.5, len(versions) - 0.5],
        fixedrange=True,
        gridcolor=FAINT,
        tickangle=0,
    )
    figure.update_yaxes(ticksuffix=suffix, fixedrange=True, automargin=True, gridcolor=FAINT, zeroline=False)
    return plotted(figure, height, summary, key)
