"""Old rows and landed files are deleted as the DDL says, counted, and their days are not planned again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from infra.contracts import contract
from infra.errors import LockHeld
from infra.lake import Lake
from infra.lake.locks import hold
from infra.settings import Settings
from jobs.declaration import job
from jobs.landing.zone import day_folder
from jobs.maintenance.compaction import compact
from jobs.maintenance.retention import enforce
from jobs.plan import Plan
from tests.conftest import DAY, put, put_success

OLD = DAY - timedelta(days=91)
ROW = {"source": "user", "split": "train", "verdict": "pass", "user_message": "hi", "event_type": "message"}


@pytest.fixture
def aged(lake: Lake) -> Lake:
    """A day of raw turns that is past its 90 days, and one that is not; with their landed files."""
    for table in ("traffic.turns", "traffic.events", "curation.screened"):
        for day in (OLD, DAY):
            put(lake, table, [ROW | {"turn_id": f"t-{day}", "event_id": f"e-{day}", "ds": day}])
    for day in (OLD, DAY):
        folder = Path(lake.landing) / day_folder(day)
        folder.mkdir(parents=True)
        (folder / "a.jsonl").write_text("{}\n")
    for name in ("traffic.land", "traffic.turns", "curation.screen"):
        put_success(lake, name, [OLD, DAY])
    return lake


def days(lake: Lake, table: str) -> list[date]:
    column = lake.open(table).to_pyarrow_dataset().to_table(columns=["ds"]).column("ds")
    return sorted(pc.unique(column).to_pylist())


def test_what_is_too_old_is_counted_first_and_deleted_then(aged: Lake, settings: Settings) -> None:
    counted = {done.place: (done.rows, done.files) for done in enforce(settings, dry_run=True, today=DAY)}
    assert counted == {"landing": (0, 1), "traffic.events": (1, 0), "traffic.turns": (1, 0)}
    assert days(aged, "traffic.turns") == [OLD, DAY]
    done = {each.place: (each.rows, each.files) for each in enforce(settings, today=DAY)}
    assert done == counted
    assert days(aged, "traffic.turns") == days(aged, "traffic.events") == [DAY]
    assert days(aged, "curation.screened") == [OLD, DAY], "redacted text is kept for longer"
    assert not (Path(aged.landing) / day_folder(OLD)).exists()
    assert (Path(aged.landing) / day_folder(DAY) / "a.jsonl").exists()
    rows = aged.open("ops.runs").to_pyarrow_table().to_pylist()
    assert {
        row["table_name"]: dict(row["rows_rejected"]) for row in rows if row["job"] == "maintenance.retention"
    } == {
        "landing": {"expired_files": 1}, "traffic.events": {"expired": 1}, "traffic.turns": {"expired": 1}
    }  # fmt: skip
    assert list(enforce(settings, today=DAY)) == []


def test_a_deleted_day_is_not_planned_again(aged: Lake, settings: Settings) -> None:
    due = {(unit.job, day) for unit in Plan(settings).everything() for day in unit.days}
    assert ("traffic.land", OLD) in due, "these ledger rows know no input"
    list(enforce(settings, today=DAY))
    due = {(unit.job, day) for unit in Plan(settings).everything() for day in unit.days}
    assert not {name for name, day in due if day == OLD} & {
        "traffic.land",
        "traffic.turns",
        "curation.screen",
    }
    assert ("traffic.land", DAY) in due
    assert Plan(settings).is_expired(job("traffic.land"), OLD)
    assert not Plan(settings).is_expired(job("traffic.land"), OLD + timedelta(days=1))


def test_a_batch_without_its_raw_files_stays_and_is_not_made_again(lake: Lake, settings: Settings) -> None:
    pair = {"pair_id": "p", "mode": "static", "winner": "a", "split": "train", "response_b": "y", "ds": OLD}
    put(lake, "annotation.preferences", [pair])
    put_success(lake, "annotation.preferences", [OLD])
    folder = Path(lake.landing_of("landing/preferences")) / day_folder(OLD)
    folder.mkdir(parents=True)
    (folder / "pairs.jsonl").write_text("{}\n")
    done = [(each.place, each.files) for each in enforce(settings, today=DAY)]
    assert done == [("landing/preferences", 1)]
    assert days(lake, "annotation.preferences") == [OLD], "judged pairs are redacted, and kept for longer"
    assert not [unit for unit in Plan(settings).everything() if unit.job == "annotation.preferences"]


def test_a_table_that_is_being_written_is_left_alone(aged: Lake, settings: Settings) -> None:
    with hold(aged.locks, ["traffic.turns"], "other", 60), pytest.raises(LockHeld):
        list(enforce(settings, ["traffic.turns"], today=DAY))
    assert days(aged, "traffic.turns") == [OLD, DAY]


def test_raw_text_has_the_shortest_retention_and_every_table_has_one() -> None:
    assert contract("traffic.turns").retention_days == contract("traffic.events").retention_days == 90


def test_small_files_become_few_and_rows_stay(lake: Lake, settings: Settings) -> None:
    for number in range(20):
        put(lake, "traffic.turns", [ROW | {"turn_id": f"t{number:02}"}])
    before = sorted(lake.open("traffic.turns").to_pyarrow_table().column("turn_id").to_pylist())
    assert [done.files_before for done in compact(settings, dry_run=True)] == [20]
    (done,) = compact(settings)
    assert (done.table, done.files_before, done.files_after) == ("traffic.turns", 20, 1)
    assert sorted(lake.open("traffic.turns").to_pyarrow_table().column("turn_id").to_pylist()) == before
    assert list(compact(settings)) == []
