"""One small run of the sandbox, shared by its tests: what landed, and what is true of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.sandbox import SandboxSettings, SandboxSummary, generate
from infra.sandbox.settings import PlantingSettings
from infra.sandbox.writer import read_gold

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run: `events` holds the first received of each id, in received order within a day."""

    settings: SandboxSettings
    summary: SandboxSummary
    landing: Path
    truth: Path
    lines: int
    events: dict[str, Row]

    def gold(self, table: str) -> list[Row]:
        """Rows of one table of truth."""
        return list(read_gold(self.truth, table))


def landed_lines(landing: Path) -> Iterator[bytes]:
    """Raw lines of all files, by received day and file."""
    for path in sorted(landing.glob("received_ds=*/*.jsonl.gz")):
        with gzip.open(path, "rb") as lines:
            yield from lines


def perform(settings: SandboxSettings, folder: Path, workers: int = 1) -> Run:
    """Run the sandbox into a folder and read what it wrote."""
    landing, truth = folder / "landing", folder / "truth"
    summary = generate(settings, landing, truth, workers)
    events: dict[str, Row] = {}
    lines = 0
    for line in landed_lines(landing):
        lines += 1
        try:
            event = json.loads(line.decode())
        except ValueError:
            continue
        # Broken lines have ids of their own, which start with m.
        if not event.get("event_id", "m").startswith("m"):
            events.setdefault(event["event_id"], event)
    return Run(settings, summary, landing, truth, lines, events)


@pytest.fixture(scope="session")
def sandbox_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three thousand turns, with enough of everything planted to be counted."""
    planted = PlantingSettings(
        identifiers_in_messages=0.04,
        unsafe_messages=0.03,
        conflicting_duplicates=0.005,
        future_events=0.005,
        bots=0.01,
        users_in_two_arms=0.1,
        huge_line_bytes=50_000,
    )
    settings = SandboxSettings(turns=3000, planted=planted, shard_users=60)
    return perform(settings, tmp_path_factory.mktemp("sandbox"))
