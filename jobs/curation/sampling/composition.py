"""Counts the outcomes of all usable turns of a window, by day and level of each dimension of Table 1.

One small table answers "did the sample follow its targets every day", "which stratum loses turns where, and why" and
"did traffic drift", for constrained and unconstrained dimensions alike (section 2.2.1: all seven are monitored).
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.curation.sampling.attributes import each_dimension
from jobs.curation.sampling.constraints import OTHER

LEVELS_KEPT: Final = 200
"""Levels of a dimension that are counted by name, most frequent first: characters can be millions."""


def composition(attributes: DataFrame, fates: DataFrame) -> DataFrame:
    """Turns by split, day, dimension, level, outcome and reason; each dimension adds up to all usable turns.

    Args:
        attributes: usable turns with `turn_id`, `user_id`, `split`, `ds`, daily `outcome` and `reason`, and the seven
            dimensions.
        fates: `turn_id`, `outcome`, `reason` of the eligible ones in the dataset.

    A reason that names a level or a turn is cut to its kind, so that the number of rows stays small. `users` weighs
    each turn by one over its user's turns of the day: a user's turns are alike, so users, not turns, are what a
    statistic may count as independent.
    """
    drawn = fates.select("turn_id", F.col("outcome").alias("_fate"), F.col("reason").alias("_binding"))
    own = Window.partitionBy("split", "ds", "user_id")
    kind = F.when(F.col("_fate") == "not_sampled", F.substring_index("_binding", "=", 1))
    why = F.when(F.col("reason") != F.col("outcome"), F.col("reason"))
    counted = (
        attributes.withColumn("_user", 1 / F.count("*").over(own))
        .select("turn_id", "split", "ds", "outcome", "reason", "_user", each_dimension().alias("pair"))
        .join(drawn, "turn_id", "left")
        .groupBy(
            "split", "ds", F.col("pair.dimension").alias("dimension"), F.col("pair.level").alias("level"),
            F.coalesce("_fate", "outcome").alias("outcome"),
            F.coalesce(F.when(F.col("_fate").isNotNull(), kind).otherwise(why), F.lit("")).alias("reason"),
        )
        .agg(F.count("*").alias("turns"), F.round(F.sum("_user"), 6).alias("users"))
    )  # fmt: skip
    return _frequent_levels(counted)


def _frequent_levels(counted: DataFrame) -> DataFrame:
    """Levels beyond the `LEVELS_KEPT` most frequent of their split and dimension become one."""
    sizes = counted.groupBy("split", "dimension", "level").agg(F.sum("turns").alias("_size"))
    rank = F.row_number().over(
        Window.partitionBy("split", "dimension").orderBy(F.desc("_size"), F.asc("level"))
    )
    named = sizes.select("split", "dimension", "level", (rank <= LEVELS_KEPT).alias("_named"))
    return (
        counted.join(named, ["split", "dimension", "level"])
        .withColumn("level", F.when(F.col("_named"), F.col("level")).otherwise(OTHER))
        .groupBy("split", "ds", "dimension", "level", "outcome", "reason")
        .agg(F.sum("turns").alias("turns"), F.round(F.sum("users"), 6).alias("users"))
    )
