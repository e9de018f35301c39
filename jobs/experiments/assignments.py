"""Assigns each exposed user of an experiment to the arm of the first exposure."""

from __future__ import annotations

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.context import JobContext

_NAMES_ARM = "experiment_id IS NOT NULL AND arm IS NOT NULL"
_PAYLOAD = "experiment_id string, arm string, assigned_ts string, eligible boolean"


def exposures(events: DataFrame) -> DataFrame:
    """Exposure events as experiment_id, user_id, arm, eligible, source, assigned_ts, exposed_ts, event_id, ds.

    Experiment and arm are NULL where the payload names none.
    """
    return (
        events.where("event_type = 'exposure'")
        .withColumn("stated", F.from_json("payload", _PAYLOAD))
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
    shown = exposures(ctx.read("traffic.events", ctx.days))
    today = shown.where(_NAMES_ARM)
    unit = ["experiment_id", "user_id"]
    touched = today.select(unit).distinct()
    counted = shown.groupBy("ds").agg(
        F.count("*").alias("shown"),
        F.count_if(~F.expr(_NAMES_ARM)).alias("names_no_arm"),
        F.count_distinct(*(F.when(F.expr(_NAMES_ARM), F.col(name)) for name in unit)).alias("units"),
    )
    counts = {row["ds"]: row for row in counted.collect()}
    everything = exposures(ctx.read("traffic.events")).where(_NAMES_ARM)
    kept = ctx.read("experiments.assignments").join(touched, unit, "left_semi")
    frame = assign(everything.join(touched, unit, "left_semi"), kept)
    ctx.write(
        "experiments.assignments",
        frame,
        rows_in=dict.fromkeys(ctx.days, 0) | {day: row["shown"] for day, row in counts.items()},
        rows_out=dict.fromkeys(ctx.days, 0) | {day: row["units"] for day, row in counts.items()},
        rejected={day: _rejected(row) for day, row in counts.items()},
    )
    several = frame.where("in_several_arms").count()
    if several:
        ctx.say(
            f"{several:,} users exposed on these days were in several arms; kept and flagged in_several_arms"
        )


def _rejected(counted: Row) -> dict[str, int]:
    """Exposures of a day that gave no new assignment, by reason."""
    repeated = counted["shown"] - counted["names_no_arm"] - counted["units"]
    reasons = {"repeated_exposure": repeated, "names_no_arm": counted["names_no_arm"]}
    return {reason: events for reason, events in reasons.items() if events}
