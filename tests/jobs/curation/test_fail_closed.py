"""Screening in Spark, on a lake: faults, hangs, killed and unreachable workers. Nothing struck passes or is lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.contracts import contract
from infra.lake import Lake, ledger
from infra.settings import Settings
from jobs.context import JobContext
from jobs.curation import screen
from jobs.plan import Plan
from jobs.runner import JobFailed, run_job
from jobs.traffic import turns as turns_job
from tests.models.screening.faults import ANSWERS, CANARY, DETECTORS, HANGS, Strikes, is_struck, kinds, mark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAY, NEXT = date(2026, 11, 20), date(2026, 11, 21)
WORDS = "the sea is calm and we talk about boats all day"
IDLE = "spark.sql.execution.pyspark.udf.idleTimeoutSeconds"


@pytest.fixture
def faulty(spark: SparkSession, settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A migrated lake without upstream, whose screening uses the faulty detectors and is out of patience soon."""
    monkeypatch.setattr(screen, "Packaged", lambda *_: Strikes(once=settings.home / "killed"))
    monkeypatch.setattr(Plan, "check_upstream", lambda *_: None)
    impatient = settings.screening.model_copy(update={"deadline_seconds": 0.3, "max_text_chars": 5_000})
    return settings.model_copy(update={"screening": impatient})


def land(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, said: dict[str, tuple[str | None, str]], day: date
) -> None:
    """Turns of the day, four to a conversation, through the real writer."""
    columns = [c for c in contract("traffic.turns").columns if c.name != "run_id"]
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    rows: list[dict[str, Any]] = [
        {
            "turn_id": turn, "conversation_id": f"{day}-{n // 4}", "session_id": f"{day}-{n // 4}#0",
            "turn_index": n % 4 + 1, "session_turn_index": n % 4 + 1, "is_final": True, "user_id": "u",
            "model_version": "m", "source": "user", "locale": "en", "language": "en", "split": "train", "ds": day,
            "user_message": message, "response": response, "is_synthetic_time": False,
            "message_ts": noon + timedelta(seconds=n), "response_ts": noon + timedelta(seconds=n),
        }
        for n, (turn, (message, response)) in enumerate(said.items())
    ]  # fmt: skip

    def run(ctx: JobContext) -> None:
        values = [tuple(row.get(c.name) for c in columns) for row in rows]
        ctx.write(
            "traffic.turns",
            ctx.spark.createDataFrame(values, ", ".join(f"`{c.name}` {c.type}" for c in columns)),
        )

    with monkeypatch.context() as patch:
        patch.setattr(turns_job, "run", run)
        run_job(settings, "traffic.turns", [day], force=True)


def screened(lake: Lake, day: date) -> dict[str, dict[str, Any]]:
    rows = lake.open("curation.screened").to_pyarrow_table(partitions=[("ds", "=", str(day))]).to_pylist()
    assert len({row["turn_id"] for row in rows}) == len(rows)
    return {row["turn_id"]: row for row in rows}


def assert_no_canary(lake: Lake, *told: object) -> None:
    """Neither in any file of curated/ (tables, logs of commits, ledger, locks) nor in what was said."""
    for part in (CANARY, CANARY.partition("@")[0]):
        for path in Path(lake.curated).rglob("*"):
            assert not path.is_file() or part.encode() not in path.read_bytes(), path
        assert part not in str(told)
    for table in (
        "ops.runs",
        "ops.quality",
        "curation.screened",
        "curation.review_queue",
    ):  # compressed in their files
        assert CANARY not in str(lake.open(table).to_pyarrow_table().to_pylist())


def everything_that_can_happen() -> Iterator[str]:
    """Every fault of every detector, some hangs, texts too long and none at all."""
    for detector in DETECTORS:
        yield from (mark(detector, kind) for kind in kinds(detector))
        yield from (mark(detector, kind) for kind in list(HANGS)[:2])
        yield mark(detector, "exception") * 400


def test_faults_in_workers(
    faulty: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Hundreds of struck turns among clean ones: each rejected, each there, none quoted; the ledger adds up."""
    draw = random.Random(3)
    every = [*everything_that_can_happen()] * 2 + [
        mark("privacy", f"answer_{name}") for name in ANSWERS["privacy"]
    ] * 4
    texts = [f"{WORDS} {n} {strike} {CANARY}" for n, strike in enumerate(every)]
    said: dict[str, tuple[str | None, str]] = {
        f"s{n}": (text, WORDS) if draw.random() < 0.5 else (f"{WORDS} {n}", text)
        for n, text in enumerate(texts)
    }
    said |= {f"c{n}": (f"{WORDS} {n}" if n % 5 else None, WORDS) for n in range(200)}
    land(faulty, monkeypatch, said, DAY)
    summary = run_job(faulty, "curation.screen", [DAY])
    rows = screened(lake, DAY)
    assert set(rows) == set(said)
    struck = {turn for turn, parts in said.items() if any(map(is_struck, parts))}
    assert len(struck) >= 250
    assert {rows[turn]["verdict"] for turn in struck} == {"reject"}
    assert all(rows[turn]["redacted_response"] is None for turn in struck)
    assert {(rows[f"c{n}"]["verdict"], *rows[f"c{n}"]["reasons"]) for n in range(200)} == {("pass",)}
    ran = lake.open("ops.runs").to_pyarrow_table().to_pylist()
    (one,) = (
        row for row in ran if row["run_id"] == summary.run_id and row["table_name"] == "curation.screened"
    )
    assert (one["rows_in"], one["rows_out"], one["state"]) == (len(said), len(said), "succeeded")
    assert Counter(row["verdict"] for row in rows.values()).total() == len(said)
    assert_no_canary(lake, summary, capfd.readouterr())


@pytest.mark.parametrize("fault", ["kill", "unreachable"])
def test_a_worker_that_dies_or_hangs_where_no_signal_reaches(
    spark: SparkSession,
    faulty: Settings,
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    """The run fails whole, tells without quoting and writes nothing; the next, without the fault, is complete."""
    said: dict[str, tuple[str | None, str]] = {f"c{n}": (f"{WORDS} {n}", WORDS) for n in range(40)}
    struck = f"{WORDS} {mark('privacy', fault)} {mark('privacy', 'exception')} {CANARY}"
    land(faulty, monkeypatch, said | {"x": (struck, WORDS)}, NEXT)
    before = lake.version("curation.screened"), lake.version("curation.review_queue")
    usual = spark.conf.get(IDLE)
    spark.conf.set(IDLE, "5")
    try:
        with pytest.raises(JobFailed) as raised:
            run_job(faulty, "curation.screen", [NEXT])
    finally:
        spark.conf.set(IDLE, usual)
    assert (lake.version("curation.screened"), lake.version("curation.review_queue")) == before
    states = ledger.query(
        lake, "SELECT state FROM ops_runs WHERE job = 'curation.screen'", tables=["ops.runs"]
    )
    assert states == [("failed",)]
    assert_no_canary(lake, raised.value, raised.value.__cause__, capfd.readouterr())
    if fault == "unreachable":
        land(
            faulty,
            monkeypatch,
            said | {"x": (f"{WORDS} {mark('privacy', 'exception')} {CANARY}", WORDS)},
            NEXT,
        )
    run_job(faulty, "curation.screen", [NEXT])
    rows = screened(lake, NEXT)
    assert set(rows) == {*said, "x"}
    assert {rows[turn]["verdict"] for turn in said} == {"pass"}
    assert rows["x"]["verdict"] == "reject"
    assert_no_canary(lake, capfd.readouterr())
