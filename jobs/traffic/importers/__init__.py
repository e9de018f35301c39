"""Importers: convert chat logs in other formats to event files of the landing contract. Imports no Spark."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from infra import progress
from infra.errors import SettingsError
from infra.lake.roots import make_roots
from infra.settings import Settings
from infra.storage import Folder
from jobs.traffic.importers import chatlogs, openai_messages
from jobs.traffic.importers.chat import ImportOptions
from jobs.traffic.importers.read import ImportReport, ReadChat, import_chats

__all__ = ["FORMATS", "ImportOptions", "ImportReport", "import_chats", "import_logs"]

# For each format, the function that reads one conversation.
FORMATS: dict[str, ReadChat] = {"chatlogs": chatlogs.chat_of, "openai": openai_messages.chat_of}
# A fixed day, so that the same command imports the same events tomorrow.
DEFAULT_START = date(2026, 1, 5)
DEFAULT_DAYS = 7
# One input line is a whole conversation, one landed line a single message of it.
_MESSAGES_A_LINE = 50


def import_logs(
    settings: Settings, landing: str | Folder, path: Path, format: str, start: date | None, days: int | None
) -> ImportReport:
    """Import a file or a directory of logs, as `flywheel import` does, with progress on standard error.

    Args:
        settings: their `landing.max_line_bytes` bounds what one input line may hold.
        landing: root of the landing zone.
        path: a file, or a directory that is searched for `.jsonl` and `.jsonl.gz`.
        format: a name in `FORMATS`.
        start: first day; None = `DEFAULT_START`.
        days: days to spread conversations over; None = `DEFAULT_DAYS`.

    Raises:
        SettingsError: the format is not known, there is no file, or the range is not possible.
        InputDamaged: a log file is cut short or no UTF-8; nothing was written.
    """
    if format not in FORMATS:
        raise SettingsError(
            f"no importer for {format}", setting="format", hint=f"Available: {', '.join(FORMATS)}."
        )
    options = ImportOptions(
        DEFAULT_START if start is None else start,
        DEFAULT_DAYS if days is None else days,
        max_line_bytes=_MESSAGES_A_LINE * settings.landing.max_line_bytes,
    )
    make_roots(settings)
    return import_chats(
        path, landing, options, format, FORMATS[format],
        lambda line: progress.show(f"  {line}"),
    )  # fmt: skip
