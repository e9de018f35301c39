"""A/A through every job: `--size` experiments on the same users, from landed events to `experiments.readouts`.

Users are assigned by the product's hash with a salt for each experiment, first exposed on one of three days, and send
messages before, between and after; no arm does anything. Landing, assignment, covariates, totals and readouts run as
they do every night, on a lake of their own. Each readout of the last day is compared with the same estimates made from
the simulated users in memory, and false positives are counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import race
from benchmarks.calibration import PRIMARY, Tally, band
from benchmarks.experiment_users import Column, Population
from infra.assignment import arm_of
from jobs.experiments.comparison import Comparison, compare
from jobs.experiments.moments import Arm
from jobs.experiments.statistics import sample_ratio_p_value

USERS = 500
START, DAYS, BEFORE = date(2026, 3, 5), 7, 3
EXPOSED_ON = (0.7, 0.2, 0.1)
SHARES = {"control": 0.5, "test": 0.5}
JOBS = ("experiments.assignments", "experiments.covariates", "experiments.unit_totals")
NUMBERS = (
    "estimate_test", "estimate_control", "variance_of_mean_test", "variance_of_mean_control", "lift_pct", "low_pct",
    "high_pct", "p_value",
)  # fmt: skip


@dataclass(frozen=True)
class Users:
    """Everybody, in every experiment: messages by day (before the window, then in it) and the day of first exposure."""

    names: list[str]
    messages: Column
    exposed_on: Column

    @classmethod
    def simulated(cls, rng: np.random.Generator) -> Users:
        population = Population()
        a, b = population.share * population.concentration, (1 - population.share) * population.concentration
        engaged = rng.random((USERS, BEFORE + DAYS)) < rng.beta(a, b, (USERS, 1))
        messages = engaged * (1 + rng.poisson(np.exp(rng.standard_normal(engaged.shape))))
        exposed_on = rng.choice(len(EXPOSED_ON), USERS, p=EXPOSED_ON)
        return cls([f"user-{n}" for n in range(USERS)], messages, exposed_on)

    @property
    def after(self) -> Column:
        """Whether a day counts: exposures are in the morning, messages at noon."""
        counts: Column = np.arange(BEFORE + DAYS) >= BEFORE + self.exposed_on[:, None]
        return counts

    def arm(self, chosen: Column, bound: float) -> Arm:
        """The chosen users' moments, made in memory."""
        messages, after = self.messages[chosen], self.after[chosen]
        during, earlier = messages * after, messages * ~after
        return Arm.of_users(
            (during > 0).sum(axis=1), during.sum(axis=1), DAYS, bound, (earlier > 0).sum(axis=1), earlier.sum(axis=1)
        )  # fmt: skip


def main() -> bool:
    """Run the jobs, compare every readout, count false positives; print a table and the closing line."""
    options = race.arguments(__doc__, 300)
    names = [f"aa-{n:04d}" for n in range(options.size)]
    users = Users.simulated(np.random.default_rng(options.seed))
    with tempfile.TemporaryDirectory(prefix="flywheel-aa-") as home:
        Path(home, "flywheel.toml").write_text("", encoding="utf-8")
        os.environ["FLYWHEEL_HOME"] = home
        rows = _readouts(Path(home), users, names)
    tallies: dict[tuple[str, str], Tally] = {}
    furthest, blocked, alarms = 0.0, 0, 0
    for name in names:
        is_test = np.array([arm_of(user, name, SHARES) == "test" for user in users.names])
        bound = max(row["winsor_bound"] or 0.0 for row in rows[name])
        expected = compare(users.arm(is_test, bound), users.arm(~is_test, bound), fraction=1.0)
        furthest = max(furthest, _furthest(rows[name], expected))
        blocked += any(row["verdict"] == "blocked" for row in rows[name])
        alarms += sample_ratio_p_value([int(is_test.sum()), int((~is_test).sum())], (1, 1)) < 0.001
        for row in expected:
            if row.p_value is not None and row.method != "always_valid":
                tallies.setdefault((row.metric, row.method), Tally()).add(row)
    lines = [
        [*key, f"{tally.found_pct:.2f}", "{:.2f} / {:.2f}".format(*tally.tails_pct), f"{tally.uniform_p:.3f}"]
        for key, tally in tallies.items()
    ]
    head = [
        f"A/A through the jobs, {len(names):,} experiments",
        "method",
        "false positives %",
        "above / below %",
    ]
    print(race.table([*head, "uniform p"], lines))
    print(f"Furthest from the estimates in memory: {furthest:.1e} (relative). Blocked: {blocked}.\n")
    # Three tests at 0.001 can block: of all users, of days of exposure, of who was assigned.
    most = int(stats.binom.isf(2e-5, len(names), 0.003))
    near = all(abs(tallies[key].found_pct - 5) <= band(5, len(names)) for key in PRIMARY)
    return race.close(
        "calibration_jobs",
        {
            "experiments": len(names), "users": USERS, "furthest": furthest, "blocked": blocked,
            **{"_".join(key): round(tally.found_pct, 2) for key, tally in tallies.items()},
        },
        {"furthest": 1e-9, "false_positives_pct": 5, "band": round(band(5, len(names)), 2)},
        {"answers": furthest <= 1e-9, "false_positives": near, "blocked": alarms <= blocked <= most},
    )  # fmt: skip


def _readouts(home: Path, users: Users, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Land the users' events, run every job, and read the last day's readouts by experiment."""
    from infra.lake import Lake, ledger
    from infra.lake.migrate import migrate
    from infra.settings import load_settings
    from jobs.experiments.definition import Definition, declare
    from jobs.runner import run_job

    settings = load_settings(home=home)
    lake = Lake.of(settings)
    migrate(settings)
    days = [START + timedelta(days=n) for n in range(-BEFORE, DAYS)]
    for name in names:
        definition = Definition(
            experiment_id=name, title="A/A", owner="calibration", salt=name, eligibility="everybody", shares=SHARES,
            start_ds=START, end_ds=days[-1],
        )  # fmt: skip
        declare(settings, definition, today=days[0])
    for place, day in enumerate(days):
        _land(Path(lake.landing), users, names, place, day)
    run_job(settings, "traffic.land", days)
    for job in JOBS:
        run_job(settings, job, days[BEFORE:])
    run_job(settings, "experiments.readouts", days[-1:])
    columns = ("experiment_id", "metric", "method", "verdict", "winsor_bound", *NUMBERS)
    readouts = ledger.query(
        lake,
        f"SELECT {', '.join(columns)} FROM experiments_readouts WHERE segment = 'all'",
        (),
        ["experiments.readouts"],
    )
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in readouts:
        rows[row[0]].append(dict(zip(columns, row, strict=True)))
    return rows


def _land(landing: Path, users: Users, names: list[str], place: int, day: date) -> None:
    """One landing file: this day's exposures in the morning, messages from noon on."""
    from jobs.landing.zone import day_folder

    folder = landing / day_folder(day)
    folder.mkdir(parents=True, exist_ok=True)
    morning = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    with (folder / "aa.jsonl").open("w", encoding="utf-8") as file:
        for user, messages, exposed_on in zip(
            users.names, users.messages[:, place], users.exposed_on, strict=True
        ):
            common = {"source": "user", "surface": "web", "user_id": user, "locale": "en-GB"}
            exposed = names if place == BEFORE + exposed_on else []
            events = [
                {"event_type": "exposure", "payload": {"experiment_id": name, "arm": arm_of(user, name, SHARES)}}
                for name in exposed
            ]  # fmt: skip
            events += [
                {"event_type": "message", "conversation_id": f"c-{user}", "payload": {"text": "hello"}}
            ] * int(messages)
            for number, event in enumerate(events):
                late = 6 * 3600 if event["event_type"] == "message" else 0
                moment = (morning + timedelta(seconds=late + number)).isoformat()
                stamped = {"event_id": f"{user}-{place}-{number}", "event_ts": moment, "received_ts": moment}
                file.write(json.dumps(common | event | stamped) + "\n")


def _furthest(rows: list[dict[str, Any]], expected: list[Comparison]) -> float:
    """Largest relative difference between the table's numbers and those made in memory."""
    by_key = {(row["metric"], row["method"]): row for row in rows}
    furthest = 0.0 if len(by_key) == len(expected) else float("inf")
    for reference in expected:
        row = by_key[reference.metric, reference.method]
        for name in NUMBERS:
            actual, target = row[name], getattr(reference, name)
            if (actual is None) != (target is None):
                return float("inf")
            if actual is not None:
                furthest = max(furthest, abs(actual - target) / max(abs(target), 1e-3))
    return furthest


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
