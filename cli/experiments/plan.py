"""`flywheel experiment plan`: the smallest lift that an experiment can detect."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.errors import UpstreamMissing
from infra.lake import Lake
from infra.lake.sql import connect
from infra.settings import Settings
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
    """The smallest detectable lift of each metric, from the traffic of as many days before the start as the window has.

    Raises:
        UpstreamMissing: no user traffic landed in those days.
    """
    definition = read_definition(file)
    baseline = history(settings, definition)
    per_arm = users or int(baseline.users * min(definition.shares.values()))
    tests = len(definition.metrics) * len(definition.test_arms)
    rows: list[Row] = []
    for plan in planned(baseline, per_arm, tests=tests, power=power):
        row: Row = {
            "metric": plan.metric, "primary": plan.metric in definition.metrics, "mean": round(plan.mean, 6),
            "deviation": round(plan.deviation, 6), "users per arm": plan.users,
            "smallest lift %": None if plan.detectable_pct is None else round(plan.detectable_pct, 3),
        }  # fmt: skip
        if lift_pct is not None:
            ceiling = None if plan.metric in AMOUNTS else 1.0
            row[f"users for {lift_pct:g} %"] = _needed(
                plan.mean, plan.deviation**2, lift_pct, power, 0.05 / tests, ceiling
            )
        rows.append(row)
    return rows


def history(settings: Settings, definition: Definition) -> Arm:
    """Users of production traffic in as many days before the start as the window has."""
    last = definition.start_ds - timedelta(days=1)
    first = definition.start_ds - timedelta(days=definition.window_days)
    with connect(Lake.of(settings), _HISTORY) as database:
        rows = database.execute(_HISTORY, {"first": first, "last": last}).fetchnumpy()
    if not len(rows["days"]):
        raise UpstreamMissing(
            f"no user sent a message in the {definition.window_days} days before {definition.experiment_id} starts",
            table="traffic.events", day=f"{first}..{last}",
            hint="Land those days, or give --mean, --sd and --users.",
        )  # fmt: skip
    return Arm.of_users(rows["days"], rows["messages"], definition.window_days)


def from_numbers(
    mean: float, deviation: float, users: int | None, lift_pct: float | None, power: float
) -> list[Row]:
    """One metric of amounts, from its mean and standard deviation over users."""
    row: Row = {"mean": mean, "deviation": deviation}
    if users is not None:
        detectable = minimum_detectable_effect(mean, deviation**2, users, users, power=power)
        row |= {
            "users per arm": users,
            "smallest lift %": None if detectable is None else round(detectable, 3),
        }
    if lift_pct is not None:
        row[f"users for {lift_pct:g} %"] = _needed(mean, deviation**2, lift_pct, power, 0.05, None)
    return [row]


def _needed(
    mean: float, variance: float, lift_pct: float, power: float, alpha: float, ceiling: float | None
) -> int | None:
    """Users per arm; None when the lift is above the ceiling or nothing varies."""
    try:
        return users_needed(mean, variance, lift_pct, power=power, alpha=alpha, ceiling=ceiling)
    except ValueError:
        return None
