"""One small product, lake and registry, for the files that need one: making a registry costs more than most tests."""

from __future__ import annotations

import pytest

from infra.lake import Lake
from infra.settings import Settings
from tests.conftest import migrated, settings_for, with_registry
from tests.models.signals.product import fill


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """150 users of whom 50 are for evaluation, five turns each, thumbs that follow a word of the response."""
    settings = with_registry(settings_for(tmp_path_factory.mktemp("product")))
    migrated(settings)
    fill(Lake.of(settings), users=150, turns=5)
    return settings
