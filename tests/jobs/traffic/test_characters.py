"""Versions of a character, late updates and updates past retention included."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.traffic.characters import versions

EVENT = "event_id string, event_ts timestamp, character_id string, payload string"
KEPT = (
    "character_id string, valid_from timestamp, name string, traits array<string>, instructions string, "
    "creator_id string, state string"
)


def at(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def update(day: int, number: int = 0, **payload: Any) -> tuple[str, datetime, str, str]:
    return (f"e{day}-{number}", at(day), "k", json.dumps(payload))


def found(frame: DataFrame) -> list[tuple[Any, ...]]:
    rows = frame.orderBy("valid_from").collect()
    return [
        (r["valid_from"].day, r["name"], r["state"], r["valid_to"] and r["valid_to"].day, r["is_current"])
        for r in rows
    ]


def test_versions_follow_each_other_whatever_the_order_of_arrival(spark: SparkSession) -> None:
    updates = [
        update(1, name="Ada", traits=["kind"], state="draft"),
        update(3, state="published"),
        update(5, 1, name="Bea"),
        update(5, 2, name="Cea"),
    ]
    nothing = spark.createDataFrame([], KEPT)
    for order in list(permutations(updates))[::5]:
        frame = versions(spark.createDataFrame(list(order), EVENT), nothing)
        assert found(frame) == [
            (1, "Ada", "draft", 3, False),
            (3, "Ada", "published", 5, False),
            (5, "Cea", "published", None, True),
        ]
    assert frame.where("traits = array('kind')").count() == 3


def test_a_version_whose_event_is_gone_stands_and_ends_when_the_next_begins(spark: SparkSession) -> None:
    kept = spark.createDataFrame([("k", at(1), "Ada", ["kind"], None, None, "draft")], KEPT)
    frame = versions(spark.createDataFrame([update(7, state="published")], EVENT), kept)
    assert found(frame) == [(1, "Ada", "draft", 7, False), (7, "Ada", "published", None, True)]
