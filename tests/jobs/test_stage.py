"""A stage runs in one session, names the job that fails, and goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import ContractError, JobUnknown, SettingsError
from infra.settings import Settings
from jobs import stage
from jobs.declaration import Job, stage_jobs
from jobs.runner import RunSummary
from jobs.stage import jobs_of, parse_rerun, run_jobs

DAYS = (date(2026, 11, 18), date(2026, 11, 19))
CURATION = [job.name for job in stage_jobs("curation")]


class Ledger:
    """Stands in for `run_job`: remembers what ran; a job that is done is skipped, and one may fail."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.done: set[str] = set()
        self.fails: str | None = None

    def run_job(self, _: Settings, name: str, days: Any, force: bool = False) -> RunSummary:
        if name in self.done and not force:
            return RunSummary(name, None, (), 0, 0.0)
        if name == self.fails:
            raise ContractError("a column is missing", table="curation.embeddings")
        self.ran.append(name)
        self.done.add(name)
        return RunSummary(name, "run", tuple(days), 12, 0.1)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger()
    monkeypatch.setattr(stage, "run_job", made.run_job)
    return made


def test_a_stage_is_its_jobs_in_declared_order_and_each_once() -> None:
    assert [job.name for job in jobs_of(["curation"])] == CURATION
    assert [job.name for job in jobs_of(["curation.embed", "curation"])] == [
        "curation.embed",
        *(name for name in CURATION if name != "curation.embed"),
    ]
    with pytest.raises(JobUnknown):
        jobs_of(["curating"])
    with pytest.raises(JobUnknown):
        jobs_of(["curation.scream"])


def test_a_failed_stage_names_its_job_and_goes_on_there(
    settings: Settings, ledger: Ledger, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    progress = tmp_path / "progress.log"
    monkeypatch.setenv("FLYWHEEL_PROGRESS", str(progress))
    ledger.fails = "curation.embed"
    with pytest.raises(ContractError):
        run_jobs(settings, ["curation"], DAYS)
    before = CURATION.index("curation.embed")
    assert ledger.ran == CURATION[:before]
    lines = progress.read_text().splitlines()
    assert [line.split()[:4] for line in lines[:-1]] == [
        [str(n), "of", str(len(CURATION)), name] for n, name in enumerate(CURATION[: before + 1], start=1)
    ]
    assert "12 rows" in lines[0]
    assert "FAILED" in lines[before]
    assert lines[-1].startswith("ContractError: a column is missing")
    assert "curation.embed" in capsys.readouterr().err

    ledger.fails, ledger.ran = None, []
    summaries = run_jobs(settings, ["curation"], DAYS)
    assert ledger.ran == CURATION[before:]
    assert [s.job for s in summaries if s.run_id is None] == CURATION[:before]


def test_a_forced_stage_goes_on_too_when_it_is_told_since_when(
    settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime(2026, 11, 30, 8, tzinfo=UTC)
    ended = {
        "curation.screen_characters": began + timedelta(minutes=1),
        "curation.screen": began - timedelta(days=1),
    }

    class Plan:
        def __init__(self, _: Settings) -> None: ...

        def successes(self, job: Job) -> dict[str, Any]:
            moment = ended.get(job.name)
            return {day.isoformat(): type("Success", (), {"ended_ts": moment})() for day in DAYS if moment}

        def due(self, job: Job, days: Any, force: bool) -> list[Any]:
            unit = type("Due", (), {})
            units = []
            for day in days:
                units.append(unit())
                units[-1].scope, units[-1].days = None, (day,)
            return units

    monkeypatch.setattr(stage, "Plan", Plan)
    ledger.done = set(CURATION)
    run_jobs(settings, ["curation"], DAYS, force=True, since=began)
    assert ledger.ran == [name for name in CURATION if name != "curation.screen_characters"]


def test_what_to_run_again_is_due_all_or_a_moment() -> None:
    assert parse_rerun("due") == (False, None)
    assert parse_rerun("all") == (True, None)
    moment = datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert parse_rerun(moment.isoformat()) == (True, moment)
    for wrong in ("yes", "2026-11-30T08:00:00"):
        with pytest.raises(SettingsError):
            parse_rerun(wrong)


def test_workers_and_what_they_loaded_outlive_a_job(spark: Any, settings: Settings) -> None:
    """Two jobs of a session share their Python workers, so that each worker loads a model once a stage."""
    screening = settings.screening

    def load(batches: Any) -> Any:
        import os

        import pyarrow as pa

        from models.screening.verdict import detectors_of, packaged_detectors

        for _ in batches:
            # Tests before this one may have loaded other detectors in the same workers.
            before = packaged_detectors.cache_info().misses
            detectors_of(screening)
            row = {"worker": os.getpid(), "loads": packaged_detectors.cache_info().misses - before}
            yield pa.RecordBatch.from_pylist([row])

    def job() -> Counter[int]:
        loads = Counter[int]()
        for row in spark.range(0, 8, 1, 4).mapInArrow(load, "worker long, loads long").collect():
            loads[row["worker"]] += row["loads"]
        return loads

    first, second = job(), job()
    assert set(second) & set(first)
    assert max(first.values()) <= 1
    assert all(loads == 0 for worker, loads in second.items() if worker in first)
    assert max(second.values()) <= 1
