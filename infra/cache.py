"""Where this project keeps what it makes once for a user and can make again: converted networks, fitted models."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """`characterflywheel` under `$XDG_CACHE_HOME`, or under `~/.cache`; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "characterflywheel"
