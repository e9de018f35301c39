"""`flywheel experiment plan`: the smallest lift that an experiment can detect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.errors import SettingsError, UpstreamMissing
from infra.lake import Lake
from infra.lake.sql import connect
from infra.settings import Settings
from jobs.experiments.comparison import AMOUNTS
from jobs.experiments.definition import Definition, read_definition
from jobs.experiments.moments import Arm
from jobs.experiments.planning import (
    minimum_detectable_difference,
    minimum_detectable_effect,
    users_needed,
    users_needed_for_effect,
)
from jobs.experiments.planning import plan as planned

Row = dict[str, Any]
_FEWEST_USERS = 2
_LARGEST = 1e100

# Who sent something in the days before the start, as the window would count it.
_HISTORY = """
SELECT count(DISTINCT ds) AS days, count(*) AS messages FROM traffic.events
WHERE event_type = 'message' AND source = 'user' AND ds BETWEEN $first AND $last
GROUP BY user_id
"""


@dataclass(frozen=True)
class Wanted:
    """What a plan is asked for. A lift is in percent and relative to the mean, an effect is a difference of means.

    Attributes:
        users: in each arm.
    """

    users: int | None = None
    lift_pct: float | None = None
    effect: float | None = None
    power: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what nothing can be planned for, in one line."""
        for option, value in (("--lift", self.lift_pct), ("--effect", self.effect)):
            _refuse_infinite(option, value)
            if value == 0:
                raise SettingsError(
                    f"no number of users finds {'a lift' if option == '--lift' else 'an effect'} of 0", setting=option,
                    hint="Give the smallest one that would change your decision.",
                )  # fmt: skip
        if self.users is not None and self.users < _FEWEST_USERS:
            raise SettingsError(
                f"an arm of {self.users} users shows nothing", setting="--users",
                hint=f"Give at least {_FEWEST_USERS} users in each arm.",
            )  # fmt: skip


def from_definition(settings: Settings, file: Path, wanted: Wanted) -> tuple[list[Row], list[str]]:
    """The smallest detectable lift of each metric, from the traffic of as many days before the start as the window has.

    Returns:
        A row for each metric, and why the users for a lift are not given where they are not.

    Raises:
        UpstreamMissing: no user traffic landed in those days.
        SettingsError: there would be hardly a user in an arm, or an effect is wanted, which metrics do not share.
    """
    if wanted.effect is not None:
        raise SettingsError(
            "metrics have units of their own, so one effect does not fit all of them", setting="--effect",
            hint="Give --lift, or the --mean and --sd of one metric.",
        )  # fmt: skip
    definition = read_definition(file)
    baseline = history(settings, definition)
    per_arm = wanted.users or int(baseline.users * min(definition.shares.values()))
    if per_arm < _FEWEST_USERS:
        raise SettingsError(
            f"{baseline.users} users were there in the {definition.window_days} days before the start, so that the "
            f"smallest arm would have {per_arm}",
            setting="shares", hint="Raise the arm's share, or give --users.",
        )  # fmt: skip
    tests = len(definition.metrics) * len(definition.test_arms)
    rows: list[Row] = []
    reasons: list[str] = []
    for plan in planned(baseline, per_arm, tests=tests, power=wanted.power):
        row: Row = {
            "metric": plan.metric, "primary": plan.metric in definition.metrics, "mean": round(plan.mean, 6),
            "deviation": round(plan.deviation, 6), "users per arm": plan.users,
            "smallest lift %": _rounded(plan.detectable_pct),
            "smallest fall %": _rounded(plan.detectable_fall_pct),
        }  # fmt: skip
        if not plan.deviation > 0:
            reasons.append(f"{plan.metric}: it was the same for every user, so nothing can be planned.")
        else:
            reasons += _undetectable(plan.detectable_pct, "rise", f"{plan.metric}: ")
            reasons += _undetectable(plan.detectable_fall_pct, "fall", f"{plan.metric}: ")
        if wanted.lift_pct is not None:
            name = f"users for {wanted.lift_pct:g} %"
            try:
                row[name] = users_needed(
                    plan.mean, plan.deviation**2, wanted.lift_pct, power=wanted.power, alpha=0.05 / tests,
                    ceiling=None if plan.metric in AMOUNTS else 1.0,
                )  # fmt: skip
            except ValueError as reason:
                row[name] = None
                reasons.append(f"{plan.metric}: {reason}.")
        rows.append(row)
    return rows, reasons


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


def from_numbers(mean: float, deviation: float, wanted: Wanted) -> tuple[list[Row], list[str]]:
    """One metric of amounts, from its mean and standard deviation over users.

    Raises:
        SettingsError: the numbers are none of a metric, or nothing can be planned from them.
    """
    _refuse_infinite("--mean", mean)
    _refuse_infinite("--sd", deviation)
    if deviation <= 0:
        raise SettingsError(
            f"a standard deviation of {deviation:g} is none: "
            + ("where nothing varies, any two users show a difference" if not deviation else "it is above 0"),
            setting="--sd", hint="Give the deviation of the metric over users.",
        )  # fmt: skip
    if mean <= 0 and wanted.lift_pct is not None:
        raise SettingsError(
            f"a lift is relative to the mean, and relative to a mean of {mean:g} it means nothing", setting="--lift",
            hint="Give --effect, the difference of the means that you want to find.",
        )  # fmt: skip
    row: Row = {"mean": mean, "deviation": deviation}
    reasons: list[str] = []
    variance, power = deviation**2, wanted.power
    try:
        if (users := wanted.users) is not None:
            row["users per arm"] = users
            if mean > 0:
                rise, fall = (
                    minimum_detectable_effect(mean, variance, users, users, power=power, falls=falls)
                    for falls in (False, True)
                )
                row |= {"smallest lift %": _rounded(rise), "smallest fall %": _rounded(fall)}
                reasons += _undetectable(rise, "rise") + _undetectable(fall, "fall")
            else:
                reasons.append(
                    f"Relative to a mean of {mean:g} there is no lift: effects are differences of the means."
                )
                row["smallest effect"] = minimum_detectable_difference(variance, users, power=power)
        if (lift := wanted.lift_pct) is not None:
            row[f"users for {lift:g} %"] = users_needed(mean, variance, lift, power=power)
        if (effect := wanted.effect) is not None:
            row[f"users for {effect:+g}"] = users_needed_for_effect(mean, variance, effect, power=power)
    except ValueError as reason:
        raise SettingsError(str(reason), hint="Give a larger difference, or check --mean and --sd.") from None
    return [row], reasons


def _refuse_infinite(option: str, value: float | None) -> None:
    if value is not None and not abs(value) <= _LARGEST:
        raise SettingsError(
            f"{value:g} is no number to plan with",
            setting=option,
            hint="Give a number that the metric can have.",
        )


def _undetectable(change: float | None, which: str, of: str = "") -> list[str]:
    """Why a cell is empty."""
    return [f"{of}no {which} can be detected with so few users."] if change is None else []


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 3)
