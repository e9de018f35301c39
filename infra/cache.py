"""The user's cache, for what is made once and can be made again, such as converted networks and fitted models."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """`characterflywheel` under `$XDG_CACHE_HOME`, or under `~/.cache`; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "characterflywheel"
