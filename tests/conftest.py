"""Shared fixtures: one Spark session a test run, a fresh migrated lake, the real data where it is present."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from infra.contracts import contract
from infra.lake import Lake, ledger
from infra.lake.migrate import migrate
from infra.settings import Settings, load_settings
from infra.write import frames

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["pytester", "tests.budget"]

THOROUGH = os.environ.get("FLYWHEEL_TESTS") == "thorough"
"""Whether properties are tried on many examples (`make test-all`) or on few (`make test`)."""

# Shared machines stall: how long an example takes says nothing about whether it is right.
for _profile, _examples in (("quick", 25), ("thorough", 100)):
    hypothesis_settings.register_profile(
        _profile, deadline=None, max_examples=_examples, suppress_health_check=[HealthCheck.too_slow]
    )
hypothesis_settings.load_profile("thorough" if THOROUGH else "quick")


def examples(thorough: int) -> hypothesis_settings:
    """Try a property on `thorough` examples in `make test-all`, on a quarter of them in `make test`."""
    return hypothesis_settings(max_examples=thorough if THOROUGH else -(-thorough // 4))


REPOSITORY = Path(__file__).resolve().parent.parent
DAY = date(2026, 11, 20)


def filled(table: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with all columns of the DDL; those left out are NULL, or empty where the DDL wants a value."""
    empty = {
        "STRING": "x", "BOOLEAN": False, "INT": 1, "BIGINT": 0, "DOUBLE": 0.5, "DATE": DAY,
        "TIMESTAMP": datetime(2026, 11, 20, 12, tzinfo=UTC),
    }  # fmt: skip
    return [
        {
            column.name: row.get(
                column.name,
                None
                if column.nullable
                else empty.get(column.type, [] if column.type.startswith("ARRAY") else {}),
            )
            for column in contract(table).columns
        }
        for row in rows
    ]


def put(lake: Lake, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows, filled: without Spark, a lock or any check. The same rows are appended once."""
    if not rows:
        return
    declared, full = contract(table), filled(table, rows)
    runs = pa.array([row["run_id"] for row in full], pa.string())
    frame = frames.arrow_table(declared, full).append_column("run_id", runs).select(declared.column_names)
    identity = f"{table}:{hashlib.sha256(repr(full).encode()).hexdigest()}"
    delta = lake.open(table)
    if delta.transaction_version(identity) is None:
        once = CommitProperties(app_transactions=[Transaction(identity, 1)])
        write_deltalake(delta, frame, mode="append", commit_properties=once)


def put_success(lake: Lake, job: str, days: Sequence[date]) -> None:
    """Ledger rows that say that the job has made the days: its tables were filled by `put`."""
    from jobs.declaration import job as declared

    moment = ledger.now()
    rows = [
        {
            "run_id": "run-1", "job": job, "table_name": table, "ds": day, "started_ts": moment,
            "ended_ts": moment, "state": "succeeded", "content_hash": f"{table}@{lake.version(table)}",
            "input_fingerprint": "", "settings_hash": "", "output_version": lake.version(table),
        }
        for table in declared(job).writes
        for day in days
    ]  # fmt: skip
    ledger.append(lake, "ops.runs", rows, f"put-{job}-{moment.timestamp()}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests share fixtures, so one worker runs them all; long files name groups of their own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(REPOSITORY))))
    # Longest first: begun last, they would run alone while the other worker has nothing left to do.
    items.sort(key=lambda item: (item.path.name != "test_schedule.py", item.path.parent.name != "e2e"))


def settings_for(home: Path) -> Settings:
    """Settings of a throw-away project in `home`, with an engine that fits a test machine."""
    return load_settings(
        home=home, spark={"master": "local[2]", "driver_memory": "3g", "shuffle_partitions": 2}
    )


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One session for the whole run: starting one costs more than most tests."""
    from infra.spark import session

    active = session(settings_for(tmp_path_factory.mktemp("spark")), "tests")
    yield active
    active.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty project."""
    return settings_for(tmp_path)


def migrated(settings: Settings) -> Lake:
    """A fresh, migrated lake where the settings want it: a copy of one that is migrated once a process."""
    lake = Lake.of(settings)
    for there, here in zip(_roots(_template()), _roots(lake), strict=True):
        shutil.copytree(there, here, dirs_exist_ok=True)
    key = Path(".flywheel", "user_key")
    (settings.home / key).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(_template_home() / key, settings.home / key)
    return lake


@cache
def _template_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="lake-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    migrate(settings_for(home))
    return home


def _template() -> Lake:
    return Lake.of(settings_for(_template_home()))


def with_registry(settings: Settings) -> Settings:
    """The settings, of a project whose model registry is made: a copy of one that is made once a process."""
    there, here = (Path(home, ".flywheel", "mlflow.db") for home in (_registry(), settings.home))
    here.parent.mkdir(exist_ok=True)
    shutil.copyfile(there, here)
    return settings


@cache
def _registry() -> Path:
    """Home of a project with an empty registry: MLflow makes it in some fifty migrations."""
    from models.registry.tracking import client

    home = Path(tempfile.mkdtemp(prefix="registry-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    client(settings_for(home)).search_registered_models()
    return home


def _roots(lake: Lake) -> tuple[str, str]:
    return lake.restricted, lake.curated


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """A fresh, migrated lake."""
    return migrated(settings)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the project; tests that want it say that they were skipped when it is absent."""
    place = Path(os.environ.get("FLYWHEEL_SHARED_DATA", str(REPOSITORY.parent / "shared" / "data")))
    if not place.is_dir():
        pytest.skip(f"real data is not present at {place} (set FLYWHEEL_SHARED_DATA)")
    return place
