"""Which engine a readout runs on is decided from the log of the tables, without reading a row."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from infra.lake.arrow import queryable
from jobs.experiments.engines import query, users_at_most

FIRST = date(2026, 3, 2)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]


def test_users_are_counted_from_the_log(tmp_path: Path) -> None:
    by_day, together = tmp_path / "by_day", tmp_path / "together"
    for day, rows in zip(DAYS, (3, 5, 7, 0), strict=True):
        table = pa.table(
            {"user_id": [f"u{n}" for n in range(rows)], "ds": pa.array([day] * rows, pa.date32())}
        )
        write_deltalake(by_day, table, mode="append", partition_by=["ds"])
        write_deltalake(together, table, mode="append")
    before = FIRST - timedelta(days=1)
    # A table by day holds a user once a day, another holds a user once.
    assert [users_at_most(DeltaTable(by_day), days) for days in (DAYS, DAYS[:2], [before], [])] == [
        7,
        5,
        0,
        0,
    ]
    assert [users_at_most(DeltaTable(together), days) for days in (DAYS, DAYS[:2], [before])] == [15, 8, 0]


def test_a_file_of_several_days_counts_whole(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"ds": pa.array(DAYS * 2, pa.date32())}))
    assert users_at_most(DeltaTable(tmp_path), DAYS[:1]) == 8


def test_a_query_names_its_columns() -> None:
    frame = pa.table({"a": [1, 2, 2]})
    assert query("SELECT a, count(*) AS n FROM {rows} GROUP BY a ORDER BY a", rows=frame) == [
        {"a": 1, "n": 1}, {"a": 2, "n": 2},
    ]  # fmt: skip


def test_a_table_that_delta_rs_merged_is_queried_as_often_as_any(tmp_path: Path) -> None:
    """Its text is `string_view`, which Arrow cannot filter."""
    days = [date(2026, 11, 1)] * 3
    write_deltalake(str(tmp_path), pa.table({"user_id": ["a", "b", "c"], "ds": days}))
    source = pa.table({"user_id": ["c"], "ds": days[:1]})
    merge = DeltaTable(str(tmp_path)).merge(
        source, "t.user_id = s.user_id", source_alias="s", target_alias="t"
    )
    merge.when_matched_update_all().execute()
    totals = queryable(DeltaTable(str(tmp_path)), days=days[:1])
    for _ in range(2):
        [row] = query("SELECT count(*) AS n FROM {totals} WHERE user_id = 'b'", totals=totals)
        assert row == {"n": 1}
    assert query(
        "SELECT count(*) AS n FROM {totals}", totals=queryable(DeltaTable(str(tmp_path)), days=[])
    ) == [{"n": 0}]
