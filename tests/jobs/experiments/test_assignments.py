"""Who was in which arm: the first exposure decides, several arms are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from jobs.experiments.assignments import assign, exposures

EVENT = "event_id string, event_ts timestamp, event_type string, user_id string, source string, payload string, ds date"
KEPT = (
    "experiment_id string, user_id string, arm string, eligible boolean, source string, assigned_ts timestamp, "
    "first_exposure_ts timestamp, in_several_arms boolean, ds date"
)


def exposure(hour: int, user: str, arm: str, **payload: Any) -> tuple[Any, ...]:
    moment = datetime(2026, 3, 1, hour, tzinfo=UTC)
    said = json.dumps({"experiment_id": "x", "arm": arm, **payload})
    return (f"e{hour}{user}", moment, "exposure", user, "user", said, moment.date())


def test_the_first_exposure_decides_and_several_arms_are_told(spark: SparkSession) -> None:
    events = [
        exposure(9, "a", "test", eligible=False, assigned_ts="2026-02-28T23:00:00+00:00"),
        exposure(8, "b", "control"),
        exposure(10, "a", "test"),
        exposure(11, "b", "test"),
        (*exposure(7, "b", "test")[:2], "message", *exposure(7, "b", "test")[3:]),
    ]
    exposed = exposures(spark.createDataFrame(events, EVENT))
    rows = assign(exposed, spark.createDataFrame([], KEPT)).orderBy("user_id").collect()
    assert [
        (r["user_id"], r["arm"], r["eligible"], r["in_several_arms"], r["first_exposure_ts"].hour)
        for r in rows
    ] == [
        ("a", "test", False, False, 9),
        ("b", "control", True, True, 8),
    ]
    assert rows[0]["assigned_ts"] == datetime(2026, 2, 28, 23)
    assert rows[1]["assigned_ts"] is None


def test_what_is_already_known_is_not_forgotten(spark: SparkSession) -> None:
    early = datetime(2025, 12, 1, tzinfo=UTC)
    kept = spark.createDataFrame([("x", "a", "control", True, None, None, early, False, early.date())], KEPT)
    (row,) = assign(exposures(spark.createDataFrame([exposure(9, "a", "test")], EVENT)), kept).collect()
    assert (row["arm"], row["in_several_arms"], row["first_exposure_ts"].month) == ("control", True, 12)
