"""Keeps who was exposed to which arm of which experiment, from the first exposure on."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext

_PAYLOAD = "experiment_id string, arm string, assigned_ts string, eligible boolean"


def exposures(events: DataFrame) -> DataFrame:
    """Exposure events as experiment_id, user_id, arm, eligible, source, assigned_ts, exposed_ts, event_id, ds.

    An exposure whose payload names no experiment or no arm says nothing and is left out.
    """
    return (
        events.where("event_type = 'exposure'")
        .withColumn("stated", F.from_json("payload", _PAYLOAD))
        .where("stated.experiment_id IS NOT NULL AND stated.arm IS NOT NULL")
        .select(
            "stated.experiment_id",
            "user_id",
            "stated.arm",
            F.coalesce("stated.eligible", F.lit(True)).alias("eligible"),
            "source",
            F.to_timestamp("stated.assigned_ts").alias("assigned_ts"),
            F.col("event_ts").alias("exposed_ts"),
            "event_id",
            F.lit(False).alias("in_several_arms"),
            "ds",
        )
    )


def assign(exposed: DataFrame, kept: DataFrame) -> DataFrame:
    """Rows of `experiments.assignments` without `run_id`: the arm of the first exposure wins.

    Args:
        exposed: all exposures of some users, as `exposures` gives them.
        kept: their assignments already in the table: exposures older than retention live on there.
    """
    before = kept.select(
        "experiment_id", "user_id", "arm", "eligible", "source", "assigned_ts",
        F.col("first_exposure_ts").alias("exposed_ts"),
        F.lit(None).cast("string").alias("event_id"), "in_several_arms", "ds",
    )  # fmt: skip
    first = F.struct("exposed_ts", F.coalesce("event_id", F.lit("")))
    return (
        exposed.unionByName(before)
        .groupBy("experiment_id", "user_id")
        .agg(
            F.min_by("arm", first).alias("arm"),
            (F.max("in_several_arms") | (F.count_distinct("arm") > 1)).alias("in_several_arms"),
            F.min_by("eligible", first).alias("eligible"),
            F.min_by("source", first).alias("source"),
            F.min_by("assigned_ts", first).alias("assigned_ts"),
            F.min("exposed_ts").alias("first_exposure_ts"),
        )
        .withColumn("ds", F.to_date("first_exposure_ts"))
    )


def run(ctx: JobContext) -> None:
    """Upsert the assignments of every user who was exposed in `ctx.days`."""
    today = exposures(ctx.read("traffic.events"))
    unit = ["experiment_id", "user_id"]
    touched = today.select(unit).distinct()
    counts = today.groupBy("ds").agg(F.count("*").alias("n"), F.count_distinct(*unit).alias("k")).collect()
    rows_in: dict[date, int] = dict.fromkeys(ctx.days, 0) | {row["ds"]: row["n"] for row in counts}
    rows_out: dict[date, int] = dict.fromkeys(ctx.days, 0) | {row["ds"]: row["k"] for row in counts}
    everything = exposures(ctx.read("traffic.events", days=None)).join(touched, unit, "left_semi")
    kept = ctx.read("experiments.assignments", days=None).join(touched, unit, "left_semi")
    frame = assign(everything, kept)
    ctx.write(
        "experiments.assignments",
        frame,
        rows_in=rows_in,
        rows_out=rows_out,
        rejected={
            day: {"repeated_exposure": n - rows_out[day]} for day, n in rows_in.items() if n > rows_out[day]
        },
    )
    several = frame.where("in_several_arms").count()
    if several:
        ctx.say(f"{several:,} of the users exposed in these days were seen in several arms; kept and flagged")
