"""Landing days: the books balance to the row, reruns change nothing, late events make days stale."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from infra.errors import LandingFileBroken
from infra.lake import Lake, ledger
from infra.lake.migrate import migrate
from infra.settings import LakeSettings, Settings
from jobs.landing.files import DayFiles
from jobs.landing.zone import LandingFile, landing_files
from jobs.runner import run_job
from jobs.traffic.land import days_without_files, landing_rules, parse_landing, settle, stale_days

DAY, NEXT = "2026-03-01", "2026-03-02"


def event(
    event_id: str, time: str = "10:00:00", day: str = DAY, kind: str = "message", **fields: Any
) -> dict[str, Any]:
    return {
        "event_id": event_id, "event_ts": f"{day}T{time}Z", "received_ts": f"{day}T{time}Z", "event_type": kind,
        "source": "user", "user_id": "u", "conversation_id": "c", "payload": {"text": event_id}, **fields,
    }  # fmt: skip


def response(event_id: str, time: str, day: str = DAY, **fields: Any) -> dict[str, Any]:
    return event(
        event_id, time, day, "response", **{"turn_id": f"t-{event_id}", "model_version": "V1", **fields}
    )


def books(lake: Lake, table: str = "traffic.events") -> dict[str, tuple[int, int, dict[str, int]]]:
    """The last accounts of each day."""
    found = ledger.query(
        lake,
        """SELECT CAST(ds AS VARCHAR), rows_in, rows_out, rows_rejected FROM ops_runs
           WHERE table_name = ? AND state = 'succeeded' ORDER BY ended_ts""",
        [table],
        ["ops.runs"],
    )
    return {row[0]: (row[1], row[2], dict(row[3])) for row in found}


def marks(lake: Lake) -> set[tuple[str, str]]:
    return {(mark.job, mark.ds.isoformat()) for mark in ledger.open_marks(lake)}


GARBAGE: list[Any] = [
    event("e1"),
    b"{not json",
    event("e1"),
    event("e1", payload={"text": "other"}),
    b"",
    event("e2", "12:00:00", received_ts=f"{DAY}T11:00:00Z"),
    event("e3", day="2025-12-01", received_ts=f"{DAY}T11:00:00Z"),
    {"event_type": "message"},
    b"\xff\xfe",
    response("r1", "10:01:00", turn_id="t"),
    response("r2", "10:02:00", turn_id="t"),
    response("r1", "10:01:00", turn_id="t", received_ts=f"{DAY}T10:01:30Z"),
]
REASONS = {
    "duplicate": 2, "conflicting_duplicate": 1, "conflicting_turn_id": 1, "malformed_json": 1,
    "future": 1, "too_late": 1, "missing_field:event_id": 1, "not_utf8": 1,
}  # fmt: skip


def test_days_without_files_are_told_with_the_folder_that_was_looked_in() -> None:
    days = [date(2026, 3, n) for n in (1, 2, 3, 4)]
    files = [LandingFile("/lake/landing", f"received_ds={DAY}/a.jsonl", days[0], 9, 0)]
    assert days_without_files(days[:1], files, "/lake/landing") is None
    told = days_without_files(days, files, "/lake/landing") or ""
    assert told.startswith("no file for 3 of 4 received day(s): 2026-03-02..2026-03-04.")
    assert f"/lake/landing/received_ds={NEXT}" in told
    assert "no file for 1 of 1" in (days_without_files(days[1:2], [], "/lake/landing") or "")


@pytest.mark.nightly
def test_every_landed_line_is_kept_a_duplicate_or_quarantined(
    put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    path = put_events(DAY, GARBAGE)
    run_days("traffic.land", DAY)
    (lines, kept, rejected) = books(lake)[DAY]
    assert (lines, kept, rejected) == (11, 2, REASONS)
    assert lines == kept + sum(rejected.values())
    assert [row["event_id"] for row in rows_of("traffic.events", "event_id")] == ["e1", "r1"]
    quarantine = rows_of("traffic.quarantine", "source_file", "line", "reason", "ds")
    assert len(quarantine) == lines - kept - rejected["duplicate"]
    assert {row["line"] for row in quarantine if row["reason"] == "conflicting_duplicate"} == {4}
    assert {row["source_file"] for row in quarantine} == {f"received_ds={DAY}/{path.name}"}

    before = rows_of("traffic.events"), quarantine
    run_days("traffic.land", DAY, force=True)
    assert books(lake)[DAY] == (11, 2, REASONS)
    assert (
        rows_of("traffic.events"),
        rows_of("traffic.quarantine", "source_file", "line", "reason", "ds"),
    ) == before
    assert run_days("traffic.land", DAY).run_id is None


def test_no_raw_id_reaches_the_tables_or_their_logs(
    put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    names = ("conversation_id", "turn_id", "character_id", "model_version", "surface", "locale")
    written = {name: f"jane.roe@{name}" for name in names}
    put_events(DAY, [event("e1", user_id="jane.roe"), event("e2", user_id="jane.roe", handle="jane.roe")])
    put_events(
        DAY,
        [
            response("jane.roe@r1", "10:01:00", user_id="jane.roe", **written, payload={"text": "x"}),
            response("jane.roe@r1", "10:01:00", user_id="jane.roe", **written, payload={"text": "y"}),
            {"event_type": "import_rejected", "origin_file": "a", "origin_line": 1, "reason": "jane.roe"},
        ],
        "b.jsonl",
    )
    run_days("traffic.land", DAY)
    assert books(lake)[DAY] == (5, 3, {"conflicting_duplicate": 1, "import:other": 1})
    rows = rows_of("traffic.events")
    assert "jane.roe" not in repr([{**row, "payload": None} for row in rows])
    assert len({row["user_id"] for row in rows}) == 1
    run_days("traffic.land", DAY, force=True)
    assert rows_of("traffic.events") == rows
    logs = [path for root in (lake.restricted, lake.curated) for path in Path(root).rglob("_delta_log/*")]
    held = b"".join(path.read_bytes() for path in logs if path.is_file())
    assert b"conversation_id" in held
    assert b"jane.roe" not in held
    for path in Path(lake.curated).rglob("*"):
        assert not path.is_file() or b"jane.roe" not in path.read_bytes(), path


@pytest.mark.nightly
def test_a_range_lands_the_same_together_or_day_by_day(
    spark: SparkSession, settings: Settings, put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    first = [event("e1", "10:00:00"), event("e2", "11:00:00"), response("r1", "11:01:00", turn_id="t")]
    # Received on the second day, though stamped before the first day's delivery: the first day still wins.
    second = [
        event("e1", "10:00:00", received_ts=f"{DAY}T09:59:00Z", payload={"text": "changed"}),
        event("e2", "11:00:00", received_ts=f"{NEXT}T01:00:00Z"),
        response("r2", "11:02:00", turn_id="t", received_ts=f"{DAY}T11:02:00Z"),
        event("e3", "09:00:00", NEXT),
    ]
    put_events(DAY, first)
    put_events(NEXT, second)
    run_days("traffic.land", DAY)
    run_days("traffic.land", NEXT)
    assert books(lake)[NEXT] == (4, 1, {"conflicting_duplicate": 1, "conflicting_turn_id": 1, "duplicate": 1})
    days = (date.fromisoformat(DAY), date.fromisoformat(NEXT))
    files = [file for day in days for file in landing_files(lake.landing, day)]
    nothing = spark.read.format("delta").load(lake.path("traffic.events")).limit(0)
    together = settle(parse_landing(spark, files, landing_rules(settings, settings.user_key())), nothing)
    kept = [row["event_id"] for row in together.where("fate = 'kept'").collect()]
    assert sorted(kept) == [row["event_id"] for row in rows_of("traffic.events", "event_id")]
    refused = together.where("fate NOT IN ('kept', 'duplicate')").select("source_file", "line", "fate")
    assert sorted(tuple(row) for row in refused.collect()) == [
        tuple(row.values()) for row in rows_of("traffic.quarantine", "source_file", "line", "reason")
    ]


def test_a_lake_whose_root_is_a_uri_lands_its_days(
    spark: SparkSession, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the URI for a path would make a folder `file:` where the test runs."""
    monkeypatch.chdir(tmp_path)
    by_uri = settings.model_copy(update={"lake": LakeSettings(root=f"file://{tmp_path}/lake")})
    migrate(by_uri)
    lake = Lake.of(by_uri)
    with DayFiles(lake.landing, "import") as out:
        for line in (event("e1"), response("e2", "10:00:05"), event("e1")):
            out.put(date.fromisoformat(DAY), line)
    run_job(by_uri, "traffic.land", [date.fromisoformat(DAY)], False)
    assert books(lake)[DAY] == (3, 2, {"duplicate": 1})
    landed = spark.read.format("delta").load(lake.path("traffic.events")).select("event_id").collect()
    assert sorted(row["event_id"] for row in landed) == ["e1", "e2"]
    assert not run_job(by_uri, "traffic.land", [date.fromisoformat(DAY)], False).run_id
    assert not (tmp_path / "file:").exists()


@pytest.mark.parametrize("kind", ["gzip", "line"])
def test_a_half_written_file_leaves_the_tables_as_they_were(
    kind: str, put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    put_events(DAY, [event("e1")])
    run_days("traffic.land", DAY)
    whole = json.dumps(event("e2")).encode()
    name, cut = ("b.jsonl.gz", gzip.compress(whole)[:-6]) if kind == "gzip" else ("b.jsonl", whole[:-9])
    (Path(lake.landing) / f"received_ds={DAY}" / name).write_bytes(cut)
    with pytest.raises(LandingFileBroken, match=rf"{name}.*{DAY}"):
        run_days("traffic.land", DAY)
    assert [row["event_id"] for row in rows_of("traffic.events", "event_id")] == ["e1"]
    (Path(lake.landing) / f"received_ds={DAY}" / name).unlink()
    assert len(landing_files(lake.landing, date.fromisoformat(DAY))) == 1


@pytest.mark.nightly
def test_a_late_event_marks_its_day_and_the_later_days_of_its_conversation(
    put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    put_events(DAY, [event("e1"), response("r1", "10:01:00")])
    put_events(NEXT, [event("e2", day=NEXT), response("r2", "10:01:00", NEXT)])
    jobs = (
        "traffic.land",
        "traffic.turns",
        "traffic.conversations",
        "traffic.characters",
        "experiments.assignments",
    )
    for job in jobs:
        run_days(job, f"{DAY}..{NEXT}")
    assert marks(lake) == set()
    late = "2026-03-03"
    put_events(late, [event("e0", "09:00:00", received_ts=f"{late}T01:00:00Z")])
    run_days("traffic.land", late)
    assert marks(lake) == {("traffic.turns", DAY), ("traffic.turns", NEXT), ("traffic.conversations", DAY)}
    run_days("traffic.turns", f"{DAY}..{NEXT}")
    run_days("traffic.conversations", f"{DAY}..{NEXT}")
    assert marks(lake) == set()
    assert [row["user_message"] for row in rows_of("traffic.turns", "turn_id", "user_message")] == [
        "e0\ne1",
        "e2",
    ]


def test_what_looks_back_at_events_is_marked_for_the_days_after_them(
    spark: SparkSession, settings: Settings
) -> None:
    days = [date(2026, 3, n) for n in range(1, 12)]
    ran = {
        "experiments.covariates": set(days),
        "experiments.unit_totals": set(days[:3]),
        "traffic.turns": set(),
    }
    columns = "event_type string, event_ts timestamp, received_ds date, conversation_id string, ds date"
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC)
    new = spark.createDataFrame([("message", moment, date(2026, 3, 4), "c", moment.date())], columns)
    found = stale_days(new, new.limit(0), ran, settings)
    assert found == {"experiments.covariates": days[1:9], "experiments.unit_totals": days[1:2]}


def test_a_received_day_without_files_is_landed_as_empty(run_days: Any, rows_of: Any, lake: Lake) -> None:
    run_days("traffic.land", DAY)
    assert books(lake)[DAY] == (0, 0, {})
    assert rows_of("traffic.events") == []
