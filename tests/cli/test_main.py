"""The command: it teaches, it fails with one clear line, and the SQL door works without a JVM."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.contracts import table_names, view_names
from infra.errors import JobUnknown
from infra.lake import Lake, ledger
from infra.lake.sql import connect
from infra.settings import load_settings

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    return tmp_path


def test_help_teaches_every_command() -> None:
    told = runner.invoke(app, ["--help"]).output
    for command in (
        "doctor", "migrate", "sandbox", "import", "run", "plan", "tables", "sql", "outcomes", "report",
        "review", "screen", "pull", "lengths",
    ):  # fmt: skip
        assert command in told
        assert runner.invoke(app, [*command.split(), "--help"]).exit_code == 0


def test_migrate_twice_changes_nothing(home: Path) -> None:
    assert "0 change(s)" in runner.invoke(app, ["migrate"]).output


@pytest.mark.parametrize("name", ["traffic.turns", "curation.samples", "views.daily_funnel"])
def test_the_dictionary_tells_of_a_table(home: Path, name: str) -> None:
    told = runner.invoke(app, ["tables", name], env={"COLUMNS": "250"})
    assert told.exit_code == 0
    assert "Who" not in told.output
    assert len(told.output.splitlines()) > 4


def test_brackets_are_printed_as_they_are(home: Path) -> None:
    """Redacted text and the place of an error stand in brackets; neither is a style."""
    told = runner.invoke(app, ["sql", "SELECT '<[red]CARD[/red]>' AS text"]).output
    assert "<[red]CARD[/red]>" in told
    failed = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "curation.outcomes", "--days", "2026-11-20"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert failed.returncode == 1
    assert "[table curation." in failed.stderr


def test_sql_prints_json_csv_and_tables(home: Path) -> None:
    lake = Lake.of(load_settings())
    ledger.mark_stale(lake, "curation.screen", [date(2026, 11, 20)], "late_events", "r1")
    query = "SELECT job, ds, cause FROM ops.stale"
    rows = json.loads(runner.invoke(app, ["sql", query, "--format", "json"]).stdout)
    assert rows == [{"job": "curation.screen", "ds": "2026-11-20", "cause": "late_events"}]
    assert runner.invoke(app, ["sql", query, "--format", "csv"]).stdout.splitlines() == [
        "job,ds,cause",
        "curation.screen,2026-11-20,late_events",
    ]


def test_a_wrong_query_is_one_line(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "sql", "SELECT nothing FROM ops.runs"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.nightly
def test_every_view_runs_on_duckdb_and_spark(spark: Any, lake: Lake) -> None:
    with connect(lake) as connection:
        for name in view_names():
            connection.execute(f"SELECT * FROM {name}").fetchall()
    from infra.contracts import view_query

    for table in table_names():
        spark.read.format("delta").load(lake.path(table)).createOrReplaceTempView(table.replace(".", "__"))
    # Views that stand on others come after them.
    for name in sorted(view_names(), key=lambda one: "views." in view_query(one)[1]):
        query = view_query(name)[1]
        for known in (*table_names(), *view_names()):
            query = query.replace(known, known.replace(".", "__"))
        found = spark.sql(query)
        assert found.collect() == []
        found.createOrReplaceTempView(name.replace(".", "__"))


def test_a_table_that_the_caller_may_not_read_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    readable = {n: p for n, p in lake.readable().items() if not n.startswith("traffic.")}
    monkeypatch.setattr(Lake, "readable", lambda *_: readable)
    with pytest.raises(JobUnknown, match=r"traffic\.turns"):
        connect(lake, "SELECT * FROM traffic.turns")
    with connect(lake) as connection:
        names = {
            row[0]
            for row in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        }
    assert "screened" in names
    assert "turns" not in names


def test_marks_are_cleared_one_by_one(lake: Lake) -> None:
    day = date(2026, 11, 20)
    ledger.mark_stale(lake, "curation.screen", [day], "late_events", "r1")
    (first,) = ledger.open_marks(lake)
    ledger.mark_stale(lake, "curation.screen", [day], "review_decision", "r2")
    ledger.clear(lake, [first], "run-1")
    assert [mark.cause for mark in ledger.open_marks(lake)] == ["review_decision"]
    ledger.clear(lake, ledger.open_marks(lake), "run-2")
    assert ledger.open_marks(lake) == []


def test_an_append_that_is_repeated_adds_nothing(lake: Lake) -> None:
    row = {"job": "a", "ds": date(2026, 11, 20), "cause": "x", "marked_ts": ledger.now(), "run_id": "r"}
    for _ in range(2):
        ledger.append(lake, "ops.stale", [row], "r")
    assert lake.open("ops.stale").to_pyarrow_table().num_rows == 1
