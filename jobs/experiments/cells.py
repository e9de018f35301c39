"""Cells: one row for each arm, segment and day of exposure, small enough for the driver.

A cell holds counts and sums of whole numbers, which both engines add up exactly. So Spark and DuckDB run the same SQL
and give the same cells, bit for bit, in any order and partitioning. The driver takes means and squared deviations from
them. Its whole numbers have no limit, so nothing is lost when one square is subtracted from another.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, get_args

from jobs.experiments.definition import Definition, Segment
from jobs.experiments.engines import Frame, query
from jobs.experiments.moments import Moments

SEGMENTS: tuple[str, ...] = get_args(Segment)
_KEY = ("experiment_id", "ds", "arm", "excluded", "first_exposure_ds", *SEGMENTS)
Bounds = Mapping[tuple[str, date], float]
"""(experiment_id, as_of_ds) to the number of messages at which users are cut."""

_AMOUNTS = """
SELECT experiment_id, ds, amount, count(*) AS users
FROM {totals}
WHERE excluded IS NULL AND amount > 0
GROUP BY experiment_id, ds, amount
"""

# Names of sums: `x_sum` and `x_squares` of a column, `x_y_sum` of a product. All columns are whole numbers.
_SUMS = {
    "users": "count(*)",
    "engaged_users": "count(CASE WHEN amount > 0 THEN 1 END)",
    "days_engaged_sum": "sum(days_engaged)",
    "days_engaged_squares": "sum(days_engaged * days_engaged)",
    "amount_sum": "sum(amount)",
    "amount_squares": "sum(amount * amount)",
    "uncut_users": "count(CASE WHEN amount > 0 AND amount <= bound THEN 1 END)",
    "uncut_sum": "sum(CASE WHEN amount <= bound THEN amount ELSE 0 END)",
    "uncut_squares": "sum(CASE WHEN amount <= bound THEN amount * amount ELSE 0 END)",
    "days_before_sum": "sum(days_before)",
    "days_before_squares": "sum(days_before * days_before)",
    "amount_before_sum": "sum(amount_before)",
    "amount_before_squares": "sum(amount_before * amount_before)",
    "days_engaged_days_before_sum": "sum(days_engaged * days_before)",
    "engaged_days_before_sum": "sum(CASE WHEN amount > 0 THEN days_before ELSE 0 END)",
    "engaged_amount_before_sum": "sum(CASE WHEN amount > 0 THEN amount_before ELSE 0 END)",
    "amount_amount_before_sum": "sum(amount * amount_before)",
}
_PRODUCTS = (
    ("days_engaged", "days_before"),
    ("engaged", "days_before"),
    ("engaged", "amount_before"),
    ("amount", "amount_before"),
)
_CELLS = """
SELECT experiment_id, ds, arm, excluded, first_exposure_ds, {segments}{sums}
FROM (
  SELECT unit.experiment_id, unit.ds, unit.arm, unit.excluded, unit.first_exposure_ds, {segment_values}
    CAST(unit.days_engaged AS BIGINT) AS days_engaged, unit.amount, wanted.bound,
    CAST(known.pre_days_engaged AS BIGINT) AS days_before, known.pre_amount AS amount_before
  FROM {{totals}} unit
  JOIN (VALUES {wanted}) AS wanted(experiment_id, ds, bound{flags})
    ON wanted.experiment_id = unit.experiment_id AND wanted.ds = unit.ds
  JOIN (
    SELECT experiment_id, user_id, {segments}pre_days_engaged, pre_amount
    FROM {{covariates}} WHERE experiment_id IN ({experiments})
  ) known ON known.experiment_id = unit.experiment_id AND known.user_id = unit.user_id
  WHERE unit.experiment_id IN ({experiments})
) users
GROUP BY experiment_id, ds, arm, excluded, first_exposure_ds{grouped}
"""


def winsor_bounds(totals: Frame, declared: Mapping[str, Definition]) -> Bounds:
    """Where messages are cut: a quantile of all engaged users who count, before any arm is looked at.

    Args:
        totals: rows of `experiments.unit_totals`.
    """
    if not declared:
        return {}
    users_by_amount: dict[tuple[str, date], dict[int, int]] = defaultdict(dict)
    for row in query(_AMOUNTS, totals=totals):
        users_by_amount[row["experiment_id"], row["ds"]][row["amount"]] = row["users"]
    return {
        unit: _quantile(users, declared[unit[0]].winsor_quantile)
        for unit, users in users_by_amount.items()
        if unit[0] in declared
    }


def _quantile(users_by_amount: Mapping[int, int], share: float) -> float:
    """The amount below which `share` of the users are, linear between two users' amounts (type 7)."""
    place = (sum(users_by_amount.values()) - 1) * share
    low_place, high_place = math.floor(place), math.ceil(place)
    users, low = 0, None
    for amount, count in sorted(users_by_amount.items()):
        users += count
        if low is None and users > low_place:
            low = amount
        if users > high_place:
            assert low is not None
            if low == amount:
                return float(amount)
            return (high_place - place) * low + (place - low_place) * amount
    raise ValueError("a quantile of no users")


def cells(
    totals: Frame, covariates: Frame, declared: Iterable[Definition], days: Iterable[date], bounds: Bounds
) -> list[dict[str, Any]]:
    """Aggregates over the users of an experiment, day, arm, reason of exclusion, day of exposure and segments.

    Args:
        totals: rows of `experiments.unit_totals` of `days`.
        covariates: rows of `experiments.covariates` of their users.
        declared: experiments to read out; a segment column that an experiment does not declare is None in its cells.

    Returns:
        Rows with the columns that `Arm.of_row` takes beside experiment_id, ds, arm, excluded, first_exposure_ds and
        the four segment columns.
    """
    days = list(days)
    wanted = [(definition, day) for definition in declared for day in days if definition.covers(day)]
    if not wanted:
        return []
    # Only segments that an experiment declares are read and joined.
    segments = [name for name in SEGMENTS if any(name in definition.segments for definition, _ in wanted)]
    text = _CELLS.format(
        segments="".join(f"{name}, " for name in segments),
        segment_values="".join(
            f"CASE WHEN wanted.by_{name} THEN known.{name} END AS {name}, " for name in segments
        ),
        flags="".join(f", by_{name}" for name in segments),
        grouped="".join(f", {name}" for name in segments),
        sums=", ".join(f"{sql} AS {name}" for name, sql in _SUMS.items()),
        wanted=", ".join(
            _wanted_row(definition, day, bounds.get((definition.experiment_id, day)), segments)
            for definition, day in wanted
        ),
        experiments=", ".join(sorted({f"'{definition.experiment_id}'" for definition, _ in wanted})),
    )
    rows = query(text, totals=totals, covariates=covariates)
    no_segments = dict.fromkeys(SEGMENTS)
    cells_of = [no_segments | _cell(row, bounds.get((row["experiment_id"], row["ds"]))) for row in rows]
    # Means are merged one cell after the other, and the last digit depends on the order. An engine gives rows in any.
    return sorted(cells_of, key=lambda cell: [(cell[name] is not None, cell[name]) for name in _KEY])


def _wanted_row(definition: Definition, day: date, bound: float | None, segments: Sequence[str]) -> str:
    """A row of VALUES. Ids are of letters, digits, `_`, `.` and `-` by contract: no quote can stand in one."""
    # Amounts are whole: at most the bound means at most its whole part.
    whole = "NULL" if bound is None else str(math.floor(bound))
    flags = "".join(f", {str(name in definition.segments).upper()}" for name in segments)
    return f"('{definition.experiment_id}', DATE '{day}', CAST({whole} AS BIGINT){flags})"


def _cell(row: Mapping[str, Any], bound: float | None) -> dict[str, Any]:
    """The sums of a cell as means, sums of squared deviations and of products of deviations."""
    users, engaged = int(row["users"]), int(row["engaged_users"])
    cell = {name: value for name, value in row.items() if name not in _SUMS}
    cell |= {"users": users, "engaged_users": engaged}
    for name, n in (
        ("days_engaged", users), ("amount", engaged), ("days_before", users), ("amount_before", users),
    ):  # fmt: skip
        moments = _moments(n, int(row[f"{name}_sum"]), int(row[f"{name}_squares"]))
        cell |= {f"{name}_mean": moments.mean, f"{name}_m2": moments.m2}
    cell |= {"winsorised_mean": None, "winsorised_m2": None}
    if bound is not None:
        uncut_users = int(row["uncut_users"])
        uncut = _moments(uncut_users, int(row["uncut_sum"]), int(row["uncut_squares"]))
        cut = uncut + Moments(engaged - uncut_users, bound if engaged > uncut_users else 0.0)
        cell |= {"winsorised_mean": cut.mean, "winsorised_m2": cut.m2}
    sums = {"engaged": engaged} | {name: int(row[f"{name}_sum"]) for name in ("days_engaged", "amount")}
    for outcome, before in _PRODUCTS:
        together, apart = int(row[f"{outcome}_{before}_sum"]), sums[outcome] * int(row[f"{before}_sum"])
        cell[f"{outcome}_{before}_product"] = (users * together - apart) / users
    return cell


def _moments(n: int, total: int, squares: int) -> Moments:
    """From whole sums, exactly: Python's whole numbers do not round, and its division rounds once."""
    return Moments(n, total / n, (n * squares - total * total) / n) if n else Moments()


def levels(cell: Mapping[str, Any]) -> list[str]:
    """The segments that a cell belongs to, as readouts name them: all, and column=value."""
    return ["all", *(f"{name}={cell[name]}" for name in SEGMENTS if cell[name] is not None)]
