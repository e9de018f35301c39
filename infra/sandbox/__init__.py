"""The sandbox: a simulated live product with known truth. Nothing measured in it is a result on people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.sandbox.settings import SandboxSettings
from infra.sandbox.summary import SandboxSummary

__all__ = ["SandboxSettings", "SandboxSummary", "generate"]


def generate(
    settings: SandboxSettings,
    landing: Path,
    truth: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> SandboxSummary:
    """Write days of traffic to `landing` and what is true of them to `truth`.

    The bytes depend on the settings alone, not on `workers`. `progress` is called with shards done and shards
    in all. Memory is bounded by `settings.shard_users`, whatever the number of turns.
    """
    # Imported here so that reading settings loads neither Faker nor the corpus.
    from infra.sandbox.product import run

    return run(settings, landing, truth, workers, progress)
