"""Totals of users are the sums of their days, on either engine, however the days are cut into stretches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from pyspark.sql import SparkSession

from infra.contracts import contract
from infra.write.frames import arrow_table
from jobs.experiments.populations import EXCLUSIONS
from jobs.experiments.unit_totals import unit_totals

FIRST = date(2026, 3, 2)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
Rows = list[dict[str, Any]]


def user_days(seed: int) -> Rows:
    """Days of forty users of two experiments from their first exposure; some are excluded from a day on."""
    draw, rows = random.Random(seed), []
    for user in range(40):
        first, excluded = draw.randrange(len(DAYS)), None
        for day in DAYS[first:]:
            amount = draw.choice((0, 0, 1, 3, 2**40))
            excluded = excluded or draw.choice((*EXCLUSIONS, *[None] * 20))
            rows.append(
                {
                    "experiment_id": f"x{user % 2}", "metric": "messages", "user_id": f"u{user}", "arm": "test",
                    "first_exposure_ds": DAYS[first], "excluded": excluded, "engaged": amount > 0,
                    "amount": amount, "ds": day,
                }
            )  # fmt: skip
    draw.shuffle(rows)
    return rows


def added_up(rows: Rows) -> set[tuple[Any, ...]]:
    """What the totals are, in plain Python."""
    totals = set()
    for row in rows:
        so_far = [r for r in rows if r["user_id"] == row["user_id"] and r["ds"] <= row["ds"]]
        reasons = [r["excluded"] for r in sorted(so_far, key=lambda r: r["ds"]) if r["excluded"]]
        totals.add(
            (row["user_id"], row["ds"], row["ds"], row["first_exposure_ds"], next(iter(reasons), None),
             sum(r["engaged"] for r in so_far), sum(r["amount"] for r in so_far))
        )  # fmt: skip
    return totals


def totals_of(
    rows: Rows, stretches: Sequence[Sequence[date]], spark: SparkSession | None, folder: Path
) -> Rows:
    """Each run of stretches added to the totals before it; `spark` None: on DuckDB."""
    before: Rows = []
    for stretch in stretches:
        days, totals = contract("experiments.unit_days"), contract("experiments.unit_totals")
        today = arrow_table(days, [row for row in rows if row["ds"] in stretch])
        earlier = arrow_table(totals, [row for row in before if row["ds"] == stretch[0] - timedelta(days=1)])
        if spark is None:
            result = unit_totals(pads.dataset(today), pads.dataset(earlier), [stretch], len(DAYS), folder)
            assert isinstance(result, pads.Dataset)
            table = result.to_table()
        else:
            frames = [
                spark.createDataFrame(frame, source.spark_schema(source.job_columns))
                for frame, source in ((today, days), (earlier, totals))
            ]
            made = unit_totals(*frames, [stretch], len(DAYS), folder)
            assert not isinstance(made, pads.Dataset)
            table = made.toArrow()
        assert set(table.column_names) == set(totals.job_columns)
        assert table.schema.field("days_engaged").type == pa.int32()
        assert table.schema.field("amount").type == pa.int64()
        before += table.to_pylist()
    return before


def as_rows(totals: Rows) -> set[tuple[Any, ...]]:
    names = ("user_id", "ds", "as_of_ds", "first_exposure_ds", "excluded", "days_engaged", "amount")
    assert len({(row["user_id"], row["ds"]) for row in totals}) == len(totals)
    return {tuple(row[name] for name in names) for row in totals}


@pytest.mark.parametrize("cuts", [(), (1,), (2, 4), (1, 2, 3, 4, 5)])
def test_totals_on_duckdb_are_the_sums_of_days(cuts: tuple[int, ...], tmp_path: Path) -> None:
    for seed in range(5):
        rows = user_days(seed)
        stretches = [DAYS[a:b] for a, b in zip((0, *cuts), (*cuts, len(DAYS)), strict=True)]
        assert as_rows(totals_of(rows, stretches, None, tmp_path)) == added_up(rows)


def test_totals_on_spark_are_the_same(spark: SparkSession, tmp_path: Path) -> None:
    rows = user_days(11)
    assert as_rows(totals_of(rows, [DAYS[:2], DAYS[2:]], spark, tmp_path)) == added_up(rows)


def test_stretches_of_one_run_do_not_mix(tmp_path: Path) -> None:
    rows = user_days(5)
    first, last = DAYS[:2], DAYS[4:]
    today = arrow_table(
        contract("experiments.unit_days"), [row for row in rows if row["ds"] in (*first, *last)]
    )
    nothing = arrow_table(contract("experiments.unit_totals"), [])
    made = unit_totals(today, nothing, [first, last], len(DAYS), tmp_path)
    assert isinstance(made, pads.Dataset)
    apart = added_up([row for row in rows if row["ds"] in first]) | added_up(
        [r for r in rows if r["ds"] in last]
    )
    assert as_rows(made.to_table().to_pylist()) == apart
