"""What an experiment could find, before it starts: from the lake's history, or from numbers that are given."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.errors import UpstreamMissing
from infra.lake import Lake
from infra.settings import Settings
from infra.sql import connect
from jobs.experiments.comparison import AMOUNTS
from jobs.experiments.definition import Definition, read_definition
from jobs.experiments.moments import Arm
from jobs.experiments.planning import minimum_detectable_effect, users_needed
from jobs.experiments.planning import plan as planned

Row = dict[str, Any]

# Who sent something in the days before the start, as the window would count it.
_HISTORY = """
SELECT count(DISTINCT ds) AS days, count(*) AS messages FROM traffic.events
WHERE event_type = 'message' AND source = 'user' AND ds BETWEEN $first AND $last
GROUP BY user_id
"""


def from_definition(
    settings: Settings, file: Path, users: int | None, lift_pct: float | None, power: float
) -> list[Row]:
    """The smallest lift of each metric, from the window's length of days before the start (or the last there are).

    Raises:
        UpstreamMissing: no user traffic landed in those days.
    """
    one = read_definition(file)
    baseline = history(settings, one)
    per_arm = users or int(baseline.users * min(one.shares.values()))
    tests = len(one.metrics) * len(one.test_arms)
    rows: list[Row] = []
    for found in planned(baseline, per_arm, tests=tests, power=power):
        row: Row = {
            "metric": found.metric, "primary": found.metric in one.metrics, "mean": round(found.mean, 6),
            "deviation": round(found.deviation, 6), "users per arm": found.users,
            "smallest lift %": None if found.detectable_pct is None else round(found.detectable_pct, 3),
        }  # fmt: skip
        if lift_pct is not None:
            ceiling = None if found.metric in AMOUNTS else 1.0
            row[f"users for {lift_pct:g} %"] = _needed(
                found.mean, found.deviation**2, lift_pct, power, 0.05 / tests, ceiling
            )
        rows.append(row)
    return rows


def history(settings: Settings, one: Definition) -> Arm:
    """Users of production traffic in as many days before the start as the window has."""
    last = one.start_ds - timedelta(days=1)
    first = one.start_ds - timedelta(days=one.window_days)
    with connect(Lake.of(settings), _HISTORY) as database:
        rows = database.execute(_HISTORY, {"first": first, "last": last}).fetchnumpy()
    if not len(rows["days"]):
        raise UpstreamMissing(
            f"no message of a user in the {one.window_days} days before the start of {one.experiment_id}",
            table="traffic.events", day=f"{first}..{last}",
            hint="Land those days, or give --mean, --sd and --users.",
        )  # fmt: skip
    return Arm.of_users(rows["days"], rows["messages"], one.window_days)


def from_numbers(
    mean: float, deviation: float, users: int | None, lift_pct: float | None, power: float
) -> list[Row]:
    """One metric of amounts, of which mean and deviation over users are given."""
    row: Row = {"mean": mean, "deviation": deviation}
    if users is not None:
        found = minimum_detectable_effect(mean, deviation**2, users, users, power=power)
        row |= {"users per arm": users, "smallest lift %": None if found is None else round(found, 3)}
    if lift_pct is not None:
        row[f"users for {lift_pct:g} %"] = _needed(mean, deviation**2, lift_pct, power, 0.05, None)
    return [row]


def _needed(
    mean: float, variance: float, lift_pct: float, power: float, alpha: float, ceiling: float | None
) -> int | None:
    """None where the lift is beyond the ceiling, or nothing varies."""
    try:
        return users_needed(mean, variance, lift_pct, power=power, alpha=alpha, ceiling=ceiling)
    except ValueError:
        return None
