"""`flywheel import`: chat logs to landed events."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.console import out, print_lines
from infra.errors import LandingFileBroken


class ImportFormat(StrEnum):
    """Formats of chat logs that can be imported."""

    chatlogs = "chatlogs"
    openai = "openai"


def import_logs(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A .jsonl or .jsonl.gz file, or a folder of them.")
    ],
    format: Annotated[
        ImportFormat,
        typer.Option(
            help="chatlogs: one conversation per line; openai: OpenAI messages, one conversation per line."
        ),
    ],
    start: Annotated[str | None, typer.Option(help="First day for conversations without timestamps.")] = None,
    days: Annotated[
        int | None, typer.Option(help="Number of days to spread those conversations over. Default: 7.")
    ] = None,
) -> None:
    """Import chat logs as landed events.

    Writes event files to the landing zone and prints how many lines were imported, skipped or rejected. Missing
    timestamps and user ids are generated and marked as such. They depend only on the content: importing again gives
    the same events.

    \b
    Example:
      flywheel import --format chatlogs --days 7 logs/
    """
    from infra.lake import Lake
    from infra.settings import load_settings, parse_days
    from jobs.traffic.importers import import_logs as write_events

    settings = load_settings()
    first_day = parse_days(start)[0] if start else None
    summary = write_events(settings, Lake.of(settings).landing, path, format.value, first_day, days)
    if not summary.days:
        raise LandingFileBroken(
            f"{path.name} has no conversation that can be imported", hint=str(summary).replace("\n", "; ")
        )
    print_lines(summary)
    out.print(f"Next: flywheel run traffic.land --days {min(summary.days)}..{max(summary.days)}")
