"""Imports a file or a folder and gives back what was landed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs.traffic.importers import ImportOptions, ImportReport, import_chats

START = date(2026, 3, 1)


@dataclass(frozen=True)
class Imported:
    """The report of an import, and the lines that it landed, in order of time."""

    report: ImportReport
    lines: list[dict[str, Any]]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "event_id" in line]

    @property
    def said(self) -> list[tuple[str, Any]]:
        """Kind and text of each event but characters."""
        return [
            (event["event_type"], event["payload"].get("text", event["payload"].get("reaction")))
            for event in self.events
            if event["event_type"] != "character_update"
        ]

    def of(self, name: str) -> set[Any]:
        """The different values of a field in all events that have it."""
        return {event.get(name) for event in self.events if event["event_type"] != "character_update"}


Imports = Callable[..., Imported]


@pytest.fixture
def imports(tmp_path: Path) -> Imports:
    """`imports(path or files by name, format="auto", **options)` imports them into a fresh landing zone."""

    def run(given: Path | dict[str, Any], format: str = "auto", **options: Any) -> Imported:
        landing = tmp_path / f"landing-{sum(1 for _ in tmp_path.iterdir())}"
        path = given if isinstance(given, Path) else written(tmp_path / f"in-{landing.name}", given)
        report = import_chats(path, landing, ImportOptions(START, 7, **options), format)
        lines = [
            json.loads(line)
            for file in landing.rglob("*.gz")
            for line in gzip.decompress(file.read_bytes()).splitlines()
        ]
        lines.sort(key=lambda line: (line.get("event_ts", ""), line.get("event_id", "")))
        return Imported(report, lines)

    return run


def written(folder: Path, files: dict[str, Any]) -> Path:
    """A folder with these files: text as it is, bytes as they are, a list as JSON lines."""
    folder.mkdir()
    for name, content in files.items():
        if isinstance(content, list):
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
