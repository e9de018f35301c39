"""A table's own log is not trusted blindly: what the ledger recorded tells when it lost something."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from infra.lake import Lake, ledger
from infra.lake.integrity import faults
from infra.lake.room import read
from infra.settings import Settings, SqlSettings
from jobs.context import JobContext
from jobs.declaration import Job
from jobs.runner import run_job
from tests.conftest import migrated, put
from tests.jobs.toy import declare

DAYS = (date(2026, 11, 18), date(2026, 11, 19))
TABLE = "curation.outcomes"
TOY = Job("toy.log", reads={}, writes=[TABLE], engine="arrow")


def make(ctx: JobContext) -> None:
    row = {"outcome": "eligible", "split": "train", "source": "user", "language": "en"}
    rows = [row | {"turn_id": f"{day}-{n}", "ds": day} for day in ctx.days for n in range(5)]
    ctx.write(TABLE, ctx.table_of(TABLE, rows))


@pytest.fixture
def lake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A table with a day in each of its two newest commits."""
    declare(monkeypatch, (TOY, make))
    lake = migrated(settings)
    for day in DAYS:
        run_job(settings, TOY.name, [day])
    return lake


def commits(lake: Lake) -> list[Path]:
    return sorted(Path(lake.path(TABLE), "_delta_log").glob("*.json"))


def removed(lake: Lake) -> None:
    commits(lake)[-1].unlink()


def emptied(lake: Lake) -> None:
    commits(lake)[-1].write_bytes(b"")


def cut_off(lake: Lake) -> None:
    newest = commits(lake)[-1]
    newest.write_bytes(newest.read_bytes()[:-20])


def overwritten(lake: Lake) -> None:
    commits(lake)[-1].write_text("id,name\n1,2\n")


def both_removed(lake: Lake) -> None:
    for commit in commits(lake)[-2:]:
        commit.unlink()


def one_in_between_removed(lake: Lake) -> None:
    commits(lake)[-2].unlink()


DAMAGE = [removed, emptied, cut_off, overwritten, both_removed, one_in_between_removed]


def test_a_whole_lake_has_no_fault(lake: Lake) -> None:
    assert faults(lake) == []
    assert faults(lake, thorough=True) == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_log_that_lost_commits_is_named(lake: Lake, damage: Callable[[Lake], None]) -> None:
    damage(lake)
    for thorough in (False, True):
        found = faults(lake, thorough=thorough)
        assert {fault.table for fault in found} == {TABLE}, "and no other table"
        assert all("backup" in fault.remedy for fault in found)


def test_rows_that_were_added_or_removed_behind_the_ledger_are_counted(lake: Lake) -> None:
    lake.open(TABLE).delete(f"turn_id = '{DAYS[0]}-1'")
    assert faults(lake) == [], "the log is whole"
    (fault,) = faults(lake, thorough=True)
    assert (
        fault.what == f"1 day(s) differ from what runs recorded: {DAYS[0]} has 4 rows, and a run recorded 5"
    )


def test_an_erasure_excuses_only_the_runs_before_it(lake: Lake, settings: Settings) -> None:
    lake.open(TABLE).delete(f"turn_id IN ('{DAYS[0]}-1', '{DAYS[1]}-1')")
    put(lake, "ops.erasures", [{"completed_ts": ledger.now(), "ds": DAYS[0]}])
    assert faults(lake, thorough=True) == []
    run_job(settings, TOY.name, [DAYS[1]], force=True)
    assert faults(lake, thorough=True) == []
    lake.open(TABLE).delete(f"turn_id = '{DAYS[1]}-1'")
    (fault,) = faults(lake, thorough=True)
    assert fault.what.endswith(f"{DAYS[1]} has 4 rows, and a run recorded 5")
    assert "backup from before would bring their rows back" in fault.remedy


@pytest.mark.parametrize("damage", [removed, emptied])
def test_a_query_says_so_beside_its_answer(lake: Lake, damage: Callable[[Lake], None]) -> None:
    query = f"SELECT count(*) FROM {TABLE}"
    assert read(lake, SqlSettings(), query).warnings == ()
    damage(lake)
    (warning,) = read(lake, SqlSettings(), query).warnings
    assert warning.startswith(f"{TABLE}: ")


def test_of_an_unreadable_ledger_only_the_logs_are_checked(lake: Lake) -> None:
    for commit in Path(lake.path("ops.runs"), "_delta_log").glob("*.json"):
        commit.unlink()
    commits(lake)[-1].write_bytes(b"")
    assert {fault.table for fault in faults(lake)} == {"ops.runs", TABLE}
