"""Activity of each exposed user by day, and in total since first exposure: each day is added to the totals before it.

Every exposed user has a row on every day from the first exposure to the end of the window, also without a message.
Breadth and the mean over all exposed users need those rows too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow.dataset as pads
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from infra.errors import ExpectationFailed, UpstreamMissing
from infra.write.quality import Result
from jobs.experiments import UNIT_TOTALS
from jobs.experiments.covariates import windows
from jobs.experiments.definition import QUANTITY, Definition, definitions
from jobs.experiments.engines import Frame, frames_read, query, rows_of
from jobs.experiments.populations import EXCLUSIONS
from jobs.plan import Plan

if TYPE_CHECKING:
    from jobs.context import JobContext

_UNIT = ("experiment_id", "user_id")


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
        .select(
            *_UNIT,
            "arm",
            "first_exposure_ts",
            "eligible",
            "source",
            "is_bot",
            "end_ds",
            "drops_several",
            "ds",
        )
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
        .when(F.col("is_split") & F.col("drops_several"), "in_several_arms")
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
    today: Frame, before: Frame, stretches: Sequence[Sequence[date]], longest_window: int, folder: Path
) -> DataFrame | pads.Dataset:
    """Rows of `experiments.unit_totals` without `run_id`.

    The engine is that of the frames: Spark, or DuckDB for Arrow data. The rows are the same. It is one aggregation by
    user with a sum for each day of a stretch: it needs no sort, and it may spill.

    Args:
        today: rows of `experiments.unit_days`.
        before: rows of `experiments.unit_totals` of the day that each stretch is added to.
        stretches: consecutive days of `today`; the totals of one stretch do not enter another.
        longest_window: days of the longest window of an experiment.
        folder: where DuckDB keeps the rows.
    """
    span = max(((stretch[-1] - stretch[0]).days + 1 for stretch in stretches), default=1)
    places = range(min(span, longest_window))
    starts = [stretch[0] for stretch in stretches]
    text = _TOTALS.format(
        stretch=_case(f"ds >= DATE '{start}' THEN DATE '{start}'" for start in reversed(starts)),
        next_stretch=_case(f"ds < DATE '{start}' THEN DATE '{start}'" for start in starts),
        code=_case(f"excluded = '{reason}' THEN {code}" for code, reason in enumerate(EXCLUSIONS, 1)),
        reason=_case(f"code = {code} THEN '{reason}'" for code, reason in enumerate(EXCLUSIONS, 1)),
        amounts="".join(f", sum(CASE WHEN place = {n} THEN amount ELSE 0 END) AS amount_{n}" for n in places),
        amount=" + ".join(
            ["amount_before", *(f"CASE WHEN place >= {n} THEN amount_{n} ELSE 0 END" for n in places)]
        ),
        places=", ".join(f"({n})" for n in places),
    )
    return rows_of(text, folder, today=today, before=before)


def _case(branches: Iterable[str]) -> str:
    """The first branch that holds, else NULL."""
    return f"CASE {' '.join(f'WHEN {branch}' for branch in branches)} END"


# A stretch is named by its first day; the totals before it belong to the stretch that comes next. `place` counts days
# from the user's first day in the stretch, and is -1 for what was before. A user has one row a day: days are bits of
# one number, so that setting a bit counts the day. `exclusion` holds place and reason of a user's first exclusion,
# which stays: its minimum needs no sort. Spark shuffles rows by user before it adds them up: a file holds a user once,
# so adding up first would find nothing to add. (DuckDB reads the hint as a comment.)
_TOTALS = """
WITH placed AS (
  SELECT experiment_id, metric, user_id, arm, first_exposure_ds, excluded, stretch, days_engaged, amount,
    unix_date(ds) - unix_date(greatest(stretch, first_exposure_ds)) AS place
  FROM (
    SELECT *, CASE WHEN engaged THEN 1 ELSE 0 END AS days_engaged, {stretch} AS stretch FROM {{today}}
  ) of_day
  UNION ALL
  SELECT experiment_id, metric, user_id, arm, first_exposure_ds, excluded, {next_stretch} AS stretch, days_engaged,
    amount, -1 AS place
  FROM {{before}}
),
shuffled AS (
  SELECT /*+ REPARTITION(experiment_id, user_id) */ experiment_id, metric, user_id, arm, first_exposure_ds, stretch,
    place, days_engaged, amount, 8 * (place + 1) + {code} AS exclusion,
    CASE WHEN place >= 0 THEN shiftleft(CAST(1 AS BIGINT), place) END AS day_bit
  FROM placed
),
added AS (
  SELECT experiment_id, metric, user_id, arm, first_exposure_ds, stretch, min(exclusion) AS exclusion,
    coalesce(bit_or(day_bit), 0) AS days_seen,
    coalesce(bit_or(CASE WHEN days_engaged > 0 THEN day_bit END), 0) AS engaged_days,
    sum(CASE WHEN place < 0 THEN days_engaged ELSE 0 END) AS days_before,
    sum(CASE WHEN place < 0 THEN amount ELSE 0 END) AS amount_before{amounts}
  FROM shuffled
  GROUP BY experiment_id, metric, user_id, arm, first_exposure_ds, stretch
),
by_day AS (
  SELECT experiment_id, metric, user_id, arm, first_exposure_ds,
    CASE WHEN exclusion < 8 * (place + 2) THEN exclusion % 8 END AS code,
    days_before + bit_count(engaged_days & (shiftleft(CAST(2 AS BIGINT), place) - 1)) AS days_engaged,
    {amount} AS amount,
    date_from_unix_date(unix_date(greatest(stretch, first_exposure_ds)) + place) AS ds
  FROM added JOIN (VALUES {places}) AS days(place) ON (days_seen & shiftleft(CAST(1 AS BIGINT), place)) <> 0
)
SELECT experiment_id, metric, user_id, arm, first_exposure_ds, {reason} AS excluded,
  CAST(days_engaged AS INT) AS days_engaged, CAST(amount AS BIGINT) AS amount, ds AS as_of_ds, ds
FROM by_day
"""


_USERS = """
SELECT experiment_id, arm, ds, count(*) AS users
FROM (SELECT experiment_id, arm, ds FROM {today} UNION ALL SELECT experiment_id, arm, ds FROM {before}) of_days
GROUP BY experiment_id, arm, ds
"""


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
    today, before = frames_read(ctx, {"experiments.unit_days": ctx.days, "experiments.unit_totals": bases})
    _check_conserved(ctx, today, before)
    longest = max((definition.window_days for definition in declared.values()), default=1)
    with TemporaryDirectory(prefix="flywheel-totals-") as folder:
        totals = unit_totals(today, before, stretches, longest, Path(folder))
        if isinstance(totals, pads.Dataset):
            few = totals.count_rows() <= ctx.settings.experiments.users_on_driver
            totals = totals.to_table() if few else ctx.spark.read.parquet(*totals.files)
        ctx.write("experiments.unit_totals", totals)


def _check_conserved(ctx: JobContext, today: Frame, before: Frame) -> None:
    """Exposure is cumulative: the users of an arm never become fewer from one day to the next.

    Raises:
        ExpectationFailed: they did; the totals are as they were.
    """
    users: dict[tuple[str, str], list[tuple[date, int]]] = defaultdict(list)
    for row in sorted(query(_USERS, today=today, before=before), key=lambda row: row["ds"]):
        users[row["experiment_id"], row["arm"]].append((row["ds"], row["users"]))
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
