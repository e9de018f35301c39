"""The base of every table of `flywheel.toml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of `flywheel.toml`: frozen, and an unknown name in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
