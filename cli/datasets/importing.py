"""`flywheel import`: chat logs to landed events."""

from __future__ import annotations

from pathlib import Path

from cli.console import out
from infra.errors import LandingFileBroken
from infra.lake import Lake
from infra.settings import Settings, parse_days


def run_import(settings: Settings, path: Path, format: str, start: str | None, days: int | None) -> None:
    """Import a file or folder of chat logs and print what became of every line.

    Raises:
        SettingsError: `start` is not a date, or `days` is out of range.
        LandingFileBroken: a log file is cut off, or there is none.
    """
    from jobs.traffic.importers import import_logs

    first = parse_days(start)[0] if start else None
    summary = import_logs(settings, Lake.of(settings).landing, path, format, first, days)
    if not summary.days:
        raise LandingFileBroken(
            f"{path.name} holds no conversation that could be imported", hint=str(summary)
        )
    out.print(str(summary), highlight=False)
    out.print(f"Next: flywheel run traffic.land --days {min(summary.days)}..{max(summary.days)}")
