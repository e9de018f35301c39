"""From users to moments: one row for each arm, segment and day of exposure, small enough for the driver.

Spark's own variance aggregates merge partial results by their deviations, as `moments` does with these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, get_args

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.experiments.definition import Definition, Segment

SEGMENTS: tuple[str, ...] = get_args(Segment)
Bounds = Mapping[tuple[str, date], float]
"""(experiment_id, as_of_ds) to the number of messages at which users are cut."""
_ASKED = "experiment_id string, ds date, winsor_bound double, asked array<string>"


def winsor_bounds(totals: DataFrame, declared: Mapping[str, Definition]) -> Bounds:
    """Where messages are cut: a quantile of all engaged users who count, before any arm is looked at.

    Args:
        totals: rows of `experiments.unit_totals`.
    """
    quantiles = sorted({one.winsor_quantile for one in declared.values()})
    if not quantiles:
        return {}
    found = (
        totals.where("excluded IS NULL AND amount > 0")
        .groupBy("experiment_id", "ds")
        .agg(F.percentile("amount", F.array(*map(F.lit, quantiles))).alias("bounds"))
        .collect()
    )
    return {
        (row["experiment_id"], row["ds"]): row["bounds"][quantiles.index(one.winsor_quantile)]
        for row in found
        if (one := declared.get(row["experiment_id"])) is not None
    }


def cells(
    totals: DataFrame,
    covariates: DataFrame,
    declared: Iterable[Definition],
    days: Iterable[date],
    bounds: Bounds,
) -> DataFrame:
    """Aggregates over the users of an experiment, day, arm, reason of exclusion, day of exposure and segments.

    Args:
        totals: rows of `experiments.unit_totals` of `days`.
        covariates: rows of `experiments.covariates` of their users.
        declared: experiments to read out; a segment column that one does not declare is NULL in its cells.

    Returns:
        The columns that `Arm.of_row` wants beside experiment_id, ds, arm, excluded, first_exposure_ds and the four
        segment columns.
    """
    days = list(days)
    asked = totals.sparkSession.createDataFrame(
        [
            (one.experiment_id, day, bounds.get((one.experiment_id, day)), list(one.segments))
            for one in declared
            for day in days
            if one.covers(day)
        ],
        _ASKED,
    )
    known = covariates.select("experiment_id", "user_id", "pre_days_engaged", "pre_amount", *SEGMENTS)
    users = (
        totals.join(F.broadcast(asked), ["experiment_id", "ds"])
        .join(known, ["experiment_id", "user_id"])
        .select(
            "experiment_id", "ds", "arm", "excluded", "first_exposure_ds",
            *(F.when(F.array_contains("asked", name), F.col(name)).alias(name) for name in SEGMENTS),
            F.col("days_engaged").cast("double").alias("days_engaged"),
            F.col("amount").cast("double").alias("amount"),
            F.col("pre_days_engaged").cast("double").alias("days_before"),
            F.col("pre_amount").cast("double").alias("amount_before"),
            "winsor_bound",
        )
        .withColumn("engaged", (F.col("amount") > 0).cast("double"))
        .withColumn("some", F.when(F.col("amount") > 0, F.col("amount")))
        .withColumn("cut", F.least("some", "winsor_bound"))
        # LEAST skips NULLs: without an engaged user or a bound there is nothing to cut.
        .withColumn("cut", F.when(F.col("some").isNotNull() & F.col("winsor_bound").isNotNull(), F.col("cut")))
    )  # fmt: skip
    n, engaged = F.count("*"), F.count("some")
    return users.groupBy("experiment_id", "ds", "arm", "excluded", "first_exposure_ds", *SEGMENTS).agg(
        n.alias("users"),
        engaged.alias("engaged_users"),
        *_moments("days_engaged", "days_engaged", n),
        *_moments("amount", "some", engaged),
        # A cell without an engaged user has no bound of its own, but does not take the others' away.
        F.when(F.first("winsor_bound").isNotNull(), F.coalesce(F.avg("cut"), F.lit(0.0))).alias("winsorised_mean"),
        (F.var_pop("cut") * engaged).alias("winsorised_m2"),
        *_moments("days_before", "days_before", n),
        *_moments("amount_before", "amount_before", n),
        *(
            (F.covar_pop(outcome, before) * n).alias(f"{outcome}_{before}_product")
            for outcome, before in (
                ("days_engaged", "days_before"), ("engaged", "days_before"),
                ("engaged", "amount_before"), ("amount", "amount_before"),
            )
        ),
    )  # fmt: skip


def _moments(name: str, column: str, n: Column) -> tuple[Column, Column]:
    return F.avg(column).alias(f"{name}_mean"), (F.var_pop(column) * n).alias(f"{name}_m2")


def levels(cell: Mapping[str, Any]) -> list[str]:
    """The segments that a cell belongs to, as readouts name them: all, and column=value."""
    return ["all", *(f"{name}={cell[name]}" for name in SEGMENTS if cell[name] is not None)]
