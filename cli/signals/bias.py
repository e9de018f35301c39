"""User signals at the command line: how far thumbs are from a judgement of the last response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, print_rows
from infra.lake import Lake
from infra.settings import load_settings, parse_days

if TYPE_CHECKING:
    from models.signals.contrasts import Statistic

signals_app = typer.Typer(
    no_args_is_help=True,
    help="What users did with responses. Rates with intervals are in SQL: views.signal_rates.",
)
_COLUMNS = [
    "bias", "contrast", "level", "estimate", "low", "high", "p", "p_adjusted", "verdict", "responses", "hits", "users",
]  # fmt: skip


@signals_app.command()
def bias(
    days: Annotated[
        str | None, typer.Option(help="2026-11-20, or 2026-10-01..2026-11-20; default all.")
    ] = None,
    model_version: Annotated[str | None, typer.Option(help="Only responses of this model.")] = None,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """The biases of section 3.5.5 in thumbs, each with a 95 % interval and a verdict: positive to negative ratio per
    job to be done, ending bias, delayed feedback, prior sentiment.

    Example: flywheel signals bias --days 2026-11-18..2026-11-20
    """
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
        "What each line says: docs/analyst.md. Users are the independent unit; p is adjusted by Holm. These are "
        "associations: nobody was randomised, and one bias can show in the line of another."
    )


def _row(line: Statistic) -> dict[str, Any]:
    return {
        "bias": line.bias, "contrast": line.contrast, "level": line.level, "estimate": line.estimate, "low": line.low,
        "high": line.high, "p": line.p_value, "p_adjusted": line.p_adjusted, "verdict": line.status,
        "responses": line.responses, "hits": line.hits, "users": line.users, "meaning": line.meaning,
    }  # fmt: skip
