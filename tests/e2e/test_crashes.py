"""A run that dies anywhere and is started again leaves the rows of an undisturbed run; so does one of two at once.

tests/jobs/test_crashes.py does it to a toy job in each write mode, in every run of the tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.contracts import contract
from infra.lake import ledger
from infra.write import commit
from jobs import runner
from jobs.declaration import Job
from jobs.plan import Due, Plan
from tests.e2e.conftest import DAYS, Crash, Product, pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.xdist_group("product")]
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def empty_and_mark(product: Product, job: Job) -> None:
    """Make the job due, with nothing left of what it made before."""
    for table in job.writes:
        product.lake.open(table).delete()
    ledger.mark_stale(product.lake, job.name, DAYS, "test", "test")


def run(product: Product, job: Job) -> None:
    runner.run_job(product.settings, job.name, DAYS, force=not job.is_daily)


def due(product: Product) -> list[Due]:
    """What is due of the product's own days; late events also landed on days after them."""
    return [unit for unit in Plan(product.settings).everything() if set(unit.days) & set(DAYS)]


COMMITS = ("commit_arrow", "commit_spark")
# A job with one table is the toy job of its write mode; between two tables there is more to get wrong.
WITH_SEVERAL_TABLES = [job for job in pipeline() if len(job.writes) > 1]


@pytest.mark.parametrize("job", WITH_SEVERAL_TABLES, ids=lambda job: job.name)
def test_a_crash_at_any_step_of_any_job_with_several_tables(
    product: Product, copied: Callable[[], Product], monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    victim = copied()
    empty_and_mark(victim, job)
    real_commits = {name: getattr(commit, name) for name in COMMITS}
    real_success = runner._record_success
    for step in range(1, len(job.writes) + 1):  # the kill below dies in the first write
        commits = 0

        def counted(*arguments: Any, name: str, step: int = step) -> int:
            nonlocal commits
            if commits == step:
                raise Crash
            commits += 1
            version: int = real_commits[name](*arguments)
            return version

        def success(*_: Any) -> None:
            raise Crash  # every table is committed, the ledger knows nothing of it

        with monkeypatch.context() as patch:
            for name in COMMITS:
                patch.setattr(commit, name, partial(counted, name=name))
            patch.setattr(runner, "_record_success", success)
            with pytest.raises(Crash):
                run(victim, job)
    assert {name: getattr(commit, name) for name in COMMITS} == real_commits
    assert runner._record_success is real_success
    run(victim, job)
    for table in job.writes:
        assert victim.rows(table) == product.rows(table), table


# Runs the job and kills its whole process group, JVM and workers too, as soon as a data file of a write appears.
KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from infra.write import commit, frames
from infra.settings import load_settings, parse_days
from jobs.runner import run_job

frames.SMALL_ROWS = -1  # Spark commits, whatever the number of rows: its files are there for a while
real = commit.commit_spark

def watched(spark, lake, table, staged, replaced):
    folder = Path(lake.path(table.name))
    before = set(folder.rglob("*.parquet"))

    def watch():
        while not set(folder.rglob("*.parquet")) - before:
            time.sleep(0.001)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    version = real(spark, lake, table, staged, replaced)
    time.sleep(1)
    return version

commit.commit_spark = watched
run_job(load_settings(), sys.argv[1], parse_days(sys.argv[2]), force=True)
"""


def start(product: Product, *command: str) -> subprocess.Popen[bytes]:
    """A process of its own over the product's lake."""
    small = {"FLYWHEEL_SPARK__MASTER": "local[2]", "FLYWHEEL_SPARK__SHUFFLE_PARTITIONS": "2"}
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | small | {"FLYWHEEL_HOME": str(product.settings.home)},
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


# A kill needs a JVM of its own, and what it tests is the write: one job for each way of writing stands for all.
BY_WRITE = {contract(job.writes[0]).write: job for job in reversed(pipeline())}


@pytest.mark.parametrize("job", BY_WRITE.values(), ids=lambda job: job.name)
def test_kill_9_while_files_are_written(product: Product, copied: Callable[[], Product], job: Job) -> None:
    victim = copied()
    empty_and_mark(victim, job)
    killed = start(victim, "-c", KILLED, job.name, f"{DAYS[0]}..{DAYS[-1]}")
    said = killed.communicate()[0]
    assert killed.returncode == -signal.SIGKILL, said[-2000:]
    assert victim.rows(job.closing_table) == []
    run(victim, job)  # the dead run's locks hold nobody up
    for table in job.writes:
        assert victim.rows(table) == product.rows(table), table


def test_of_two_runs_at_once_one_is_refused(product: Product, copied: Callable[[], Product]) -> None:
    both = copied()
    command = ("-m", "cli.main", "run", "traffic.turns", "--days", f"{DAYS[0]}..{DAYS[-1]}", "--force")
    runs = [start(both, *command), start(both, *command)]
    said = [one.communicate()[0].decode() for one in runs]
    codes = [one.returncode for one in runs]
    assert sorted(codes) == [0, 1], said
    assert "traffic.turns" in said[codes.index(1)]
    assert "is writing the table" in said[codes.index(1)]
    assert both.rows("traffic.turns") == product.rows("traffic.turns")


def test_a_second_run_changes_nothing_and_force_makes_the_same_rows(
    product: Product, copied: Callable[[], Product]
) -> None:
    again = copied()
    tables = [table for job in pipeline() for table in job.writes]
    versions = {table: again.lake.version(table) for table in tables}
    again.run_all()
    assert {table: again.lake.version(table) for table in tables} == versions
    assert due(again) == []
    again.run_all(force=True)
    assert due(again) == []
    for table in tables:
        assert again.rows(table) == product.rows(table), table
