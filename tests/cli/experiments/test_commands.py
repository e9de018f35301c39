"""Experiments at the command line: every error says where and what to do; no JVM."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import console
from cli.experiments.readout import interval
from cli.main import app
from infra.errors import FlywheelError
from infra.lake import Lake, ledger
from infra.sandbox import SandboxSettings
from infra.sandbox.experiments import declaration
from infra.settings import load_settings
from jobs.declaration import Job
from jobs.experiments import READOUTS
from jobs.traffic import LAND
from tests.conftest import put

runner = CliRunner()
FIRST, LAST = date(2026, 11, 18), date(2026, 11, 24)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    monkeypatch.setattr(console.out, "width", 250)
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    (tmp_path / "one.toml").write_text(declaration(SandboxSettings()))
    return tmp_path


def run(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


def lake() -> Lake:
    return Lake.of(load_settings())


def readout_row(**values: Any) -> dict[str, Any]:
    known = {
        "experiment_id": "exp-001", "as_of_ds": LAST, "ds": LAST, "k": 7, "arm": "test", "control_arm": "control",
        "metric": "breadth", "segment": "all", "method": "plain", "estimate_test": 0.33, "estimate_control": 0.3,
        "lift_pct": 10.0, "low_pct": 4.0, "high_pct": 16.4, "interval_kind": "bounded", "p_value": 0.001,
        "p_adjusted": 0.002, "status": "ok", "verdict": "positive", "schema_version": 1,
        "input_versions": '{"experiments.unit_totals":4}',
    }  # fmt: skip
    return known | values


def test_declare_list_and_check(home: Path) -> None:
    assert "No experiment" in run("experiment", "list").output
    assert "declared" in run("experiment", "declare", str(home / "one.toml")).output
    assert "nothing changed" in run("experiment", "declare", str(home / "one.toml")).output
    put(lake(), "experiments.assignments", [{"experiment_id": "stray", "user_id": "u", "ds": FIRST}])
    rows = json.loads(run("experiment", "list", "--format", "json").stdout)
    assert [(row["experiment_id"], row["exposed"]) for row in rows] == [("exp-001", 0), ("stray", 1)]
    assert rows[1]["state"].startswith("not declared")
    checked = run("experiment", "check", "exp-001")
    assert checked.exit_code == 1
    exposed = {"experiment_id": "exp-001", "ds": FIRST}
    put(
        lake(), "experiments.assignments",
        [exposed | {"user_id": f"u{n}", "in_several_arms": n < 2} for n in range(20)]
        + [exposed | {"user_id": "early", "ds": FIRST - timedelta(days=1)}],
    )  # fmt: skip
    alarm = {
        "experiment_id": "exp-001", "as_of_ds": LAST, "segment": "all", "basis": "exposed", "sample_ratio_alarm": True,
        "users": {"control": 10, "test": 80, "variant": 1}, "input_versions": "{}", "ds": LAST,
    }  # fmt: skip
    put(lake(), "experiments.populations", [alarm])
    have_run(LAND, FIRST, LAST)
    checked = run("experiment", "check", "exp-001")
    for told in (
        "users in several arms: 2",
        "not counted. Start the window",
        "exposed all",
        "variant",
        "flywheel plan",
    ):
        assert told in checked.output
    assert checked.exit_code == 1


def have_run(job: Job, *days: date) -> None:
    done = {"job": job.name, "table_name": job.closing_table, "state": "succeeded", "scope": None}
    put(lake(), "ops.runs", [done | {"run_id": f"{job.name} {day}", "ds": day} for day in days])


@pytest.mark.parametrize(
    ("landed", "read_out", "today", "told"),
    [
        # It runs, and its traffic ends on day 3: four days are still to come.
        (3, 3, 3, "ok    days with a readout: 3 of 3 landed days; 4 of the window's 7 days are still to come"),
        # Its window is over by the calendar, but no traffic came after day 3: a demo, or a landing that stands still.
        (3, 3, 30, "ok    days with a readout: 3 of 3 landed days; 4 of the window's 7 days have not landed"),
        (7, 7, 30, "ok    days with a readout: 7 of 7 landed days\n"),
        (0, 0, 30, "ok    days with a readout: 0 of 0 landed days; 7 of the window's 7 days have not landed"),
        (7, 3, 30, "ALARM days with a readout: 3 of 7 landed days\n        Missing: 2026-11-21..2026-11-24."),
        # The present day may have landed in part: nobody expects its readout.
        (4, 3, 3, "ok    days with a readout: 3 of 3 landed days; 4 of the window's 7 days are still to come"),
    ],
)  # fmt: skip
def test_only_days_that_landed_and_are_over_can_miss_a_readout(
    home: Path, monkeypatch: pytest.MonkeyPatch, landed: int, read_out: int, today: int, told: str
) -> None:
    run("experiment", "declare", str(home / "one.toml"))
    put(lake(), "experiments.assignments", [{"experiment_id": "exp-001", "user_id": "u", "ds": FIRST}])
    have_run(LAND, *(FIRST + timedelta(days=n) for n in range(landed)))
    have_run(READOUTS, *(FIRST + timedelta(days=n) for n in range(read_out)))
    monkeypatch.setattr(ledger, "now", lambda: datetime.combine(FIRST, time(12), UTC) + timedelta(days=today))
    assert told in run("experiment", "check", "exp-001").output


def test_a_readout_says_what_was_read_and_what_may_be_said(home: Path) -> None:
    run("experiment", "declare", str(home / "one.toml"))
    with pytest.raises(
        FlywheelError, match=r"has no readout.*flywheel run experiments.readouts --days 2026-11-18"
    ):
        runner.invoke(app, ["readout", "exp-001"], catch_exceptions=False)
    complement = {"interval_kind": "complement", "low_pct": None, "high_pct": None, "gap_low_pct": -40.0}
    put(
        lake(), "experiments.readouts",
        [
            readout_row(),
            readout_row(metric="depth", gap_high_pct=90.0, verdict="inconclusive", **complement),
            readout_row(as_of_ds=FIRST, ds=FIRST, k=1, verdict="not_final"),
        ],
    )  # fmt: skip
    told = run("readout", "exp-001").output
    assert "day 7 of 7" in told
    assert "test is better than control: breadth +10.0 % (+4.0 to +16.4)." in told
    assert "experiments.unit_totals v4" in told
    assert "+4.00 to +16.40" in told
    assert "up to -40.00, or from +90.00" in told
    rows = json.loads(run("readout", "exp-001", "--day", str(FIRST), "--format", "json").stdout)
    assert [(row["k"], row["verdict"]) for row in rows] == [(1, "not_final")]
    assert (
        run("readout", "exp-001", "--format", "csv")
        .output.splitlines()[0]
        .startswith("experiment_id,as_of_ds,k")
    )
    for arguments, message in (
        (
            ["readout", "exp-001", "--day", "2026-11-20"],
            "2026-11-20.*Days with a readout: 2026-11-18, 2026-11-24",
        ),
        (["readout", "other"], "no experiment 'other' is declared.*Available: exp-001"),
        (
            ["readout", "exp-001", "--method", "bayes"],
            r"no method 'bayes' \[setting --method\]. Available: \*, plain",
        ),
        (["readout", "exp-001", "--method", "plian"], "Did you mean plain"),
        (["readout", "exp-001", "--segment", "nosuch=1"], r"no segment 'nosuch=1'.*Available: \*, all"),
        (["readout", "exp-001", "--segment", "All", "--format", "csv"], "Did you mean all"),
        (["experiment", "check", "other"], "table experiments.definitions"),
    ):
        with pytest.raises(FlywheelError, match=message):
            runner.invoke(app, arguments, catch_exceptions=False)


@pytest.mark.parametrize("several", ["drop", "first_arm"])
def test_a_readout_says_on_whom_a_sample_ratio_stands_and_who_is_in_no_declared_arm(
    home: Path, several: str
) -> None:
    text = (home / "one.toml").read_text()
    (home / "one.toml").write_text(f'several_arms = "{several}"\n{text}')
    run("experiment", "declare", str(home / "one.toml"))
    put(lake(), "experiments.readouts", [readout_row()])
    put(
        lake(), "experiments.populations",
        [
            {"experiment_id": "exp-001", "as_of_ds": LAST, "segment": "all", "basis": basis, "ds": LAST,
             "users": {"control": 1000, "test": 1000, "variant": 7}, "sample_ratio_p": 1.0,
             "sample_ratio_alarm": True, "input_versions": "{}"}
            for basis in ("assigned", "exposed")
        ],
    )  # fmt: skip
    told = run("readout", "exp-001").output
    assert "assigned (everybody logged, in the first arm seen): control 1,000" in told
    who = {
        "drop": "without users of several arms",
        "first_arm": "users of several arms in the first one seen",
    }
    assert f"exposed ({who[several]}): control 1,000, test 1,000, variant 7; sample ratio p = 1" in told
    assert "users in arms that the definition does not declare: variant 7  ALARM" in told
    run("readout", "exp-001", "--html", str(home / "page.html"))
    page = (home / "page.html").read_text()
    assert who[several] in page
    assert "users in arms that are not declared: variant 7" in page


def test_every_kind_of_set_is_told_as_it_is() -> None:
    ends = {"low_pct": None, "high_pct": None, "gap_low_pct": None, "gap_high_pct": None}
    assert interval(ends | {"interval_kind": "half_line", "low_pct": 3.0}) == "from +3.00"
    assert interval(ends | {"interval_kind": "half_line", "high_pct": 3.0}) == "up to +3.00"
    assert interval(ends | {"interval_kind": "whole_line"}) == "any"
    assert interval(ends | {"interval_kind": "undefined"}) == ""


def test_a_plan_from_history_and_from_numbers(home: Path) -> None:
    (row,) = json.loads(
        run(
            "experiment",
            "plan",
            "--mean",
            "10",
            "--sd",
            "20",
            "--users",
            "20000",
            "--lift",
            "5",
            "--format",
            "json",
        ).output
    )
    # 2.8 standard errors of the difference: 20 sqrt(2 / 20,000) / 10.
    assert row["smallest lift %"] == pytest.approx(5.6, rel=0.04)
    assert row["users for 5 %"] == pytest.approx(2 * 4 * 2.8016**2 / 0.05**2, rel=0.06)
    assert run("experiment", "plan", "--mean", "10").exit_code == 2
    assert run("experiment", "plan", "--mean", "10", "--sd", "20").exit_code == 2
    with pytest.raises(FlywheelError, match=r"traffic.events, day 2026-11-11\.\.2026-11-17"):
        runner.invoke(app, ["experiment", "plan", str(home / "one.toml")], catch_exceptions=False)
    day = FIRST - timedelta(days=3)
    sent = {
        "event_type": "message",
        "source": "user",
        "ds": day,
        "event_ts": ledger.now(),
        "received_ts": ledger.now(),
    }
    put(lake(), "traffic.events", [sent | {"user_id": f"u{n % 40}", "event_id": f"e{n}"} for n in range(150)])
    rows = json.loads(
        run("experiment", "plan", str(home / "one.toml"), "--users", "5000", "--format", "json").stdout
    )
    found = {row["metric"]: row for row in rows}
    assert found["mean_exposed"]["mean"] == 150 / 40
    assert found["breadth"]["mean"] == pytest.approx(1 / 7, abs=1e-6)
    assert found["depth"]["smallest lift %"] > 0
    assert [row["primary"] for row in rows] == [True, True, False, False]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ("--mean 0 --sd 1 --lift 5", "a mean of 0 it means nothing"),
        ("--mean -4 --sd 1 --lift 5", "a mean of -4 it means nothing"),
        ("--mean 12 --sd 0 --users 100", "nothing varies"),
        ("--mean 12 --sd -20 --users 100", "deviation of -20 is none"),
        ("--mean nan --sd 20 --users 100", "nan is no number"),
        ("--mean 12 --sd inf --lift 5", "inf is no number"),
        ("--mean 12 --sd 1e300 --lift 5", "no number to plan with"),
        ("--mean 12 --sd 20 --lift nan", "nan is no number"),
        ("--mean 12 --sd 20 --lift 0", "no number of users finds a lift of 0"),
        ("--mean 12 --sd 20 --effect 0", "no number of users finds an effect of 0"),
        ("--mean 12 --sd 20 --lift -150", "a fall of 150 % is more than there is"),
        ("--mean 12 --sd 20 --effect -13", "a fall of 108.333 % is more"),
        ("--mean 12 --sd 20 --effect 1e-90", "no number of users is enough"),
        ("--mean 12 --sd 20 --users 0", "an arm of 0 users"),
        ("--mean 12 --sd 20 --users -5", "an arm of -5 users"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_one_line(numbers: str, told: str) -> None:
    result = run("experiment", "plan", *numbers.split())
    assert isinstance(result.exception, FlywheelError)
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""


def planned(*arguments: str) -> tuple[dict[str, Any], str]:
    result = run("experiment", "plan", *arguments, "--format", "json")
    assert result.exit_code == 0
    return json.loads(result.stdout)[0], result.stderr


def test_falls_and_effects_are_planned() -> None:
    row, told = planned("--mean", "12", "--sd", "20", "--lift", "-5", "--users", "16592")
    assert row["users for -5 %"] == 16_592
    assert row["smallest fall %"] == -5
    assert told == ""
    row, told = planned("--mean", "0", "--sd", "1", "--effect", "-0.1", "--users", "1570")
    assert row["users for -0.1"] == 1_570
    assert row["smallest effect"] == pytest.approx(0.1, rel=1e-3)
    assert "no lift" in told
    row, told = planned("--mean", "12", "--sd", "20", "--users", "5")
    assert row["smallest fall %"] is None
    assert "no fall can be detected" in told


def test_a_plan_from_a_definition_refuses_arms_of_nobody_and_says_what_is_out_of_reach(home: Path) -> None:
    sent = {
        "event_type": "message", "source": "user", "ds": FIRST - timedelta(days=3), "event_ts": ledger.now(),
        "received_ts": ledger.now(),
    }  # fmt: skip
    put(lake(), "traffic.events", [sent | {"user_id": f"u{n % 3}", "event_id": f"e{n}"} for n in range(9)])
    file = str(home / "one.toml")
    refused = run("experiment", "plan", file)
    assert "the smallest arm would have 0" in str(refused.exception)
    assert "--effect" in str(run("experiment", "plan", file, "--effect", "1").exception)
    result = run("experiment", "plan", file, "--users", "5000", "--lift", "900", "--format", "json")
    needed = {row["metric"]: row["users for 900 %"] for row in json.loads(result.stdout)}
    assert needed["breadth"] is None
    assert "breadth: a rise of 900 % is more than there is room for: the most is 600 %." in result.stderr
