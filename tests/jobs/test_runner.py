"""Running and planning, on two toy jobs: what stands is skipped, what changed is run, what failed left nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import jobs.declaration
import jobs.plan
import jobs.runner
from infra.errors import ContractError, LockHeld, UpstreamMissing
from infra.lake import Lake, ledger
from infra.lake.locks import broken, hold
from infra.settings import LandingSettings, Settings
from jobs.context import JobContext
from jobs.declaration import Job, Reach
from jobs.plan import Plan
from jobs.runner import JobFailed, describe, first_of, run_job, run_stale
from tests.conftest import REPOSITORY, put
from tests.jobs.toy import declare

DAYS = tuple(date(2026, 11, 18) + timedelta(n) for n in range(3))
MAKE = Job("toy.make", reads={}, writes=["traffic.quarantine"], settings=["landing"])
# Reads its own past, as the fold of pruning does.
FOLD = Job(
    "toy.fold",
    reads={
        "traffic.quarantine": Reach(),
        "curation.outcomes": Reach(before=("landing.late_limit_days",)),
    },
    writes=["curation.outcomes"],
)


class Toys:
    """What the toy jobs do, and what they did."""

    def __init__(self) -> None:
        self.rows: dict[date, int] = dict.fromkeys(DAYS, 2)
        self.ran: list[tuple[str, tuple[date, ...]]] = []
        self.fail: Exception | None = None

    def make(self, ctx: JobContext) -> None:
        self.ran.append(("make", ctx.days))
        rows = [
            ("f", n, "bad", datetime(2026, 11, 18, tzinfo=UTC), d)
            for d in ctx.days
            for n in range(self.rows[d])
        ]
        rows = [(f"{d}", n, reason, ts, d) for _, n, reason, ts, d in rows]
        schema = "source_file string, line bigint, reason string, received_ts timestamp, ds date"
        ctx.write("traffic.quarantine", ctx.spark.createDataFrame(rows, schema))

    def fold(self, ctx: JobContext) -> None:
        self.ran.append(("fold", ctx.days))
        if self.fail:
            raise self.fail
        frame = ctx.read("traffic.quarantine").selectExpr(
            "concat(source_file, '/', line) AS turn_id", "'eligible' AS outcome", "CAST(NULL AS STRING) AS reason",
            "CAST(NULL AS STRING) AS detail", "'train' AS split", "'user' AS source", "'en' AS language", "ds",
        )  # fmt: skip
        ctx.write("curation.outcomes", frame, rejected={day: {"none": 0} for day in ctx.days})


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    made = Toys()
    declare(monkeypatch, (MAKE, made.make), (FOLD, made.fold))
    return made


def both(settings: Settings, days: tuple[date, ...] = DAYS, force: bool = False) -> None:
    run_job(settings, "toy.make", days, force)
    run_job(settings, "toy.fold", days, force)


def versions(lake: Lake) -> tuple[int, int]:
    return lake.version("traffic.quarantine"), lake.version("curation.outcomes")


def rows(lake: Lake) -> list[tuple[str, str]]:
    return sorted(
        (r["turn_id"], str(r["ds"])) for r in lake.open("curation.outcomes").to_pyarrow_table().to_pylist()
    )


def test_a_rerun_commits_nothing_and_force_makes_the_same_rows(
    spark: Any, settings: Settings, lake: Lake, toys: Toys
) -> None:
    both(settings)
    before, first = versions(lake), rows(lake)
    assert len(first) == 6
    both(settings)
    assert versions(lake) == before
    assert [name for name, _ in toys.ran] == ["make", "fold"]
    run_job(settings, "toy.make", DAYS, force=True)
    assert Plan(settings).everything() == []  # the same content makes nothing downstream due
    both(settings, force=True)
    assert rows(lake) == first


def test_changed_content_runs_the_day_and_those_that_fold_it_in(
    spark: Any, settings: Settings, lake: Lake, toys: Toys
) -> None:
    both(settings)
    toys.rows[DAYS[1]] = 3
    run_job(settings, "toy.make", DAYS[1:2], force=True)
    due = Plan(settings).everything()
    assert [(d.job, d.days[0], d.reason) for d in due] == [
        ("toy.fold", DAYS[1], "input changed"),
        ("toy.fold", DAYS[2], f"follows {DAYS[1]}, which runs again"),
    ]
    toys.ran.clear()
    run_stale(settings)
    assert toys.ran == [("fold", DAYS[1:])]
    assert Plan(settings).everything() == []


def test_how_the_range_is_cut_changes_nothing(spark: Any, settings: Settings, lake: Lake, toys: Toys) -> None:
    for day in DAYS:
        both(settings, (day,))
    cut = rows(lake)
    assert Plan(settings).everything() == []
    both(settings, force=True)
    assert rows(lake) == cut


def test_a_mark_makes_a_day_due_until_it_ran(spark: Any, settings: Settings, lake: Lake, toys: Toys) -> None:
    both(settings)
    ledger.mark_stale(lake, "toy.make", DAYS[:1], "late_events", "someone")
    assert [(d.job, d.reason) for d in Plan(settings).everything()] == [("toy.make", "marked: late_events")]
    run_stale(settings)
    assert Plan(settings).everything() == []


def test_changed_settings_make_due_only_the_jobs_that_declare_them(
    spark: Any, settings: Settings, lake: Lake, toys: Toys
) -> None:
    both(settings)
    changed = settings.model_copy(update={"landing": LandingSettings(max_line_bytes=5_000)})
    assert {(d.job, d.reason) for d in Plan(changed).everything()} == {("toy.make", "settings changed")}


def test_a_day_that_upstream_has_not_made_is_refused(settings: Settings, lake: Lake, toys: Toys) -> None:
    with pytest.raises(UpstreamMissing, match=r"flywheel run toy\.make --days 2026-11-18"):
        run_job(settings, "toy.fold", DAYS)
    assert toys.ran == []


def test_two_at_once_one_is_refused(spark: Any, settings: Settings, lake: Lake, toys: Toys) -> None:
    with (
        hold(lake.locks, ["traffic.quarantine"], "other", 60),
        pytest.raises(LockHeld, match="run other"),
    ):
        run_job(settings, "toy.make", DAYS)
    both(settings)
    assert len(rows(lake)) == 6


def test_a_failure_is_recorded_without_what_the_data_said(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLYWHEEL_DEBUG", raising=False)
    run_job(settings, "toy.make", DAYS)
    toys.fail = ValueError("canary 4111 1111 1111 1111")
    with pytest.raises(JobFailed, match=r"ValueError at test_runner\.py") as caught:
        run_job(settings, "toy.fold", DAYS)
    assert "canary" not in str(caught.value)
    assert "canary" not in describe(toys.fail)
    ledger_rows = lake.open("ops.runs").to_pyarrow_table().to_pylist()
    failed = [row for row in ledger_rows if row["job"] == "toy.fold"]
    assert [row["state"] for row in failed] == ["failed"] * 3
    assert all(row["error"].startswith("ValueError at test_runner.py:") for row in failed)
    assert "canary" not in str(ledger_rows)
    toys.fail = None
    run_job(settings, "toy.fold", DAYS)
    assert len(rows(lake)) == 6


def test_the_ledger_keeps_the_message_of_an_error_of_ours(
    spark: Any, settings: Settings, lake: Lake, toys: Toys
) -> None:
    run_job(settings, "toy.make", DAYS)
    toys.fail = ContractError(
        "the column split is missing", table="curation.outcomes", hint="Run: flywheel migrate"
    )
    with pytest.raises(ContractError):
        run_job(settings, "toy.fold", DAYS)
    [told] = {
        row[0]
        for row in ledger.query(lake, "SELECT error FROM ops_runs WHERE state = 'failed'", [], ["ops.runs"])
    }
    assert told == f"ContractError: {toys.fail}"
    assert "flywheel migrate" in told


KILLED = """
import os, signal, sys
from infra.lake.locks import hold
with hold(sys.argv[1], ["traffic.quarantine"], "run-that-was-killed", 60, {"job": sys.argv[2], "days": sys.argv[3]}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("job", "days", "recorded"),
    [("toy.make", "2026-11-18..2026-11-19", 2), ("maintenance.erase", "2026-11-18", 0), ("toy.make", "\x1b[2K", 0)],
)  # fmt: skip
def test_a_killed_run_is_seen_by_the_plan_and_recorded_by_the_next_run(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, job: str, days: str, recorded: int
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, lake.locks, job, days], cwd=REPOSITORY, check=False)
    [seen] = broken(lake.locks, ["traffic.quarantine", "curation.outcomes"], settings.lake.lock_seconds)
    assert (seen.run_id, seen.doing) == ("run-that-was-killed", {"job": job, "days": days})
    run_job(settings, "toy.make", DAYS)
    assert broken(lake.locks, ["traffic.quarantine"], settings.lake.lock_seconds) == []
    found = ledger.query(
        lake,
        "SELECT run_id, ds, error, seconds FROM ops_runs WHERE state = 'killed' ORDER BY ds",
        [],
        ["ops.runs"],
    )
    assert [row[1] for row in found] == list(DAYS[:recorded])
    assert [(row[0], "killed" in row[2], row[3] >= 0) for row in found] == [
        ("run-that-was-killed", True, True)
    ] * recorded


def test_an_interrupted_run_leaves_a_row(spark: Any, settings: Settings, lake: Lake, toys: Toys) -> None:
    run_job(settings, "toy.make", DAYS)
    toys.fail = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        run_job(settings, "toy.fold", DAYS[:1])
    states = ledger.query(lake, "SELECT state FROM ops_runs WHERE job = 'toy.fold'", [], ["ops.runs"])
    assert states == [("killed",)]


def test_a_job_may_only_read_and_write_what_it_declares(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(ctx: JobContext) -> None:
        ctx.read("traffic.turns")

    monkeypatch.setattr(sys.modules["jobs.toy.make"], "run", greedy)
    with pytest.raises(ContractError, match="does not declare"):
        run_job(settings, "toy.make", DAYS)

    monkeypatch.setattr(sys.modules["jobs.toy.make"], "run", lambda ctx: None)
    with pytest.raises(ContractError, match="ended without writing"):
        run_job(settings, "toy.make", DAYS)


def test_a_job_may_not_read_beyond_its_reach(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(settings, "toy.make", DAYS)
    day = DAYS[1]

    def backwards(ctx: JobContext) -> None:
        assert ctx.read("traffic.quarantine").count() == 2
        horizon = settings.landing.late_limit_days
        assert ctx.days_reached("curation.outcomes")[0] == day - timedelta(days=horizon)
        ctx.read("curation.outcomes", [day - timedelta(days=horizon)])
        ctx.read("traffic.quarantine", [day - timedelta(days=1)])

    monkeypatch.setattr(sys.modules["jobs.toy.fold"], "run", backwards)
    with pytest.raises(ContractError, match=r"1 day\(s\) beyond what it declares"):
        run_job(settings, "toy.fold", [day])


def test_what_is_read_up_to_a_day_makes_due_what_comes_after_it_only(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = replace(FOLD, reads={"traffic.quarantine": Reach(up_to=True)})
    for place in (jobs.declaration, jobs.plan, jobs.runner):
        monkeypatch.setattr(place, "all_jobs", lambda: (MAKE, fold))
    both(settings)
    toys.rows[DAYS[1]] = 3
    run_job(settings, "toy.make", DAYS[1:2], force=True)
    assert [(unit.days, unit.reason) for unit in Plan(settings).everything()] == [
        ((DAYS[1],), "input changed"),
        ((DAYS[2],), "input changed"),
    ]


def test_a_moved_alias_makes_due_what_used_the_model(
    spark: Any, settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = replace(FOLD, models=["preherding.score_model"])
    for place in (jobs.declaration, jobs.plan, jobs.runner):
        monkeypatch.setattr(place, "all_jobs", lambda: (MAKE, fold))
    versions = {"reward@candidate": "reward/1"}
    monkeypatch.setattr("models.registry.names.resolved", lambda _, name: versions.get(name, ""))
    aliased = settings.model_copy(
        update={"preherding": settings.preherding.model_copy(update={"score_model": "reward@candidate"})}
    )
    both(aliased)
    assert Plan(aliased).everything() == []
    versions["reward@candidate"] = "reward/2"
    assert {(unit.job, unit.reason) for unit in Plan(aliased).everything()} == {("toy.fold", "input changed")}


def test_a_job_without_spark_reads_and_writes_arrow(
    settings: Settings, lake: Lake, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        lake,
        "curation.reviews",
        [{"turn_id": f"t{n}", "decision": "approve", "ds": day} for n, day in enumerate(DAYS)],
    )
    reader = Job("toy.make", {"curation.reviews": Reach(up_to=True)}, ["traffic.quarantine"], engine="arrow")
    for place in (jobs.declaration, jobs.plan, jobs.runner):
        monkeypatch.setattr(place, "all_jobs", lambda: (reader,))
    seen: list[str] = []

    def run(ctx: JobContext) -> None:
        seen.extend(ctx.read_arrow("curation.reviews", columns=["turn_id"]).column(0).to_pylist())
        with pytest.raises(ContractError, match="no Spark session"):
            _ = ctx.spark
        raise ContractError("enough")

    monkeypatch.setattr(sys.modules["jobs.toy.make"], "run", run)
    with pytest.raises(ContractError, match="enough"):
        run_job(settings, "toy.make", DAYS[:2])
    assert sorted(seen) == ["t0", "t1"]


def test_the_ledger_accounts_for_rows_inputs_and_settings(
    spark: Any, settings: Settings, lake: Lake, toys: Toys
) -> None:
    both(settings)
    told = [r for r in lake.open("ops.runs").to_pyarrow_table().to_pylist() if r["job"] == "toy.fold"]
    assert [
        (r["ds"], r["rows_out"], dict(r["rows_rejected"])) for r in sorted(told, key=lambda r: r["ds"])
    ] == [(day, 2, {"none": 0}) for day in DAYS]
    assert all(
        r["peak_memory_bytes"] > 0 and r["settings_hash"] and "traffic.quarantine" in r["input_versions"]
        for r in told
    )


def test_an_engine_that_is_gone_is_known(spark: Any) -> None:
    from infra.spark import has_ended

    assert not has_ended(spark)

    class Gone:
        @property
        def sparkContext(self) -> Any:
            raise ConnectionRefusedError

    assert has_ended(Gone())  # type: ignore[arg-type]


def test_what_failed_first_is_told_also_where_the_engine_died_with_it() -> None:
    from py4j.protocol import Py4JNetworkError

    def dies() -> None:
        try:
            raise ValueError("a row")
        finally:
            raise Py4JNetworkError("nobody answers when memory is freed")

    with pytest.raises(Py4JNetworkError) as caught:
        dies()
    assert isinstance(first_of(caught.value), ValueError)
    wrapped = Py4JNetworkError("x")
    wrapped.__cause__ = OSError("refused")
    assert first_of(wrapped) is wrapped
    assert first_of(KeyError("k")).args == ("k",)
