"""The content hash of Arrow rows is Spark's, for every type of the DDL, in any order and however partitioned."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from infra.contracts import Column, Contract
from infra.write import frames
from infra.write.content_hash import row_hashes

_TYPES: dict[str, tuple[Any, list[Any]]] = {
    "STRING": ("string", ["", "a", "héllo", "नमस्ते", "x" * 100, "👩‍👩‍👧", "\x00"]),
    "INT": ("integer", [0, 1, -1, 2**31 - 1, -(2**31)]),
    "BIGINT": ("long", [0, 1, -1, 2**63 - 1, -(2**63)]),
    "DOUBLE": ("double", [0.0, -0.0, 1.5, -1e300, float("nan"), float("inf"), float("-inf")]),
    "FLOAT": ("float", [0.0, -0.0, 1.5, float("nan"), float("inf")]),
    "BOOLEAN": ("boolean", [True, False]),
    "DATE": ("date", [date(1969, 12, 31), date(2026, 11, 20)]),
    "TIMESTAMP": (
        "timestamp",
        [datetime(1969, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)],
    ),
    "ARRAY<FLOAT>": (
        {"type": "array", "elementType": "float", "containsNull": True},
        [[], [0.5], [0.25, None, -0.0], [1.0] * 9],
    ),
    "ARRAY<STRUCT<a: STRING, b: INT>>": (
        {
            "type": "array",
            "containsNull": True,
            "elementType": {
                "type": "struct",
                "fields": [
                    {"name": name, "type": kind, "nullable": True, "metadata": {}}
                    for name, kind in (("a", "string"), ("b", "integer"))
                ],
            },
        },
        [[], [{"a": "x", "b": 1}], [{"a": None, "b": 2}, None, {"a": "y", "b": None}]],
    ),
    "MAP<STRING, BIGINT>": (
        {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": True},
        [{}, {"a": 1}, {"b": 2, "a": 1, "é": None}],
    ),
}


def table_of_all_types() -> Contract:
    columns = [
        Column("id", "BIGINT", "long", False, "Key.", "none"),
        Column("ds", "DATE", "date", False, "Day.", "none"),
    ]
    columns += [
        Column(f"c{n}", name, kind, True, "Any.", "none")
        for n, (name, (kind, _)) in enumerate(_TYPES.items())
    ]
    columns.append(Column("run_id", "STRING", "string", False, "Run.", "none"))
    return Contract(
        "toy.types", tuple(columns), ("id",), ("ds",), "replace_days", None, "curated", 1, "none", "", {}
    )


@pytest.mark.parametrize("seed", range(3))
def test_arrow_and_spark_agree(spark: Any, seed: int) -> None:
    draw, table = random.Random(seed), table_of_all_types()
    rows = [
        {"id": n, "ds": date(2026, 11, 18 + n % 3)}
        | {f"c{c}": draw.choice([*values, None]) for c, (_, values) in enumerate(_TYPES.values())}
        for n in range(60)
    ]
    arrow = frames.conform_arrow(table, frames.arrow_table(table, rows), "r1")
    measure = frames.measure_arrow(table, arrow)
    assert measure.rows == dict.fromkeys((date(2026, 11, 18 + n) for n in range(3)), 20)

    shuffled = draw.sample(rows, len(rows))
    again = frames.conform_arrow(table, frames.arrow_table(table, shuffled), "another run")
    assert frames.measure_arrow(table, again) == measure

    schema = table.spark_schema(table.job_columns)
    data = [tuple(row[name] for name in schema.names) for row in shuffled]
    for partitions in (1, 5):
        frame = spark.createDataFrame(data, schema).repartition(partitions)
        staged = frames.conform_spark(table, frame, "r2")
        assert frames.measure_spark(table, staged) == measure
        small = frames.collect_small(table, staged)
        assert small is not None
        assert frames.measure_arrow(table, small) == measure

    changed = [dict(row) for row in rows]
    changed[0]["c1"] = 7
    other = frames.measure_arrow(table, frames.conform_arrow(table, frames.arrow_table(table, changed), "r1"))
    assert other.content_hashes != measure.content_hashes


@pytest.mark.parametrize("kind", ["one text", "few texts", "all differ"])
def test_texts_in_the_first_columns(spark: Any, kind: str) -> None:
    words = {
        "one text": ["race"],
        "few texts": ["a", None, "héllo"],
        "all differ": [f"w{n}" for n in range(50)],
    }
    rows = [(words[kind][n % len(words[kind])], f"user {n % 7}", None, n) for n in range(50)]
    frame = spark.createDataFrame(rows, "a string, b string, c string, d bigint")
    expected = [row[0] for row in frame.selectExpr("xxhash64(a, b, c, d)").collect()]
    assert row_hashes(frame.toArrow()).tolist() == expected


def test_a_frame_of_no_rows() -> None:
    table = table_of_all_types()
    empty = frames.conform_arrow(table, frames.arrow_table(table, []), "r1")
    assert frames.measure_arrow(table, empty) == frames.Measure({}, {})
