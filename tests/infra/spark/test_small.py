"""Few rows come to Spark through Arrow: which reads are small, and that both ways give the same frame."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from infra.lake import Lake
from infra.settings import Settings
from infra.spark import compile_queries, small
from tests.conftest import DAY, migrated, put

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TOMORROW = DAY + timedelta(1)
MOMENT = datetime(2026, 11, 20, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    lake = migrated(settings)
    for day, rows in ((DAY, 3), (TOMORROW, 2)):
        put(
            lake,
            "curation.outcomes",
            [
                {
                    "turn_id": f"{day}-{n}",
                    "outcome": "eligible",
                    "split": "train",
                    "source": "user",
                    "ds": day,
                }
                for n in range(rows)
            ],
        )
    return lake


@pytest.mark.parametrize(
    ("limit", "days", "last", "expected"),
    [
        (5, None, None, True),
        (4, None, None, False),
        (3, {DAY}, None, True),
        (2, {DAY}, None, False),
        (2, {TOMORROW}, None, True),
        (3, None, DAY, True),
        (4, None, TOMORROW, False),
        (0, set(), None, True),
        (0, {DAY - timedelta(1)}, None, True),
    ],
)
def test_what_is_small_depends_on_the_days_that_are_read(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, limit: int, days: set[date] | None, last: date | None, expected: bool
) -> None:  # fmt: skip
    monkeypatch.setattr(small, "SMALL_ROWS", limit)
    assert small.is_small(lake.open("curation.outcomes"), days, last) is expected


def test_an_empty_table_and_one_without_days_are_small(lake: Lake) -> None:
    assert small.is_small(lake.open("traffic.events"), {DAY})
    put(lake, "ops.runs", [RUN])
    assert small.is_small(lake.open("ops.runs"), {DAY})


def test_few_rows_of_many_bytes_are_not_small(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "SMALL_BYTES", 1)
    assert not small.is_small(lake.open("curation.outcomes"))


def test_files_that_do_not_say_how_many_rows_they_hold_are_not_small() -> None:
    class Table:
        def get_add_actions(self, flatten: bool) -> pa.Table:
            counts = pa.array([1, None], pa.int64())
            return pa.table({"num_records": counts, "size_bytes": pa.array([1, 1])})

    assert not small.is_small(Table())  # type: ignore[arg-type]


EVENT = {"event_type": "message", "source": "user"}
TURN = {"verdict": "reject", "split": "train", "source": "user"}
RUN = {"state": "succeeded"}


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (
            "traffic.events",
            [EVENT | {"event_id": "e", "event_ts": MOMENT}, EVENT | {"event_id": "\u00fc\n\x01"}],
        ),
        ("curation.screened", [TURN | {"turn_id": "t", "reasons": ["a", "b"]}, TURN | {"turn_id": "u"}]),
        ("curation.embeddings", [{"embedding": [0.1, -2.5]}]),
        ("traffic.characters", []),  # nested columns
        ("ops.runs", [RUN | {"rows_rejected": {"bad": 2}}, RUN | {"rows_rejected": {}}]),
    ],
)
def test_both_ways_give_the_same_frame(
    spark: SparkSession, lake: Lake, table: str, rows: list[dict[str, Any]]
) -> None:
    put(lake, table, rows)
    delta = lake.open(table)
    ours = small.frame_of(spark, delta, delta.to_pyarrow_dataset().to_table())
    theirs = spark.read.format("delta").load(lake.path(table))
    assert ours.schema.simpleString() == theirs.schema.simpleString()
    assert canonical(ours) == canonical(theirs)
    assert len(ours.collect()) == len(rows)


def canonical(frame: DataFrame) -> list[str]:
    return sorted(repr(row.asDict(recursive=True)) for row in frame.collect())


def test_the_users_own_settings_stay(spark: SparkSession) -> None:
    key = "spark.sql.codegen.wholeStage"
    before = spark.conf.get(key)
    try:
        compile_queries(spark, {}, compiled=False)
        assert spark.conf.get(key) == "false"
        compile_queries(spark, {key: "false"}, compiled=True)
        assert spark.conf.get(key) == "false"
        compile_queries(spark, {}, compiled=True)
        assert spark.conf.get(key) == "true"
    finally:
        compile_queries(spark, {}, compiled=before == "true")
