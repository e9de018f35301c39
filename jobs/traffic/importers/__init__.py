"""Importers: convert chat logs in other formats to event files of the landing contract. Imports no Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from infra import progress
from infra.errors import SettingsError
from infra.lake.roots import make_roots
from infra.settings import Settings
from infra.storage import Folder
from jobs.traffic.importers.chat import ImportOptions
from jobs.traffic.importers.formats import AUTO, FORMATS
from jobs.traffic.importers.read import import_chats
from jobs.traffic.importers.report import ImportReport

__all__ = ["AUTO", "FORMATS", "ImportOptions", "ImportReport", "import_chats", "import_logs"]

# A fixed day, so that the same command imports the same events tomorrow.
DEFAULT_START = date(2026, 1, 5)
DEFAULT_DAYS = 7
# One input line is a whole conversation, one landed line a single message of it.
_MESSAGES_A_LINE = 50


def import_logs(
    settings: Settings,
    landing: str | Folder,
    path: Path,
    format: str = AUTO,
    options: ImportOptions | None = None,
) -> ImportReport:
    """Import a file or a directory of logs, as `flywheel import` does, with progress on standard error.

    Args:
        settings: their `landing` section bounds what a line may hold.
        landing: root of the landing zone.
        path: a file, or a directory that is searched for `.jsonl`, `.json`, `.ndjson`, `.txt` and `.parquet`.
        format: a name in `FORMATS`, or `auto`.
        options: days, time zone, names; None = the default days.

    Raises:
        SettingsError: the format is not known, there is no file, or one is of another format; nothing was written.
        InputDamaged: a file is cut short or no UTF-8; nothing was written.
    """
    if format not in (AUTO, *FORMATS):
        raise SettingsError(
            f"no importer for {format}", setting="format", hint=f"Available: {AUTO}, {', '.join(FORMATS)}."
        )
    options = replace(
        options or ImportOptions(DEFAULT_START, DEFAULT_DAYS),
        max_line_bytes=_MESSAGES_A_LINE * settings.landing.max_line_bytes,
        max_event_bytes=settings.landing.max_line_bytes,
        late_limit_days=settings.landing.late_limit_days,
    )
    make_roots(settings)
    return import_chats(path, landing, options, format, lambda line: progress.show(f"  {line}"))
