"""Conditions mean what they mean in SQL, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SnapshotRefused
from infra.settings import Settings
from models.tables.filters import parse_filter
from models.tables.opened import open_snapshot
from tests.conftest import examples
from tests.models.tables.lakes import SAMPLES, write

ROWS = pa.table(
    {
        "n": pa.array([1, 2, None, 4], pa.int32()),
        "x": pa.array([5.0, float("nan"), None, -1.5]),
        "s": ["a", "b%", None, "it's"],
        "b": [True, False, None, True],
        "d": pa.array([1, 2, None, 20_000], pa.date32()),
        "ts": pa.array(
            [datetime(2026, 11, 20, 12, n, tzinfo=UTC) for n in range(4)], pa.timestamp("us", "UTC")
        ),
    }
)


@pytest.fixture(scope="module")
def sql() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("given", ROWS)
    connection.execute(
        "CREATE TABLE rows AS SELECT * FROM given"
    )  # a copy: no filter is pushed back into Arrow
    return connection


def selected(where: str) -> list[datetime]:
    found = parse_filter(where, ROWS.schema, "t")
    kept = ROWS
    for part in (found.pushed, found.exact):
        kept = kept if part is None else kept.filter(part)
    return kept["ts"].to_pylist()


_COMPARISONS = [
        "n = 1", "n <> 2", "n < 4", "n >= 2", "n <= 1.5", "n > 3000000000", "3 < n", "n IN (1, 4)", "n NOT IN (1, 3)",
        "n NOT IN (1, NULL)", "n = NULL", "n BETWEEN 1 AND 2", "n NOT BETWEEN 1 AND 2", "n IS NULL", "n IS NOT NULL",
        "x = 5", "x <> 5", "x > 3", "x >= 5", "x < -1", "x BETWEEN -2 AND 5", "x NOT IN (5)", "x > -1e3",
        "s = 'it''s'", "s LIKE 'b%'", "s NOT LIKE '%t_s'", "s < 'b'", "s IN ('a')", "s = 'a--b'", "N = 1", '"n" = 1',
        "b", "NOT b", "b = true", "b IS NULL", "TRUE", "d >= '2024-01-01'", "d < DATE '1970-01-03'",
        "ts > TIMESTAMP '2026-11-20 12:01:00'", "ts <= '2026-11-20T12:02:00'",
    ]  # fmt: skip
_COMPARED = st.sampled_from(_COMPARISONS)
_CONDITIONS = st.recursive(
    _COMPARED,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda one: f"NOT ({one})"),
    ),
    max_leaves=6,
)


@examples(200)
@given(where=_CONDITIONS)
def test_the_same_rows_as_in_duckdb(sql: duckdb.DuckDBPyConnection, where: str) -> None:
    wanted = sql.execute(f"SELECT ts FROM rows WHERE {where} ORDER BY ts").fetchall()
    assert selected(where) == [row[0] for row in wanted]


def test_the_same_rows_through_partitions_and_statistics(
    sql: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    for row in range(len(ROWS)):  # a file each, all of which are in one partition of their own
        write(settings, ROWS.slice(row, 1), partition_by=["s"])
    for condition in _COMPARISONS:
        for where in (condition, f"NOT ({condition})"):
            wanted = [
                row[0] for row in sql.execute(f"SELECT ts FROM rows WHERE {where} ORDER BY ts").fetchall()
            ]
            opened = open_snapshot(settings, SAMPLES, where=where, columns=["ts"])
            found = sorted(moment for batch in opened.batches() for moment in batch["ts"].to_pylist())
            assert (found, opened.snapshot.rows) == (wanted, len(wanted)), where


@pytest.mark.parametrize(
    "where",
    [
        "1 = 1", "n", "y = 1", "n = 'x'", "s = 5", "s > (SELECT 1)", "n = 1; DROP TABLE t", "n = 1 ORDER BY n",
        "n = 1 LIMIT 1", "n = 1 UNION SELECT 1", "s ILIKE 'a'", "upper(s) = 'A'", "random() < 0.5", "x = n",
        "d = '2026-13-01'", "s LIKE 'a\\%'", "s LIKE 'a!%' ESCAPE '!'", "n BETWEEN SYMMETRIC 2 AND 1", "t.n = 1",
        "n =", "n IN (SELECT 1)", "n IS DISTINCT FROM 1", "n = 99999999999999999999", "n IS TRUE",
        "n IN (" + ", ".join(map(str, range(1_001))) + ")",
    ],
)  # fmt: skip
def test_what_cannot_be_said_exactly_is_refused(where: str) -> None:
    with pytest.raises(SnapshotRefused):
        selected(where)


def test_a_refusal_quotes_no_constant() -> None:
    for where in ("n = 'my secret'", "s = 'my secret", "f('my secret') = s", "s = 'my secret' COLLATE x"):
        with pytest.raises(SnapshotRefused) as refused:
            selected(where)
        assert "secret" not in str(refused.value)


def test_conditions_on_floating_point_are_not_left_to_statistics() -> None:
    found: Any = parse_filter("x > 1 AND n = 2", ROWS.schema, "t")
    assert (str(found.pushed), "is_nan" in str(found.exact)) == ("(n == 2)", True)
    assert found.columns == {"n", "x"}
