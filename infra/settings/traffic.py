"""How landed lines become events and turns, and which side of the split a user is on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.settings.section import Section


class LandingSettings(Section):
    """What a landed line must be to become an event."""

    late_limit_days: int = Field(30, ge=0, description="Older events are quarantined (too_late).")
    future_tolerance_seconds: int = Field(
        300, ge=0, description="Events further ahead of their receipt are quarantined (future)."
    )
    max_line_bytes: int = Field(1_000_000, ge=1_000, description="Longer lines are quarantined (too_large).")
    max_expansion: int = Field(
        200, ge=1,
        description="A compressed file is read up to this many times its size, or 4 MB. The rest is one quarantined "
        "row (expands_too_far).",
    )  # fmt: skip
    max_refused_lines: int = Field(
        100_000, ge=1,
        description="Quarantined rows of one file. Further refused lines share one row (further_refused_lines); lines "
        "that are fine are all kept.",
    )  # fmt: skip


class TurnsSettings(Section):
    """How events become turns."""

    session_gap_minutes: int = Field(30, ge=1, description="Minutes without an event that end a session.")
    first_turn_scope: Literal["conversation", "session"] = Field(
        "conversation", description="Whether first turns are counted by conversation or by session (Table 1)."
    )


class SplitSettings(Section):
    """Training and evaluation users are kept apart for ever: changing this on a filled lake is refused."""

    salt: str = "flywheel-split-1"
    evaluation_share: float = Field(0.1, ge=0, le=1)
