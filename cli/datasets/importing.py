"""`flywheel import`: chat logs to landed events."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import out, print_lines
from infra.errors import InputDamaged

if TYPE_CHECKING:
    from jobs.traffic.importers import ImportReport


class ImportFormat(StrEnum):
    """Formats of chat logs that can be imported. `auto` reads each file as what it looks like."""

    auto = "auto"
    chatlogs = "chatlogs"
    openai = "openai"
    sharegpt = "sharegpt"
    wildchat = "wildchat"
    lmsys = "lmsys"
    oasst = "oasst"
    chatgpt = "chatgpt"
    claude = "claude"
    langfuse = "langfuse"
    telegram = "telegram"
    whatsapp = "whatsapp"
    discord = "discord"
    events = "events"


def import_logs(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="A file of logs (JSON, JSON lines, text, also .gz; Parquet), or a folder of them.",
        ),
    ],
    format: Annotated[
        ImportFormat, typer.Option(help="auto: told by the first records of each file.")
    ] = ImportFormat.auto,
    start: Annotated[
        str | None,
        typer.Option(
            help="First day to place conversations on. Default: 2026-01-05, and only for those without times."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Number of days to place conversations on. Default: 7, likewise.")
    ] = None,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="With --start or --days: leave known times where they are.")
    ] = False,
    timezone: Annotated[
        str, typer.Option(help="Time zone of times without an offset, such as Europe/Berlin.")
    ] = "UTC",
    assistant: Annotated[
        str | None,
        typer.Option(help="Telegram, WhatsApp, Discord: the name or id of who is the assistant in the chat."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(help="Put before all ids of the log, to keep two products with equal ids apart."),
    ] = None,
    separate_files: Annotated[
        bool,
        typer.Option("--separate-files", help="Equal conversation ids in two files are two conversations."),
    ] = False,
) -> None:
    """Import chat logs as landed events.

    Writes event files to the landing zone and prints how many lines were imported, skipped or rejected. Times of the
    log are kept, unless --start or --days moves conversations. Missing times and user ids are generated and marked as
    such. They depend only on the content: importing again gives the same events. See docs/importers.md for what each
    format keeps.

    \b
    Examples:
      flywheel import logs/
      flywheel import --format chatgpt conversations.json
      flywheel import --start 2026-11-01 --days 7 logs.jsonl
      flywheel import --assistant "Ada" --timezone Europe/Berlin chat.txt
    """
    from infra.lake import Lake
    from infra.settings import load_settings, parse_days
    from jobs.traffic.importers import DEFAULT_DAYS, DEFAULT_START, ImportOptions
    from jobs.traffic.importers import import_logs as write_events

    settings = load_settings()
    options = ImportOptions(
        parse_days(start)[0] if start else DEFAULT_START,
        DEFAULT_DAYS if days is None else days,
        real_times="keep" if keep_times or (start is None and days is None) else "fit",
        timezone=timezone,
        assistant=assistant,
        origin=origin or None,
        separate_files=separate_files,
    )
    summary = write_events(settings, Lake.of(settings).landing, path, format.value, options)
    if not summary.days:
        raise InputDamaged(
            f"{path.name}: no conversation can be imported, nothing was written", hint=_why(summary)
        )
    print_lines(summary)
    out.print(f"Next: flywheel run traffic.land --days {summary.first_day}..{summary.last_day}")


def _why(summary: ImportReport) -> str:
    """Why nothing was imported."""
    if "no_assistant" in summary.rejected:
        return "Nobody in the chat has the name or the id given with --assistant."
    return str(summary).partition("\n")[0]
