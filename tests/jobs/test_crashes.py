"""A job that dies at any of three points and is started again leaves the rows of one run, in each write mode.

tests/e2e/test_crashes.py does the same to the real jobs with several tables, and with kill -9.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

import jobs.declaration
import jobs.plan
import jobs.runner
from infra.contracts import contract
from infra.lake import Lake, ledger
from infra.settings import Settings
from infra.write import commit, frames
from jobs import runner
from jobs.context import JobContext
from jobs.declaration import Engine, Job
from tests.conftest import DAY, filled, put

BEFORE = DAY - timedelta(days=1)


class Crash(BaseException):
    """Not an Exception: nothing may catch it, as nothing can catch a kill."""


@dataclass(frozen=True)
class Case:
    """A table of one write mode: what stands in it, what the job writes for DAY, and what must stand there then.

    Rows are (day, key, value); the columns that hold them are named.
    """

    table: str
    key: str
    value: str
    stands: tuple[tuple[date, str, Any], ...]
    writes: tuple[tuple[date, str, Any], ...]
    left: tuple[tuple[date, str, Any], ...]
    others: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, cells: tuple[tuple[date, str, Any], ...], **more: Any) -> list[dict[str, Any]]:
        rows = [{"ds": d, self.key: k, self.value: v, **self.others, **more} for d, k, v in cells]
        return filled(self.table, rows)


CASES = {
    "replace_days": Case(
        "traffic.quarantine", "source_file", "reason",
        stands=((BEFORE, "a", "old"), (DAY, "b", "old"), (DAY, "c", "old")),
        writes=((DAY, "b", "new"), (DAY, "d", "new")),
        left=((BEFORE, "a", "old"), (DAY, "b", "new"), (DAY, "d", "new")),
    ),
    # The rows that stand are of another dataset: they stay.
    "replace_scope": Case(
        "curation.sample_outcomes", "turn_id", "outcome",
        stands=((DAY, "a", "selected"), (DAY, "b", "selected")),
        writes=((DAY, "b", "not_sampled"), (DAY, "c", "not_sampled")),
        left=((DAY, "a", "selected"), (DAY, "b", "not_sampled"), (DAY, "b", "selected"), (DAY, "c", "not_sampled")),
    ),
    "merge_insert": Case(
        "experiments.populations", "experiment_id", "sample_ratio_p",
        stands=((BEFORE, "a", 0.25), (DAY, "b", 0.25)),
        writes=((DAY, "b", 0.75), (DAY, "c", 0.75)),
        left=((BEFORE, "a", 0.25), (DAY, "b", 0.25), (DAY, "c", 0.75)),
        others={"basis": "assigned"},
    ),
    "merge_upsert": Case(
        "traffic.conversations", "conversation_id", "turns",
        stands=((BEFORE, "a", 1), (DAY, "b", 1)),
        writes=((DAY, "b", 2), (DAY, "c", 2)),
        left=((BEFORE, "a", 1), (DAY, "b", 2), (DAY, "c", 2)),
    ),
}  # fmt: skip


def toy_job(case: Case, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that writes the case's rows, in place of all others."""
    unit = "window" if contract(case.table).scope else "day"
    job = Job("toy.write", reads={}, writes=[case.table], settings=["sampling"], unit=unit, engine=engine)

    def run(ctx: JobContext) -> None:
        table, scope = contract(case.table), {"dataset_id": ctx.scope} if ctx.scope else {}
        rows = case.rows(case.writes, **scope)
        if engine == "arrow":
            ctx.write(case.table, frames.arrow_table(table, rows))
        else:
            columns = [c for c in table.columns if c.name != "run_id"]
            values = [tuple(row[c.name] for c in columns) for row in rows]
            schema = ", ".join(f"`{c.name}` {c.type}" for c in columns)
            ctx.write(case.table, ctx.spark.createDataFrame(values, schema))

    module = types.ModuleType("jobs.toy.write")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jobs.toy.write", module)
    for place in (jobs.declaration, jobs.plan, jobs.runner):
        monkeypatch.setattr(place, "all_jobs", lambda: (job,))
    return job


def deaths(engine: Engine) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """What to put in whose place, so that a run dies before the commit, right after it, and in the ledger."""
    place, name = commit, {"arrow": "commit_arrow", "spark": "commit_spark"}[engine]
    real_commit, real_append = getattr(place, name), ledger.append

    def before(*_: Any) -> None:
        raise Crash

    def after(*arguments: Any) -> None:
        real_commit(*arguments)
        raise Crash

    def in_the_ledger(lake: Lake, table: str, *rest: Any) -> None:
        if table == "ops.runs":
            raise Crash  # the quality of the run is recorded, the run is not
        real_append(lake, table, *rest)

    yield place, name, before
    yield place, name, after
    yield ledger, "append", in_the_ledger


def die_and_start_again(
    mode: str, engine: Engine, settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[mode]
    assert contract(case.table).write == mode
    job = toy_job(case, engine, monkeypatch)
    put(lake, case.table, case.rows(case.stands))
    for place, name, death in deaths(engine):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, death)
            with pytest.raises(Crash):
                runner.run_job(settings, job.name, (DAY,))
        assert succeeded(lake) == []
    runner.run_job(settings, job.name, (DAY,))
    rows = lake.open(case.table).to_pyarrow_table().to_pylist()
    assert sorted((row["ds"], row[case.key], row[case.value]) for row in rows) == list(case.left)
    assert succeeded(lake) == [DAY]
    assert runner.run_job(settings, job.name, (DAY,)).run_id is None  # it is done


@pytest.mark.parametrize("mode", CASES)
def test_an_arrow_job_dies_before_the_commit_after_it_and_in_the_ledger(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    die_and_start_again(mode, "arrow", settings, lake, monkeypatch)


@pytest.mark.nightly
@pytest.mark.parametrize("mode", CASES)
def test_a_spark_job_dies_before_the_commit_after_it_and_in_the_ledger(
    spark: Any, settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(frames, "SMALL_ROWS", -1)  # so few rows would be committed without Spark
    die_and_start_again(mode, "spark", settings, lake, monkeypatch)


def succeeded(lake: Lake) -> list[date]:
    rows = lake.open("ops.runs").to_pyarrow_table().to_pylist()
    return [row["ds"] for row in rows if row["state"] == "succeeded"]
