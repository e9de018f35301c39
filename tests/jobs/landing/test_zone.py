"""Files and rows of the landing zone: kinds, order, bounded lines, half-written files."""

from __future__ import annotations

import gzip
import io
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import LandingFileBroken
from jobs.landing.zone import (
    ColumnRow,
    LandingFile,
    day_folder,
    iter_rows,
    landing_days,
    landing_files,
    landing_fingerprint,
)

DAY = date(2026, 3, 1)


def put(landing: Path, name: str, content: bytes, day: date = DAY) -> LandingFile:
    path = landing / day_folder(day) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return LandingFile(str(landing), f"{day_folder(day)}/{name}", day, len(content), path.stat().st_mtime_ns)


def test_files_being_written_are_ignored_and_the_rest_come_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl.gz", "c.parquet", "_x.jsonl", ".y.jsonl", "d.jsonl.tmp", "e.jsonl.part"):
        put(tmp_path, name, b"")
    names = [file.name for file in landing_files(str(tmp_path), DAY)]
    assert names == [f"{day_folder(DAY)}/{name}" for name in ("a.jsonl.gz", "b.jsonl", "c.parquet")]
    assert landing_files(str(tmp_path), date(2026, 3, 2)) == []
    assert landing_days(str(tmp_path)) == [DAY]


def test_a_file_of_an_unknown_kind_is_one_refused_row(tmp_path: Path) -> None:
    put(tmp_path, "events.csv", b"a,b\n")
    [file] = landing_files(str(tmp_path), DAY)
    assert list(iter_rows(file, 1_000)) == [ColumnRow(0, None, "unknown_file_kind")]


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    empty = landing_fingerprint(str(tmp_path), DAY)
    put(tmp_path, "a.jsonl", b"{}\n")
    first = landing_fingerprint(str(tmp_path), DAY)
    assert first == landing_fingerprint(str(tmp_path), DAY) != empty
    put(tmp_path, "_b.jsonl", b"{}\n")
    assert landing_fingerprint(str(tmp_path), DAY) == first
    put(tmp_path, "a.jsonl", b"{}\n{}\n")
    assert landing_fingerprint(str(tmp_path), DAY) != first


def test_gzip_is_read_and_a_truncated_one_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(os.urandom(50_000).hex().encode() + b"\nlast")
    file = put(tmp_path, "a.jsonl.gz", whole)
    assert [row.is_terminated for row in iter_rows(file, 1_000_000)] == [True, True]
    for cut in (0, 5, len(whole) // 2, len(whole) - 4):
        with pytest.raises(LandingFileBroken, match=r"a\.jsonl\.gz is truncated or damaged.*2026-03-01"):
            list(iter_rows(put(tmp_path, "a.jsonl.gz", whole[:cut]), 1_000_000))


def test_parquet_rows_come_as_columns_and_a_missing_footer_is_named(tmp_path: Path) -> None:
    table = pa.table({"event_id": ["a", None], "n": pa.array([1, 2]), "long": ["x", "y" * 100]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    file = put(tmp_path, "a.parquet", sink.getvalue())
    rows = list(iter_rows(file, 50))
    assert rows[0].content == {"event_id": b"a", "n": 1, "long": b"x"}
    assert rows[1].content is None
    with pytest.raises(LandingFileBroken, match=r"a\.parquet"):
        list(iter_rows(put(tmp_path, "a.parquet", sink.getvalue()[:-8]), 50))


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    gone = LandingFile(str(tmp_path), "received_ds=2026-03-01/gone.jsonl", DAY, 1, 0)
    with pytest.raises(LandingFileBroken, match=r"gone\.jsonl was removed"):
        list(iter_rows(gone, 50))
