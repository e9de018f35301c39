"""Help that lists commands by section, in plain text."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import typer
from typer.core import TyperGroup


class Section(StrEnum):
    """The sections of `flywheel --help`, in order. Each names the folder of its commands."""

    pipeline = "Pipeline (cli/runs)"
    data = "Data (cli/datasets)"
    screening = "Screening (cli/screening)"
    signals = "User signals (cli/signals)"
    experiments = "Experiments (cli/experiments)"
    training = "Training (cli/training)"
    reports = "Reports (cli/reports)"
    maintenance = "Setup and maintenance (cli/maintenance)"


_LONGEST = 200  # characters of a first sentence: longer than a line, so that it is wrapped, not cut


class SectionedGroup(TyperGroup):
    """A group whose help lists its commands under the section that each names as its `rich_help_panel`."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write one list of commands with their short texts for each section."""
        for section in Section:
            rows = [
                (name, command.get_short_help_str(limit=_LONGEST))
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == section
            ]
            with formatter.section(section.value):
                formatter.write_dl(rows)
