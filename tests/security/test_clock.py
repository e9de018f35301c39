"""Clocks only label: marks, runs and decisions are ordered by what was there when they were written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from infra.lake import Lake, ledger
from infra.settings import Settings
from jobs.context import JobContext
from jobs.curation.reviews import decide
from jobs.declaration import Job
from jobs.plan import Plan
from jobs.runner import JobFailed, run_job
from models.screening.verdict import content_hash
from tests.conftest import migrated, put
from tests.jobs.toy import declare

DAY = date(2026, 11, 18)
TABLE = "curation.outcomes"
TOY = Job("toy.clock", reads={}, writes=[TABLE], engine="arrow")
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SetClock = Callable[[datetime], None]


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return migrated(settings)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the machine's clock, which then goes on by a second at each look."""
    moment = [NOON]

    def now() -> datetime:
        moment[0] += timedelta(seconds=1)
        return moment[0]

    monkeypatch.setattr(ledger, "now", now)

    def set_to(to: datetime) -> None:
        moment[0] = to

    return set_to


class Toy:
    """A job of one row, and what happens while it runs."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[JobContext], None] = lambda _: None
        self.source = "user"

    def run(self, ctx: JobContext) -> None:
        self.meanwhile(ctx)
        row = {
            "turn_id": "t", "outcome": "eligible", "split": "train", "source": self.source, "language": "en",
        }  # fmt: skip
        rows = [row | {"ds": day} for day in ctx.days]
        ctx.write(TABLE, ctx.table_of(TABLE, rows))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = Toy()
    declare(monkeypatch, (TOY, toy.run))
    return toy


def due(settings: Settings) -> list[str]:
    return [unit.reason for unit in Plan(settings).due(TOY, [DAY])]


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_a_mark_after_a_run_makes_the_day_due_and_the_next_run_clears_it(
    lake: Lake, settings: Settings, toy: Toy, set_clock: SetClock, hours: int
) -> None:
    run_job(settings, TOY.name, [DAY])
    assert due(settings) == []
    set_clock(NOON + timedelta(hours=hours))
    ledger.mark_stale(lake, TOY.name, [DAY], "late_events", "someone")
    assert due(settings) == ["marked: late_events"]
    set_clock(NOON - timedelta(hours=2 * abs(hours)))
    run_job(settings, TOY.name, [DAY])
    assert due(settings) == []
    assert ledger.open_marks(lake) == []


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("hours", [-5, 5])
def test_a_mark_that_is_set_while_a_run_is_under_way_stays(
    lake: Lake, settings: Settings, toy: Toy, set_clock: SetClock, hours: int, force: bool
) -> None:
    def mark(ctx: JobContext) -> None:
        set_clock(NOON + timedelta(hours=hours))
        ctx.mark_stale(TOY.name, [DAY], "changed_turns")

    toy.meanwhile = mark
    run_job(settings, TOY.name, [DAY], force=force)
    assert due(settings) == ["marked: changed_turns"]
    toy.meanwhile = lambda _: None
    run_job(settings, TOY.name, [DAY])
    assert due(settings) == []


def test_a_run_that_fails_clears_nothing(
    lake: Lake, settings: Settings, toy: Toy, set_clock: SetClock
) -> None:
    run_job(settings, TOY.name, [DAY])
    ledger.mark_stale(lake, TOY.name, [DAY], "late_events", "someone")

    def fail(_: JobContext) -> None:
        raise RuntimeError

    toy.meanwhile = fail
    with pytest.raises(JobFailed):
        run_job(settings, TOY.name, [DAY])
    assert due(settings) == ["marked: late_events"]


def test_the_last_run_is_the_one_that_was_recorded_last(
    lake: Lake, settings: Settings, toy: Toy, set_clock: SetClock
) -> None:
    run_job(settings, TOY.name, [DAY])
    set_clock(NOON - timedelta(hours=5))
    toy.source = "internal"
    run_job(settings, TOY.name, [DAY], force=True)
    last = ledger.successes(lake)[TABLE, TOY.name][DAY.isoformat()]
    assert last.output_version == lake.version(TABLE)
    assert ledger.content_versions(lake, TABLE, TOY.name) == {DAY.isoformat(): lake.version(TABLE)}


def test_marks_and_runs_of_an_old_lake_are_ordered_by_time(lake: Lake, settings: Settings, toy: Toy) -> None:
    run_job(settings, TOY.name, [DAY])
    later, earlier = ledger.now() + timedelta(hours=1), ledger.now() - timedelta(hours=1)
    old: dict[str, Any] = {"job": TOY.name, "ds": DAY, "cause": "late_events", "run_id": "old"}
    ledger.append(lake, "ops.stale", [old | {"marked_ts": earlier}], "old-1")
    assert due(settings) == []
    ledger.append(lake, "ops.stale", [old | {"marked_ts": later}], "old-2")
    assert due(settings) == ["marked: late_events"]


def test_the_later_of_two_decisions_counts_whatever_the_clock_said(
    lake: Lake, settings: Settings, set_clock: SetClock
) -> None:
    text = content_hash(settings.user_key(), "hello", "hm")
    put(lake, "traffic.turns", [
        {"turn_id": "t", "user_message": "hello", "response": "hm", "split": "train", "source": "user", "ds": DAY}
    ])  # fmt: skip
    put(
        lake,
        "curation.review_queue",
        [{"turn_id": "t", "content_hash": text, "policy_version": "p", "ds": DAY}],
    )
    decide(settings, "t", "approve", "ada")
    set_clock(NOON - timedelta(hours=5))
    decide(settings, "t", "reject", "ada")
    rows = lake.open("curation.reviews").to_pyarrow_table().to_pylist()
    assert max(rows, key=lambda row: row["decided_ts"])["decision"] == "approve", "what the clock says"
    assert max(rows, key=lambda row: row["sequence"])["decision"] == "reject"
    assert {(mark.job, mark.ds) for mark in ledger.open_marks(lake)} == {("curation.screen", DAY)}
