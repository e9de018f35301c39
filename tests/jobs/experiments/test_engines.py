"""Which engine a readout runs on is decided from the log of the tables, without reading a row."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from infra.lake.arrow import queryable
from jobs.experiments.engines import query, rows_at_most

FIRST = date(2026, 3, 2)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]


@pytest.mark.parametrize("partition_by", [["ds"], None])
def test_rows_are_counted_from_the_log(tmp_path: Path, partition_by: list[str] | None) -> None:
    for day, rows in zip(DAYS, (3, 5, 7, 0), strict=True):
        table = pa.table(
            {"user_id": [f"u{n}" for n in range(rows)], "ds": pa.array([day] * rows, pa.date32())}
        )
        write_deltalake(tmp_path, table, mode="append", partition_by=partition_by)
    table = DeltaTable(tmp_path)
    assert rows_at_most(table, DAYS) == 15
    assert rows_at_most(table, DAYS[1:3]) == 12
    assert rows_at_most(table, [FIRST - timedelta(days=1)]) == 0


def test_a_file_of_several_days_counts_whole(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"ds": pa.array(DAYS * 2, pa.date32())}))
    assert rows_at_most(DeltaTable(tmp_path), DAYS[:1]) == 8


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
