"""The page of `flywheel replay table10`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli.reports.page import Tile, write_page
from cli.reports.table10 import figures
from jobs.experiments import table10
from jobs.experiments.table10 import LIFTS, POST_LAUNCH, WIN_RATES, Cell, Count

METRICS = ("breadth", "depth")


def render(out: Path) -> Path:
    """Write the page of Table 10 (Figure 8, counts, impossible intervals) to `out` and return it."""
    cells = table10.read()
    lifts = {metric: list(table10.row_of(cells, LIFTS[POST_LAUNCH, metric]).values()) for metric in METRICS}
    versions = [cell.version for cell in lifts["breadth"]]
    flagged = table10.impossible(cells)
    plots = {
        **{
            f"lifts-{metric}": figures.lifts(cells_of_metric, [flag.cell for flag in flagged])
            for metric, cells_of_metric in lifts.items()
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
        tiles=tiles(table10.counts(cells)),
        lift_text=figures.lift_text,
        lifts=[_side_by_side(cells, phase) for phase in dict.fromkeys(phase for phase, _ in LIFTS)],
        flagged=flagged,
        flagged_cells=[flag.cell for flag in flagged],
        changes=table10.changes(cells),
        printed_elsewhere=table10.PRINTED_ELSEWHERE,
    )


def tiles(counts: Sequence[Count]) -> list[Tile]:
    """How many of the releases after launch were positive, and significantly so, by metric and in both."""
    after = [count for count in counts if count.phase == POST_LAUNCH]
    return [
        Tile(f"{len(found)} of {count.releases}", f"releases {how} {count.scope}")
        for how, name in (
            ("with a positive lift in", "above_zero"),
            ("significantly positive in", "positive"),
        )
        for count in after
        for found in [getattr(count, name)]
    ]


def _side_by_side(cells: tuple[Cell, ...], phase: str) -> list[tuple[Cell, Cell]]:
    """The breadth and the depth cell of every release of a phase."""
    breadth, depth = (table10.row_of(cells, LIFTS[phase, metric]) for metric in METRICS)
    return [(breadth[version], depth[version]) for version in breadth]
