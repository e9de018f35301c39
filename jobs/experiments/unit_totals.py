"""What each exposed user did on a day, and in all since first exposed: a day is added to the totals before it.

Every exposed user has a row on every day from the first exposure to the end of the window, also without a message:
breadth and the mean over all exposed users are over them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from infra.errors import ExpectationFailed, UpstreamMissing
from infra.quality import Result
from jobs.experiments import UNIT_TOTALS
from jobs.experiments.covariates import windows
from jobs.experiments.definition import QUANTITY, Definition, definitions
from jobs.plan import Plan

if TYPE_CHECKING:
    from jobs.context import JobContext

_UNIT = ("experiment_id", "user_id")
_KEY = ("experiment_id", "metric", "user_id")


def unit_days(
    population: DataFrame, events: DataFrame, declared: DataFrame, days: Sequence[date]
) -> DataFrame:
    """Rows of `experiments.unit_days` without `run_id`, for `days`.

    Args:
        population: rows of `experiments.covariates` of users first exposed on or before the days.
        events: rows of `traffic.events` of the days.
        declared: as `windows` gives it.
    """
    spark = population.sparkSession
    calendar = F.broadcast(spark.createDataFrame([(day,) for day in days], "day date"))
    exposed = (
        population.join(declared, "experiment_id")
        .select(*_UNIT, "arm", "first_exposure_ts", "eligible", "source", "is_bot", "end_ds", "ds")
        .withColumnRenamed("ds", "first_exposure_ds")
    )
    told = events.where("event_type IN ('message', 'exposure') AND user_id IS NOT NULL").select(
        "user_id", "event_type", "event_ts", F.col("source").alias("event_source"), F.col("ds").alias("day"),
        F.when(
            F.col("event_type") == "exposure", F.from_json("payload", "experiment_id string, arm string")
        ).alias("shown"),
    )  # fmt: skip
    # What was sent before the first exposure, on its day, is no effect of the arm.
    counts = (F.col("event_type") == "message") & (F.col("event_source") == "user")
    another = (F.col("shown.experiment_id") == F.col("experiment_id")) & (F.col("shown.arm") != F.col("arm"))
    did = (
        exposed.select(*_UNIT, "arm", "first_exposure_ts")
        .join(told, "user_id")
        .where(F.col("event_ts") >= F.col("first_exposure_ts"))
        .groupBy(*_UNIT, "day")
        .agg(F.count_if(counts).alias("amount"), F.coalesce(F.max(another), F.lit(False)).alias("is_split"))
    )
    excluded = (
        F.when(F.col("source") == "internal", "internal")
        .when(~F.col("eligible"), "ineligible")
        .when(F.col("is_bot"), "bot")
        .when(F.col("is_split"), "in_several_arms")
    )
    amount = F.coalesce("amount", F.lit(0))
    return (
        exposed.join(calendar, F.col("day").between(F.col("first_exposure_ds"), F.col("end_ds")))
        .join(did, [*_UNIT, "day"], "left")
        .select(
            "experiment_id", F.lit(QUANTITY).alias("metric"), "user_id", "arm", "first_exposure_ds",
            excluded.alias("excluded"), (amount > 0).alias("engaged"), amount.alias("amount"),
            F.col("day").alias("ds"),
        )
    )  # fmt: skip


def unit_totals(today: DataFrame, before: DataFrame, stretches: Sequence[Sequence[date]]) -> DataFrame:
    """Rows of `experiments.unit_totals` without `run_id`.

    Args:
        today: rows of `experiments.unit_days`.
        before: rows of `experiments.unit_totals` of the day that each stretch is added to.
        stretches: days of `today` that follow on one another; the totals of one do not enter another.
    """
    starts = [one[0] for one in stretches]
    # A stretch is named by its first day; the totals before it belong to the stretch that comes next.
    first = F.lit(None).cast("date")
    base = F.lit(None).cast("date")
    for start in starts:
        first = F.when(F.col("ds") >= F.lit(start), F.lit(start)).otherwise(first)
    for start in reversed(starts):
        base = F.when(F.col("ds") < F.lit(start), F.lit(start)).otherwise(base)
    columns = [*_KEY, "arm", "first_exposure_ds", "excluded", "days_engaged", "amount", "ds", "stretch"]
    added = today.withColumn("days_engaged", F.col("engaged").cast("int")).withColumn("stretch", first)
    stack = added.select(columns).unionByName(before.withColumn("stretch", base).select(columns))
    so_far = (
        Window.partitionBy("stretch", *_KEY)
        .orderBy("ds")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        stack.withColumn("excluded", F.first("excluded", ignorenulls=True).over(so_far))
        .withColumn("days_engaged", F.sum("days_engaged").over(so_far).cast("int"))
        .withColumn("amount", F.sum("amount").over(so_far))
        .where(F.col("ds") >= F.col("stretch"))
        .withColumn("as_of_ds", F.col("ds"))
        .drop("stretch")
    )


def run(ctx: JobContext) -> None:
    """Write the days of all users in a running window, then add them up."""
    declared = definitions(ctx.lake, ctx.versions["experiments.definitions"])
    reach = range(ctx.settings.experiments.max_window_days + 1)
    looked = sorted({day - timedelta(days=n) for day in ctx.days for n in reach})
    ctx.write(
        "experiments.unit_days",
        unit_days(
            ctx.read("experiments.covariates", looked),
            ctx.read("traffic.events"),
            windows(ctx.spark, declared.values()),
            ctx.days,
        ),
    )
    stretches, bases = _stretches(ctx, list(declared.values()))
    today, before = ctx.read("experiments.unit_days"), ctx.read("experiments.unit_totals", bases)
    _check_conserved(ctx, today, before)
    ctx.write("experiments.unit_totals", unit_totals(today, before, stretches))


def _check_conserved(ctx: JobContext, today: DataFrame, before: DataFrame) -> None:
    """Exposure is cumulative: as a window goes on, the users of an arm never become fewer.

    Raises:
        ExpectationFailed: they did; the totals are as they were.
    """
    columns = ["experiment_id", "arm", "ds"]
    counted = today.select(columns).unionByName(before.select(columns)).groupBy(*columns).count().collect()
    users: dict[tuple[str, str], list[tuple[date, int]]] = defaultdict(list)
    for row in sorted(counted, key=lambda row: row["ds"]):
        users[row["experiment_id"], row["arm"]].append((row["ds"], row["count"]))
    fallen = sorted(
        (experiment, later)
        for (experiment, _), by_day in users.items()
        for (_, many), (later, fewer) in pairwise(by_day)
        if fewer < many
    )
    observed = f'{{"unexpected_count": {len(fallen)}}}'
    result = Result("users_per_arm_never_fall", "critical", not fallen, observed)
    ctx.record_quality("experiments.unit_totals", [result])
    if fallen:
        raise ExpectationFailed(
            f"an arm of {fallen[0][0]} has fewer users than on the day before",
            table="experiments.unit_totals", day=fallen[0][1],
            hint="Run experiments.covariates, then experiments.unit_totals, for the whole window with --force.",
        )  # fmt: skip


def _stretches(ctx: JobContext, declared: Sequence[Definition]) -> tuple[list[list[date]], list[date]]:
    """The run's days in stretches that follow on one another, and the earlier day that each is added to.

    A day between that never landed holds no message, so nothing is missing from the totals.

    Raises:
        UpstreamMissing: a day of a running window landed, but its totals were not made.
    """
    plan = Plan(ctx.settings)
    made = {date.fromisoformat(unit) for unit in plan.successes(UNIT_TOTALS)}
    known = made | set(plan.known_days())
    stretches: list[list[date]] = []
    bases: list[date] = []
    for day in ctx.days:
        since = min((d.start_ds for d in declared if d.start_ds < day <= d.end_ds), default=day)
        earlier = (day - timedelta(days=n) for n in range(1, (day - since).days + 1))
        last = next((one for one in earlier if one in known), None)
        if last is not None and stretches and last == stretches[-1][-1]:
            stretches[-1].append(day)
            continue
        if last is not None and last not in made:
            raise UpstreamMissing(
                "its totals are added to those of a day that has not been run",
                table="experiments.unit_totals", day=last,
                hint=f"Run first: flywheel run experiments.unit_totals --days {last}",
            )  # fmt: skip
        stretches.append([day])
        bases += [last] if last is not None else []
    return stretches, bases
