"""Cells are the moments of their users; both engines give the same ones to the last bit."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.experiments.cells import SEGMENTS, cells, levels, winsor_bounds
from jobs.experiments.moments import Arm, merged
from tests.jobs.experiments.conftest import START, declared

DAY = START + timedelta(days=1)
ARMS = ("control", "test")
REASONS = (None, None, None, "bot", "internal")
Users = dict[str, np.ndarray[Any, Any]]


def users(count: int, seed: int) -> Users:
    """One entry a user: some are excluded, many send nothing, a few send very much."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 3, count)
    return {
        "arm": rng.integers(0, 2, count), "reason": rng.integers(0, len(REASONS), count),
        "first": rng.integers(0, 2, count), "days_engaged": days,
        "amount": np.where(days > 0, np.ceil(rng.pareto(1.0, count) * 5).astype(np.int64) + days, 0),
        "days_before": rng.integers(0, 8, count), "amount_before": rng.integers(0, 10**6, count),
        "language": rng.integers(0, 3, count),
    }  # fmt: skip


def tables(drawn: Users, experiment: str = "x") -> tuple[pa.Table, pa.Table]:
    """Those users as rows of `experiments.unit_totals` and `experiments.covariates`."""
    count = len(drawn["arm"])
    names = pa.array([f"u{n}" for n in range(count)])
    experiments = pa.array([experiment] * count)
    firsts = pa.array([START + timedelta(days=int(n)) for n in drawn["first"]])
    totals = pa.table(
        {
            "experiment_id": experiments, "user_id": names, "arm": pa.array([ARMS[n] for n in drawn["arm"]]),
            "first_exposure_ds": firsts, "excluded": pa.array([REASONS[n] for n in drawn["reason"]], pa.string()),
            "days_engaged": pa.array(drawn["days_engaged"], pa.int32()), "amount": pa.array(drawn["amount"]),
            "ds": pa.array([DAY] * count),
        }
    )  # fmt: skip
    covariates = pa.table(
        {
            "experiment_id": experiments, "user_id": names,
            "pre_days_engaged": pa.array(drawn["days_before"], pa.int32()),
            "pre_amount": pa.array(drawn["amount_before"]),
            "language": pa.array([f"l{n}" for n in drawn["language"]]), "ds": firsts,
        }
    )  # fmt: skip
    return totals, covariates


def test_cells_are_the_moments_of_their_users() -> None:
    drawn, one = users(3_000, 7), declared(winsor_quantile=0.9)
    totals, covariates = tables(drawn)
    bounds = winsor_bounds(totals, {"x": one})
    counted = drawn["reason"] < 3
    engaged = counted & (drawn["amount"] > 0)
    bound = bounds["x", DAY]
    assert bound == pytest.approx(np.quantile(drawn["amount"][engaged], 0.9), rel=1e-14)
    rows = cells(totals, covariates, [one], [DAY], bounds)
    assert sum(row["users"] for row in rows) == 3_000
    for arm, language in ((0, 1), (1, 2)):
        chosen = counted & (drawn["arm"] == arm) & (drawn["language"] == language)
        expected = Arm.of_users(*(drawn[name][chosen] for name in ("days_engaged", "amount")), 2, bound,
                                *(drawn[name][chosen] for name in ("days_before", "amount_before")))  # fmt: skip
        found = merged(
            Arm.of_row(row, 2)
            for row in rows
            if row["excluded"] is None and row["arm"] == ARMS[arm] and f"language=l{language}" in levels(row)
        )
        assert numbers(found) == pytest.approx(numbers(expected), rel=1e-12)


def numbers(arm: Arm) -> list[float]:
    """All moments of an arm."""
    assert arm.before is not None
    assert arm.winsorised_depth is not None
    pairs = (arm.before.breadth, arm.before.engaged, arm.before.engaged_amount, arm.before.amount)
    moments = [arm.breadth, arm.depth, arm.winsorised_depth, *(pair.covariate for pair in pairs)]
    return [*(x for m in moments for x in (m.n, m.mean, m.m2)), *(pair.product for pair in pairs)]


def test_both_engines_give_the_same_cells_to_the_last_bit(spark: SparkSession) -> None:
    parts = [tables(users(500, 1)), tables(users(400, 2), "y")]
    totals, covariates = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    # One declares segments and the other none; z has no users.
    definitions = {
        "x": declared(), "y": declared(experiment_id="y", salt="y", segments=(), winsor_quantile=1.0),
        "z": declared(experiment_id="z", salt="z"),
    }  # fmt: skip
    days = [START, DAY, DAY + timedelta(days=9)]
    on_driver = winsor_bounds(totals, definitions)
    frames = [spark.createDataFrame(table).repartition(3) for table in (totals, covariates)]
    assert winsor_bounds(frames[0], definitions) == on_driver
    ours = cells(totals, covariates, definitions.values(), days, on_driver)
    theirs = cells(*frames, definitions.values(), days, on_driver)
    assert ordered(ours) == ordered(theirs)
    assert {row["experiment_id"]: row["language"] is None for row in ours} == {"x": False, "y": True}


def ordered(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Rows in the order of what they are of."""
    keys = ("experiment_id", "arm", "excluded", "first_exposure_ds", *SEGMENTS)
    return [sorted(row.items()) for row in sorted(rows, key=lambda row: str([row[key] for key in keys]))]


def test_nothing_to_read_out_is_no_cell() -> None:
    totals, covariates = tables(users(9, 3))
    assert winsor_bounds(totals, {}) == {}
    assert cells(totals, covariates, [], [DAY], {}) == []
    assert cells(totals, covariates, [declared()], [date(2020, 1, 1)], {}) == []


def test_where_nobody_was_engaged_there_is_no_bound() -> None:
    drawn = users(50, 4)
    drawn["amount"] = drawn["days_engaged"] = np.zeros(50, np.int64)
    totals, covariates = tables(drawn)
    assert winsor_bounds(totals, {"x": declared()}) == {}
    for row in cells(totals, covariates, [declared()], [DAY], {}):
        assert row["winsorised_mean"] is None
        assert Arm.of_row(row, 2).winsorised_depth is None


def test_a_cell_without_an_engaged_user_does_not_take_the_bound_of_the_others_away() -> None:
    drawn = users(50, 5)
    drawn["amount"][drawn["arm"] == 0] = drawn["days_engaged"][drawn["arm"] == 0] = 0
    totals, covariates = tables(drawn)
    bounds = winsor_bounds(totals, {"x": declared()})
    rows = cells(totals, covariates, [declared()], [DAY], bounds)
    assert all(Arm.of_row(row, 2).winsorised_depth is not None for row in rows)
