"""`flywheel signals`: the biases of user signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from models.signals.contrasts import Statistic

signals_app = typer.Typer(
    no_args_is_help=True,
    help="Show how far user signals, such as thumbs, can be trusted.\n\n"
    "Rates with intervals are in SQL: views.signal_rates.",
)
_COLUMNS = [
    "bias", "contrast", "level", "estimate", "low", "high", "p", "p_adjusted", "verdict", "responses", "hits", "users",
]  # fmt: skip


@signals_app.command()
def bias(
    days: Annotated[
        str | None,
        typer.Option(help="One day (2026-11-20) or a range (2026-10-01..2026-11-20). Default: all days."),
    ] = None,
    model_version: Annotated[str | None, typer.Option(help="Only responses of this model version.")] = None,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Measure the biases of section 3.5.5 in thumbs.

    Shows the positive to negative ratio by job to be done, ending bias, delayed feedback and prior sentiment, each
    with a 95 % interval and a verdict. Reads views.signal_bias_cells. docs/analyst.md explains every line.

    \b
    Example:
      flywheel signals bias --days 2026-11-18..2026-11-20
    """
    from infra.lake import Lake
    from infra.settings import load_settings, parse_days
    from jobs.signals.bias import measure

    lines = measure(Lake.of(load_settings()), parse_days(days) if days else (), model_version)
    if format is not Format.table:
        print_rows([_row(line) for line in lines], [*_COLUMNS, "meaning"], format)
        return
    rows = [
        {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in _row(line).items()}
        for line in lines
    ]
    print_rows(rows, _COLUMNS, format)
    err.print(
        "docs/analyst.md explains each line. Intervals count users, not responses; p is adjusted by Holm. These are "
        "associations: users were not randomised, and one bias can affect the line of another."
    )


def _row(line: Statistic) -> dict[str, Any]:
    return {
        "bias": line.bias, "contrast": line.contrast, "level": line.level, "estimate": line.estimate, "low": line.low,
        "high": line.high, "p": line.p_value, "p_adjusted": line.p_adjusted, "verdict": line.status,
        "responses": line.responses, "hits": line.hits, "users": line.users, "meaning": line.meaning,
    }  # fmt: skip
