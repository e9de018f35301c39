"""User attributes at first exposure: segments, the bot rule, and the covariates of CUPED.

Nothing after the first exposure is used: it could be an effect of the arm.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.experiments.definition import Definition, definitions

if TYPE_CHECKING:
    from jobs.context import JobContext

_WINDOWS = (
    "experiment_id string, start_ds date, end_ds date, bot_messages_per_day bigint, drops_several boolean"
)
_UNIT = ("experiment_id", "user_id")
# A region is two capitals or three digits at the end of a tag: hi-Latn-IN speaks hi-Latn.
_REGION = r"-([A-Z]{2}|[0-9]{3})$"


def windows(spark: SparkSession, declared: Iterable[Definition]) -> DataFrame:
    """Definitions as a small frame: experiment_id, start_ds, end_ds, bot_messages_per_day, drops_several."""
    rows = [
        (d.experiment_id, d.start_ds, d.end_ds, d.bot_messages_per_day, d.several_arms == "drop")
        for d in declared
    ]
    return F.broadcast(spark.createDataFrame(rows, _WINDOWS))


def covariates(
    assigned: DataFrame, events: DataFrame, declared: DataFrame, pre_period_days: int
) -> DataFrame:
    """Rows of `experiments.covariates` without `run_id`, one for each user first exposed within a window.

    Args:
        assigned: rows of `experiments.assignments`.
        events: rows of `traffic.events` of the days of first exposure and of the pre-period before them.
        declared: as `windows` gives it.
    """
    exposed = (
        assigned.join(declared, "experiment_id")
        .where("ds BETWEEN start_ds AND end_ds")
        .select(
            *_UNIT, "arm", "first_exposure_ts", "eligible", F.coalesce("source", F.lit("user")).alias("source"),
            "bot_messages_per_day", "ds",
        )
    )  # fmt: skip
    seen = events.where("user_id IS NOT NULL").select(
        "user_id", "event_id", "event_ts", "event_type", F.col("source").alias("event_source"), "locale", "surface",
        F.col("ds").alias("event_ds"),
    )  # fmt: skip
    before = exposed.join(seen, "user_id").where(
        (F.col("event_ts") <= F.col("first_exposure_ts"))
        & (F.col("event_ds") >= F.date_sub("ds", pre_period_days))
    )
    is_message = (
        (F.col("event_type") == "message")
        & (F.col("event_source") == "user")
        & (F.col("event_ts") < F.col("first_exposure_ts"))
    )
    # The exposure itself is the last of the events that may tell; of two at once the id decides.
    place = F.struct("event_ts", (F.col("event_type") == "exposure").alias("is_exposure"), "event_id")
    by_day = before.groupBy(*_UNIT, "ds", "event_ds").agg(
        F.count_if(is_message).alias("messages"),
        _last("locale", place),
        _last("surface", place),
    )
    known = by_day.groupBy(*_UNIT).agg(
        F.sum("messages").alias("pre_amount"),
        F.count_if(F.col("messages") > 0).cast("int").alias("pre_days_engaged"),
        F.max("messages").alias("busiest_day"),
        F.max(F.col("event_ds") < F.col("ds")).alias("was_seen"),
        F.max("last_locale").getField("value").alias("locale"),
        F.max("last_surface").getField("value").alias("surface"),
    )
    locale = F.coalesce("locale", F.lit("und"))
    return exposed.join(known, list(_UNIT), "left").select(
        *_UNIT, "arm", "first_exposure_ts", "eligible", "source",
        F.coalesce(F.col("busiest_day") > F.col("bot_messages_per_day"), F.lit(False)).alias("is_bot"),
        F.coalesce("pre_days_engaged", F.lit(0)).alias("pre_days_engaged"),
        F.coalesce("pre_amount", F.lit(0)).cast("bigint").alias("pre_amount"),
        locale.alias("locale"),
        F.regexp_replace(locale, _REGION, "").alias("language"),
        F.coalesce("surface", F.lit("unknown")).alias("surface"),
        F.when(F.col("was_seen"), "returning").otherwise("new").alias("tenure"),
        "ds",
    )  # fmt: skip


def _last(column: str, place: Column) -> Column:
    """The latest known value with its place, comparable over days."""
    known = F.when(F.col(column).isNotNull(), F.struct(place.alias("place"), F.col(column).alias("value")))
    return F.max(known).alias(f"last_{column}")


def run(ctx: JobContext) -> None:
    """Upsert the covariates of all users first exposed in `ctx.days`."""
    declared = definitions(ctx.lake, ctx.version_read("experiments.definitions"))
    assigned = ctx.read("experiments.assignments")
    counts = assigned.groupBy("experiment_id", "ds").count().collect()
    if unknown := sorted({row["experiment_id"] for row in counts} - set(declared)):
        ctx.say(
            f"{', '.join(unknown)}: no definition, so not read out. Declare it: flywheel experiment declare FILE"
        )
    frame = covariates(
        assigned,
        ctx.read("traffic.events"),
        windows(ctx.spark, declared.values()),
        ctx.settings.experiments.pre_period_days,
    )
    rows_in = dict.fromkeys(ctx.days, 0)
    rejected: dict[date, dict[str, int]] = {day: {} for day in ctx.days}
    for row in counts:
        rows_in[row["ds"]] += row["count"]
        definition = declared.get(row["experiment_id"])
        if definition is None or not definition.covers(row["ds"]):
            reason = "no_definition" if definition is None else "outside_window"
            rejected[row["ds"]][reason] = rejected[row["ds"]].get(reason, 0) + row["count"]
    ctx.write("experiments.covariates", frame, rows_in=rows_in, rejected=rejected)
