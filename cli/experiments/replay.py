"""`flywheel replay`: recompute results that the paper published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from jobs.experiments.table10 import Count

replay_app = typer.Typer(
    no_args_is_help=True,
    help="Recompute and check results that the paper published.",
)


@replay_app.callback()
def _group() -> None:
    """Keeps `replay` a group while it has one command only."""


@replay_app.command("table10")
def replay_table10(
    format: Annotated[Format, typer.Option(help="Output format of the counts.")] = Format.table,
    path: Annotated[
        Path | None, typer.Option("--out", help="Page to write. Default: table10.html in the report folder.")
    ] = None,
) -> None:
    """Recompute Table 10: count the verdicts, draw Figure 8, and find intervals that equation 17 cannot give.

    Reads the table that comes with the project and writes an HTML page. Needs no lake.

    \b
    Example:
      flywheel replay table10
    """
    from cli.reports.table10.page import render
    from infra.settings import load_settings
    from infra.storage import folder
    from jobs.experiments import table10

    cells = table10.read()
    if path is None:
        settings = load_settings()
        path = Path(folder(settings.resolve(settings.report.path))) / "table10.html"
    rows = [_line(count) for count in table10.counts(cells)]
    print_rows(rows, list(rows[0]), format)
    flagged = [
        {
            "impossible interval": f"{flag.cell.metric} {flag.cell.version}",
            "printed": flag.cell.interval,
            "equation 17": f"+{flag.plus:.3f} / -{flag.minus:.3f}",
        }
        for flag in table10.impossible(cells)
    ]
    if format is Format.table:
        print_rows(flagged, list(flagged[0]), format)
        changes = [
            {"metric": change.metric, "change": f"{change.pct:+.1f} %", "from, to": change.label}
            for change in table10.changes(cells)
        ]
        print_rows(changes, list(changes[0]), format)
    err.print(f"Open {render(path)}")


def _line(count: Count) -> dict[str, Any]:
    return {
        "releases": f"{count.phase}",
        "lift of": count.scope,
        "positive": f"{len(count.above_zero)}/{count.releases}",
        "significantly positive": f"{len(count.positive)}/{count.releases}",
        "which": " ".join(count.positive),
        "significantly negative": " ".join(count.negative),
    }
