"""Activity of each exposed user by day, and in total since first exposure: each day is added to the totals before it.

Every exposed user has a row on every day from the first exposure to the end of the window, also without a message.
Breadth and the mean over all exposed users need those rows too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from infra.errors import ExpectationFailed, UpstreamMissing
from infra.write.quality import Result
from jobs.experiments import UNIT_TOTALS
from jobs.experiments.covariates import windows
from jobs.experiments.definition import QUANTITY, Definition, definitions
from jobs.experiments.populations import EXCLUSIONS
from jobs.plan import Plan

if TYPE_CHECKING:
    from jobs.context import JobContext

_UNIT = ("experiment_id", "user_id")
_USER = ("experiment_id", "metric", "user_id", "arm", "first_exposure_ds")
_CODES = 8
"""Above the number of reasons of exclusion."""


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
    relevant = events.where("event_type IN ('message', 'exposure') AND user_id IS NOT NULL").select(
        "user_id", "event_type", "event_ts", F.col("source").alias("event_source"), F.col("ds").alias("day"),
        F.when(
            F.col("event_type") == "exposure", F.from_json("payload", "experiment_id string, arm string")
        ).alias("shown"),
    )  # fmt: skip
    # Messages before the first exposure are no effect of the arm, also on the same day.
    counts = (F.col("event_type") == "message") & (F.col("event_source") == "user")
    another = (F.col("shown.experiment_id") == F.col("experiment_id")) & (F.col("shown.arm") != F.col("arm"))
    did = (
        exposed.select(*_UNIT, "arm", "first_exposure_ts")
        .join(relevant, "user_id")
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


def unit_totals(
    today: DataFrame, before: DataFrame, stretches: Sequence[Sequence[date]], longest_window: int
) -> DataFrame:
    """Rows of `experiments.unit_totals` without `run_id`.

    One shuffle by user and one aggregation with a sum for each day of a stretch: it needs no sort, and it may spill.

    Args:
        today: rows of `experiments.unit_days`.
        before: rows of `experiments.unit_totals` of the day that each stretch is added to.
        stretches: consecutive days of `today`; the totals of one stretch do not enter another.
        longest_window: days of the longest window of an experiment.
    """
    span = max(((stretch[-1] - stretch[0]).days + 1 for stretch in stretches), default=1)
    places = range(min(span, longest_window))
    # Days as bits of one number: a user has one row a day, so that setting a bit counts it.
    is_new, bit = F.col("place") >= 0, F.expr("shiftleft(1L, place)")
    return (
        # A file holds each user once. Adding up before the shuffle would find nothing to add, and make rows longer.
        _placed(today, before, [stretch[0] for stretch in stretches])
        .repartition(*_UNIT)
        .groupBy(*_USER, "stretch")
        .agg(
            F.min("exclusion").alias("exclusion"),
            F.bit_or(F.when(is_new, bit)).alias("seen"),
            F.bit_or(F.when(is_new & (F.col("days_engaged") > 0), bit)).alias("engaged"),
            F.sum(F.when(~is_new, F.col("days_engaged"))).alias("days_before"),
            F.sum(F.when(~is_new, F.col("amount"))).alias("amount_before"),
            *(F.sum(F.when(F.col("place") == place, F.col("amount"))).alias(f"amount_{place}") for place in places),
        )
        .select(*_USER, "exclusion", _since().alias("since"), F.explode(F.array(*_so_far(places))).alias("day"))
        .where("day.is_seen")
        .withColumn("ds", F.expr("date_add(since, day.place)"))
        .select(
            *_USER,
            F.when(
                F.floor(F.col("exclusion") / _CODES) <= F.col("day.place"),
                F.element_at(_reasons(), F.pmod("exclusion", F.lit(_CODES)).cast("int")),
            ).alias("excluded"),
            "day.days_engaged", "day.amount", "ds", F.col("ds").alias("as_of_ds"),
        )
    )  # fmt: skip


def _placed(today: DataFrame, before: DataFrame, starts: Sequence[date]) -> DataFrame:
    """Rows of both frames with `stretch` and `place`, as short as they can be: they are shuffled.

    A stretch is named by its first day; the totals before it belong to the stretch that comes next. `place` counts days
    from the user's first day in the stretch, and is -1 for what was before. `exclusion` is a number that aggregates
    without a sort: the first exclusion stays, so it is the place, and below it the code of the reason.
    """
    own, following = F.lit(None).cast("date"), F.lit(None).cast("date")
    for start in starts:
        own = F.when(F.col("ds") >= F.lit(start), F.lit(start)).otherwise(own)
    for start in reversed(starts):
        following = F.when(F.col("ds") < F.lit(start), F.lit(start)).otherwise(following)
    exclusion = F.when(
        F.col("excluded").isNotNull(),
        F.col("place") * _CODES + F.array_position(_reasons(), F.col("excluded")).cast("int"),
    )
    columns = [*_USER, "stretch", "place", exclusion.alias("exclusion"), "days_engaged", "amount"]
    added = today.withColumns({"days_engaged": F.col("engaged").cast("int"), "stretch": own}).withColumn(
        "place", F.datediff("ds", _since())
    )
    earlier = before.withColumns({"stretch": following, "place": F.lit(-1)})
    return added.select(columns).unionByName(earlier.select(columns))


def _since() -> Column:
    """A user's first day in a stretch."""
    return F.greatest("stretch", "first_exposure_ds")


def _reasons() -> Column:
    return F.array(*(F.lit(reason) for reason in EXCLUSIONS))


def _so_far(places: Sequence[int]) -> Iterator[Column]:
    """A user's totals up to each place of the stretch, and whether the user has a row there."""
    zero = F.lit(0)
    amount: Column = F.coalesce("amount_before", zero)
    for place in places:
        amount = amount + F.coalesce(f"amount_{place}", zero)
        up_to_here = F.bit_count(F.col("engaged").bitwiseAND(F.lit((2 << place) - 1)))
        days = F.coalesce("days_before", zero) + F.coalesce(up_to_here, zero)
        yield F.struct(
            F.lit(place).alias("place"),
            F.coalesce(F.col("seen").bitwiseAND(F.lit(1 << place)) != 0, F.lit(False)).alias("is_seen"),
            days.cast("int").alias("days_engaged"),
            amount.alias("amount"),
        )


def run(ctx: JobContext) -> None:
    """Write the days of all users in a running window, then add them up."""
    declared = definitions(ctx.lake, ctx.version_read("experiments.definitions"))
    ctx.write(
        "experiments.unit_days",
        unit_days(
            ctx.read("experiments.covariates"),
            ctx.read("traffic.events"),
            windows(ctx.spark, declared.values()),
            ctx.days,
        ),
    )
    stretches, bases = _stretches(ctx, list(declared.values()))
    today, before = ctx.read("experiments.unit_days"), ctx.read("experiments.unit_totals", bases)
    _check_conserved(ctx, today, before)
    longest = max((definition.window_days for definition in declared.values()), default=1)
    ctx.write("experiments.unit_totals", unit_totals(today, before, stretches, longest))


def _check_conserved(ctx: JobContext, today: DataFrame, before: DataFrame) -> None:
    """Exposure is cumulative: the users of an arm never become fewer from one day to the next.

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
        UpstreamMissing: a day of a running window has landed but has no totals.
    """
    plan = Plan(ctx.settings)
    days_done = {date.fromisoformat(unit) for unit in plan.successes(UNIT_TOTALS)}
    known = days_done | set(plan.known_days())
    stretches: list[list[date]] = []
    bases: list[date] = []
    for day in ctx.days:
        since = min((d.start_ds for d in declared if d.start_ds < day <= d.end_ds), default=day)
        earlier = (day - timedelta(days=n) for n in range(1, (day - since).days + 1))
        last = next((other for other in earlier if other in known), None)
        if last is not None and stretches and last == stretches[-1][-1]:
            stretches[-1].append(day)
            continue
        if last is not None and last not in days_done:
            raise UpstreamMissing(
                "this day has no totals yet, and a later day needs them",
                table="experiments.unit_totals", day=last,
                hint=f"Run first: flywheel run experiments.unit_totals --days {last}",
            )  # fmt: skip
        stretches.append([day])
        bases += [last] if last is not None else []
    return stretches, bases
