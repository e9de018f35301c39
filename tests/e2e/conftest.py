"""A small simulated product taken through every job once, undisturbed: what the other runs are compared with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.lake import Lake
from infra.lake.migrate import migrate
from infra.sandbox import SandboxSettings, generate
from infra.sandbox.experiments import declaration
from infra.sandbox.settings import PlantingSettings
from infra.settings import Settings
from jobs.declaration import STAGES, Job, stage_jobs
from jobs.experiments.definition import declare, read_definition
from jobs.runner import run_job
from tests.conftest import settings_for

DAYS = (date(2026, 11, 18), date(2026, 11, 19))
TURNS = 400
# Columns that say when or by whom a row was written, not what it says.
BOOKKEEPING = {"run_id"}


class Crash(BaseException):
    """Not an Exception: nothing may catch it, as nothing can catch a kill."""


@dataclass(frozen=True)
class Product:
    """A filled lake and the truth that only tests may read."""

    settings: Settings
    truth: Path

    @property
    def lake(self) -> Lake:
        return Lake.of(self.settings)

    def rows(self, table: str) -> list[str]:
        """All rows of a table in a canonical text form, sorted, without bookkeeping."""
        found = self.lake.open(table).to_pyarrow_table().to_pylist()
        return sorted(repr(sorted((k, v) for k, v in row.items() if k not in BOOKKEEPING)) for row in found)

    def run_all(self, days: tuple[date, ...] = DAYS, force: bool = False) -> None:
        for job in pipeline():
            run_job(self.settings, job.name, days, force)


def pipeline() -> list[Job]:
    """The jobs of the product: all but training, for which it is too small."""
    return [job for stage in STAGES for job in stage_jobs(stage) if job.engine == "spark"]


def written_tables() -> list[str]:
    return [table for job in pipeline() for table in job.writes]


@pytest.fixture(scope="session")
def product(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Product:
    home = tmp_path_factory.mktemp("product")
    # In the file, not in the call: a killed run is started again by another process.
    (home / "flywheel.toml").write_text("[sampling]\nallow_smaller = true\ncharacter_cap = 0.3\n")
    settings = settings_for(home)
    migrate(settings)
    made = Product(settings, home / "truth")
    # Denser than life, so that a small product holds enough of each.
    planted = PlantingSettings(
        identifiers_in_messages=0.15, identifiers_in_responses=0.04, identifiers_in_characters=0.4
    )
    sandbox = SandboxSettings(turns=TURNS, days=len(DAYS), seed=11, planted=planted)
    generate(sandbox, Path(made.lake.landing), made.truth)
    (home / "experiment.toml").write_text(declaration(sandbox))
    declare(settings, read_definition(home / "experiment.toml"))
    made.run_all()
    assert made.lake.open("curation.samples").to_pyarrow_table().num_rows > 0
    return made


@pytest.fixture
def copied(product: Product, tmp_path: Path) -> Iterator[Callable[[], Product]]:
    """Make a copy of the filled lake, with the same keys, that a test may spoil."""

    def copy() -> Product:
        home = tmp_path / "copy"
        shutil.copytree(product.settings.home, home)
        return Product(settings_for(home), home / "truth")

    yield copy
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
