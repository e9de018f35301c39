"""One bad value, one odd file or one odd folder stops nobody: it is refused with a reason, or listed as not read."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.lake import Lake
from infra.records import streams
from infra.settings import Settings
from jobs.annotation.parse import JudgementRules
from jobs.annotation.parse import parse_file as parse_judgements
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.zone import Unread, day_folder, iter_rows, landing_days, landing_files, unread
from jobs.plan import Plan
from jobs.traffic.parse import Landed, LandingRules, parse_file
from tests.conftest import migrated

DAY = date(2026, 3, 1)
LIMIT = 100_000
KEY = b"0123456789abcdef"
RULES = LandingRules(LIMIT, timedelta(days=30), timedelta(minutes=5), KEY)
GOOD = {
    "event_id": "e1", "event_type": "message", "event_ts": f"{DAY}T10:00:00Z", "source": "user", "user_id": "alice",
    "conversation_id": "c1", "character_id": "ch1", "payload": '{"text": "hello"}',
}  # fmt: skip


def put(landing: Path, name: str, content: bytes) -> None:
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def landed(landing: Path) -> list[Landed]:
    return [row for file in landing_files(str(landing), DAY) for row in parse_file(file, RULES)]


def reasons(landing: Path) -> Counter[str]:
    return Counter(row.reason or "kept" for row in landed(landing))


def parquet(**columns: pa.Array) -> bytes:
    """One good row and one with the given columns, in one file."""
    good = {name: [value, value] for name, value in GOOD.items() if name not in columns}
    good["event_id"] = ["e1", "e2"]
    sink = io.BytesIO()
    pq.write_table(pa.table({**good, **columns}), sink)
    return sink.getvalue()


TIMES = pa.array([1_772_359_200_000_000, 9_000_000_000_000_000_000], pa.int64())


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"event_ts": TIMES.cast(pa.timestamp("us", "UTC"))}, "bad_timestamp"),
        ({"event_ts": pa.array([1_772_359_200, 9_000_000_000_000_000], pa.int64()).cast(pa.timestamp("s", "UTC"))},
         "bad_timestamp"),
        ({"received_ts": pa.array([None, 9_000_000_000_000_000_000], pa.int64()).cast(pa.timestamp("us", "UTC"))},
         "unreadable_value"),
        ({"birthday": pa.array([None, 2_000_000_000], pa.int32()).cast(pa.date32())}, "unreadable_value"),
        ({"since": pa.array([None, 9_000_000_000_000_000_000], pa.int64()).cast(pa.duration("s"))}, "unreadable_value"),
        ({"nested": pa.array([None, {"at": 9_000_000_000_000_000_000}], pa.struct([("at", pa.timestamp("us"))]))},
         "unreadable_value"),
    ],
)  # fmt: skip
def test_a_parquet_value_that_python_cannot_hold_costs_its_row_only(
    tmp_path: Path, columns: dict[str, pa.Array], reason: str
) -> None:
    put(tmp_path, f"{day_folder(DAY)}/a.parquet", parquet(**columns))
    assert reasons(tmp_path) == {"kept": 1, reason: 1}


def test_an_unknown_time_zone_refuses_the_rows_and_stops_nothing(tmp_path: Path) -> None:
    times = TIMES.slice(0, 1).cast(pa.timestamp("us", "Mars/Phobos"))
    put(tmp_path, f"{day_folder(DAY)}/a.parquet", parquet(event_ts=pa.concat_arrays([times, times])))
    put(tmp_path, f"{day_folder(DAY)}/b.parquet", parquet())
    assert reasons(tmp_path) == {"bad_timestamp": 2, "kept": 2}


@pytest.mark.parametrize(
    "value", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2026-03-01T25:00:00Z",
              "+1000000-01-01T00:00:00Z", "2026-03-01T10:00:00+99:99", "9" * 5_000]
)  # fmt: skip
def test_an_overflowing_time_in_json_costs_its_line_only(tmp_path: Path, value: str) -> None:
    lines = [GOOD | {"payload": {"text": "hi"}}, GOOD | {"payload": {"text": "hi"}, "event_ts": value}]
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    assert reasons(tmp_path) == {"kept": 1, "bad_timestamp": 1}


def test_two_parquet_columns_of_one_name_are_refused_as_two_json_keys_are(tmp_path: Path) -> None:
    names = [*GOOD, "user_id"]
    table = pa.Table.from_arrays([pa.array([value]) for value in [*GOOD.values(), "bob"]], names=names)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    put(tmp_path, f"{day_folder(DAY)}/a.parquet", sink.getvalue())
    assert reasons(tmp_path) == {"duplicate_key": 1}
    for user in ("alice", "bob"):
        theirs = Theirs({user: "u_1"}, {}, {}, {})
        [file] = landing_files(str(tmp_path), DAY)
        assert erase_lines(file, theirs, LIMIT, dry_run=True) == {"u_1": 1}, "whichever of the two it was"
    erase_lines(file, theirs, LIMIT)
    [file] = landing_files(str(tmp_path), DAY)
    assert b"bob" not in (tmp_path / file.name).read_bytes()


def test_a_file_of_an_unknown_kind_is_one_refused_row_and_erasure_reads_it(tmp_path: Path) -> None:
    put(tmp_path, f"{day_folder(DAY)}/README.txt", b"about alice\nabout bob\n")
    put(tmp_path, f"{day_folder(DAY)}/a.parquet", parquet())
    assert reasons(tmp_path) == {"unknown_file_kind": 1, "kept": 2}
    theirs = Theirs({"alice": "u_1"}, {}, {}, {})
    file = next(file for file in landing_files(str(tmp_path), DAY) if file.name.endswith(".txt"))
    assert erase_lines(file, theirs, LIMIT) == {"u_1": 1}
    assert b"alice" not in (tmp_path / file.name).read_bytes()
    assert b"about bob" in (tmp_path / file.name).read_bytes()


NOTE = {
    "event_type": "import_rejected",
    "origin_file": "chat.json",
    "origin_line": 7,
    "reason": "malformed_json",
}


def test_two_notes_on_one_line_of_an_input_have_names_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl", (json.dumps(NOTE) + "\n").encode() * 3)
    rows = landed(tmp_path)
    assert len({(row.source_file, row.line) for row in rows}) == 3
    assert {row.reason for row in rows} == {"import:malformed_json"}
    [file] = landing_files(str(tmp_path), DAY)
    judgements = list(parse_judgements(file, JudgementRules(LIMIT, KEY, frozenset())))
    assert len({(row.source_file, row.line) for row in judgements}) == 3


@pytest.mark.parametrize(
    "folder", ["received_ds=20260301", "received_ds=2026-W09-7", "hour=10", "RECEIVED_DS=2026-03-01",
               "received_ds=2026-03-01 ", " received_ds=2026-03-01", "received_ds=2026-3-1", "received_ds="]
)  # fmt: skip
def test_a_folder_that_is_not_read_is_listed(tmp_path: Path, folder: str) -> None:
    put(tmp_path, f"{folder}/a.jsonl", b"{}\n")
    assert landing_days(str(tmp_path)) == []
    assert [left.name for left in unread(str(tmp_path))] == [f"{folder}/"]


def test_what_lies_elsewhere_is_listed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    day = day_folder(DAY)
    for name in ("a.jsonl", f"{day}/hour=10/b.jsonl", f"{day}/c.csv", f"{day}/d.jsonl", f"{day}/e.jsonl.tmp",
                 f"{day}/_f.csv", "_temporary/g.jsonl", "preferences/received_ds=2026-03-01/h.jsonl"):  # fmt: skip
        put(tmp_path, name, b"{}\n")
    left = {found.name: found.why for found in unread(str(tmp_path), ["preferences"])}
    assert left == {
        "a.jsonl": "it lies outside the folder of a received day",
        f"{day}/hour=10/": "folders in the folder of a received day are not read",
        f"{day}/c.csv": "it is neither .jsonl, .jsonl.gz nor .parquet",
    }


def test_the_plan_lists_them_and_goes_on(settings: Settings) -> None:
    migrated(settings)
    landing = Path(Lake.of(settings).landing)
    put(landing, "received_ds=20260301/a.jsonl", b"{}\n")
    put(landing, f"{day_folder(DAY)}/README.txt", b"hello")
    put(landing, f"preferences/{day_folder(DAY)}/x/y.jsonl", b"{}\n")
    plan = Plan(settings)
    assert {unit.job for unit in plan.everything()} >= {"traffic.land"}
    assert [left.name for left in plan.unread()] == [
        f"landing/{day_folder(DAY)}/README.txt",
        "landing/received_ds=20260301/",
        f"landing/preferences/{day_folder(DAY)}/x/",
    ]
    assert isinstance(plan.unread()[0], Unread)


def test_erasure_of_other_users_goes_on_beside_unreadable_values(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"event_ts": TIMES.cast(pa.timestamp("us", "UTC"))}
    put(tmp_path, f"{day_folder(DAY)}/a.parquet", parquet(**columns))
    [file] = landing_files(str(tmp_path), DAY)
    assert erase_lines(file, Theirs({"alice": "u_1"}, {}, {}, {}), LIMIT) == {"u_1": 2}
    assert b"alice" not in (tmp_path / file.name).read_bytes()


def test_a_gzip_bomb_is_one_row_and_what_came_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (json.dumps(GOOD | {"payload": {"text": "hello"}}) + "\n").encode()
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl.gz", gzip.compress(line + b"0\n" * 5_000_000))
    monkeypatch.setattr(streams, "SMALL_BYTES", 1 << 18)
    rules = replace(RULES, max_refused_lines=1_000, max_expansion=20)
    [file] = landing_files(str(tmp_path), DAY)
    rows = list(parse_file(file, rules))
    assert Counter(row.reason for row in rows) == {
        None: 1, "not_an_object": 1_000, "further_refused_lines": 1,
    }  # fmt: skip
    assert rows[-1].line == 1_002, "the first line without a row of its own"
    *_, last = iter_rows(file, LIMIT, 20)
    assert last.reason == "expands_too_far"
    assert last.number < 1 << 18


def test_a_long_line_of_a_bomb_is_not_read_to_its_end(tmp_path: Path) -> None:
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl.gz", gzip.compress(b"x" * 200_000_000))
    assert reasons(tmp_path) == {"expands_too_far": 1}


def test_ordinary_repetition_is_no_bomb(tmp_path: Path) -> None:
    lines = [GOOD | {"event_id": f"e{n}", "payload": {"text": "hello"}} for n in range(30_000)]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl.gz", gzip.compress(text))
    assert reasons(tmp_path) == {"kept": 30_000}


def test_good_lines_among_many_refused_ones_are_all_kept(tmp_path: Path) -> None:
    good = (json.dumps(GOOD | {"payload": {"text": "hello"}}) + "\n").encode()
    put(tmp_path, f"{day_folder(DAY)}/a.jsonl", (b"{\n" * 3 + good) * 50)
    [file] = landing_files(str(tmp_path), DAY)
    rows = list(parse_file(file, replace(RULES, max_refused_lines=10)))
    assert Counter(row.reason or "kept" for row in rows) == {
        "kept": 50, "malformed_json": 10, "further_refused_lines": 1,
    }  # fmt: skip
    assert len({(row.source_file, row.line) for row in rows}) == len(rows), "each has a name of its own"


def test_a_value_that_many_parquet_rows_share_is_held_once(tmp_path: Path) -> None:
    rows = 4_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 1_000_000]))
    columns = {name: [value] * rows for name, value in GOOD.items() if name not in ("event_id", "payload")}
    table = pa.table({**columns, "event_id": [f"e{n}" for n in range(rows)], "payload": texts})
    path = tmp_path / day_folder(DAY) / "a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    [file] = landing_files(str(tmp_path), DAY)
    peak = 0
    for row in parse_file(file, RULES):
        peak = max(peak, pa.total_allocated_bytes() - before)
        assert row.reason == "too_large"
    assert peak < 100_000_000


def test_a_parquet_file_of_more_rows_than_bytes_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / day_folder(DAY) / "a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"event_id": pa.nulls(3_000_000, pa.string())}), path)
    assert path.stat().st_size < 100_000
    assert reasons(tmp_path) == {"expands_too_far": 1}
