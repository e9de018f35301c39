"""`flywheel replay`: what the paper reports, through our own eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import Format, err, print_rows
from cli.reports.page import write_page
from cli.reports.table10 import figures
from infra.settings import load_settings
from jobs.experiments import table10
from jobs.experiments.table10 import LIFTS, POST_LAUNCH, WIN_RATES, Cell, Count

replay_app = typer.Typer(
    no_args_is_help=True, help="Replay published results: counts, plots, and what cannot be."
)
METRICS = ("breadth", "depth")


@replay_app.callback()
def _group() -> None:
    """Keeps `replay` a group of commands while it has one."""


@replay_app.command("table10")
def replay_table10(
    format: Annotated[Format, typer.Option(help="Output of the counts.")] = Format.table,
    path: Annotated[
        Path | None, typer.Option("--out", help="The page; default table10.html beside the reports.")
    ] = None,
) -> None:
    """Table 10 of the paper: verdict counts, Figure 8 as a page, intervals that equation 17 cannot give.

    Example: flywheel replay table10
    """
    cells = table10.read()
    if path is None:
        settings = load_settings()
        path = Path(settings.resolve(settings.report.path)) / "table10.html"
    rows = [_told(count) for count in table10.counts(cells)]
    print_rows(rows, list(rows[0]), format)
    flagged = [
        {
            "cannot be": f"{one.cell.metric} {one.cell.version}",
            "printed": one.cell.interval,
            "equation 17": f"+{one.plus:.3f} / -{one.minus:.3f}",
        }
        for one in table10.impossible(cells)
    ]
    if format is Format.table:
        print_rows(flagged, list(flagged[0]), format)
        changes = [
            {"metric": change.metric, "change": f"{change.pct:+.1f} %", "from, to": change.label}
            for change in table10.changes(cells)
        ]
        print_rows(changes, list(changes[0]), format)
    err.print(f"Open {render(path)}")


def render(out: Path) -> Path:
    """Write Figure 8 and what stands beside it to `out` and return it."""
    cells = table10.read()
    lifts = {metric: list(table10.row_of(cells, LIFTS[POST_LAUNCH, metric]).values()) for metric in METRICS}
    versions = [cell.version for cell in lifts["breadth"]]
    flagged = table10.impossible(cells)
    plots = {
        **{
            f"lifts-{metric}": figures.lifts(found, [one.cell for one in flagged])
            for metric, found in lifts.items()
        },
        "win-rates": figures.win_rates(
            {name: table10.row_of(cells, metric) for name, metric in WIN_RATES.items()}, versions
        ),
        "cumulative": figures.cumulative({metric: table10.cumulative(cells, metric) for metric in METRICS}),
    }
    return write_page(
        "table10.html.j2",
        out,
        plots,
        counts=table10.counts(cells),
        lifts=[_side_by_side(cells, phase) for phase in dict.fromkeys(phase for phase, _ in LIFTS)],
        flagged=flagged,
        flagged_cells=[one.cell for one in flagged],
        changes=table10.changes(cells),
        printed_elsewhere=table10.PRINTED_ELSEWHERE,
    )


def _told(count: Count) -> dict[str, Any]:
    return {
        "releases": f"{count.phase}",
        "lift of": count.scope,
        "positive": f"{len(count.above_zero)}/{count.releases}",
        "significantly positive": f"{len(count.positive)}/{count.releases}",
        "which": " ".join(count.positive),
        "significantly negative": " ".join(count.negative),
    }


def _side_by_side(cells: tuple[Cell, ...], phase: str) -> list[tuple[Cell, Cell]]:
    """The breadth and the depth cell of every release of a phase."""
    breadth, depth = (table10.row_of(cells, LIFTS[phase, metric]) for metric in METRICS)
    return [(breadth[version], depth[version]) for version in breadth]
