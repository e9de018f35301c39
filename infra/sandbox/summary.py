"""Summary of a run of the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class SandboxSummary:
    """Counts of one run: `lines` includes what was delivered twice or broken; `planted` counts gold rows."""

    users: int
    turns: int
    events: int
    lines: int
    judgements: int
    files: int
    first_received: date
    last_received: date
    planted: Mapping[str, int]
    true_lift_pct: Mapping[str, float]

    def __str__(self) -> str:
        planted = ", ".join(f"{name} {count:,}" for name, count in sorted(self.planted.items()))
        lifts = ", ".join(f"{metric} {value:+.1f} %" for metric, value in sorted(self.true_lift_pct.items()))
        return (
            f"{self.turns:,} turns of {self.users:,} simulated users: {self.events:,} events in {self.lines:,} lines, "
            f"{self.files} files, received {self.first_received}..{self.last_received}\n"
            f"{self.judgements:,} judgements of pairs of responses\n"
            f"gold rows: {planted}\ntrue lift, of the same users run under both arms: {lifts or 'no experiment'}"
        )
