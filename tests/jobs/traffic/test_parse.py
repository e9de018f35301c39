"""One landed line: an event in the table's columns, or a reason that holds nothing of the line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import LandingFileBroken
from infra.ids import pseudonym
from infra.records import RawRow, refusal_of
from jobs.landing.zone import LandingFile, day_folder
from jobs.traffic.parse import LandingRules, parse_file, parse_row, parse_time

DAY = date(2026, 3, 1)
RULES = LandingRules(4_000, timedelta(days=30), timedelta(minutes=5), b"test key")
FILE = LandingFile("landing", f"{day_folder(DAY)}/a.jsonl", DAY, 0, 0)
MESSAGE: dict[str, Any] = {
    "event_id": "e1",
    "event_ts": "2026-03-01T10:00:00+02:00",
    "received_ts": "2026-03-01T08:00:01Z",
    "event_type": "message",
    "source": "user",
    "user_id": "alice@example.org",
    "conversation_id": "c1",
    "payload": {"text": "hello"},
}


def outcome(content: Any) -> str | None:
    line = content if isinstance(content, bytes) else json.dumps(content).encode()
    landed = parse_row(RawRow(7, line, True), FILE, RULES)
    assert (landed.event is None) == (landed.reason is not None)
    assert (landed.source_file, landed.line) == (FILE.name, 7)
    return landed.reason


def changed(**fields: Any) -> dict[str, Any]:
    return {**MESSAGE, **fields}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in MESSAGE.items() if key != name}


def test_an_event_has_utc_times_a_hashed_user_and_its_unknown_fields_kept() -> None:
    line = json.dumps(changed(app="3.1", reporter={"id": "alice@example.org"}, locale="pt_BR")).encode()
    landed = parse_row(RawRow(1, line, True), FILE, RULES)
    event = landed.event
    assert event is not None
    assert event.event_ts == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert event.user_id == pseudonym("alice@example.org", b"test key")
    assert event.user_id != pseudonym("alice@example.org", b"other key")
    assert event.locale == "pt-BR"
    assert json.loads(event.payload) == {
        "extra": {"app": "3.1", "reporter": {"id": event.user_id}},
        "text": "hello",
    }
    assert "alice" not in repr(landed)


def test_equal_payloads_are_equal_text_whatever_the_key_order() -> None:
    one = b'{"payload":{"text":"h\\u00e9","b":1,"a":2},' + json.dumps(without("payload")).encode()[1:]
    two = '{"payload":{"a":2,"text":"hé","b":1},'.encode() + json.dumps(without("payload")).encode()[1:]
    first, second = (parse_row(RawRow(1, line, True), FILE, RULES).event for line in (one, two))
    assert first is not None
    assert first == second


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "malformed_json"),
        (b"  \t ", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[1, 2]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"\xff\xfe{\x00}\x00", "not_utf8"),
        (b'{"event_id": "a", "event_id": "b"}', "duplicate_key"),
        (b'{"payload": NaN}', "malformed_json"),
        (b'{"n": ' + b"9" * 4_500 + b"}", "malformed_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", "too_deep"),
        (changed(payload={"text": "\ud83d"}), "bad_unicode"),
        (json.dumps(changed()).replace('"hello"', "1e999").encode(), "malformed_json"),
        (
            json.dumps(changed(payload={"text": "a", "x": 1})).replace("1}", "1e999}").encode(),
            "malformed_json",
        ),
        (without("event_id"), "missing_field:event_id"),
        (without("event_ts"), "missing_field:event_ts"),
        (without("user_id"), "missing_field:user_id"),
        (without("conversation_id"), "missing_field:conversation_id"),
        (without("source"), "missing_field:source"),
        (without("event_type"), "missing_field:event_type"),
        (without("payload"), "missing_field:payload.text"),
        (changed(event_id=""), "missing_field:event_id"),
        (changed(event_id=5), "wrong_type:event_id"),
        (changed(user_id=["a"]), "wrong_type:user_id"),
        (changed(surface=3), "wrong_type:surface"),
        (changed(payload="text"), "wrong_type:payload"),
        (changed(payload={"text": 5}), "wrong_type:payload.text"),
        (changed(payload={"text": "a", "is_synthetic_time": 1}), "wrong_type:payload.is_synthetic_time"),
        (changed(conversation_id="c" * 600), "too_long:conversation_id"),
        (changed(event_type="click"), "unknown_event_type"),
        (changed(source="partner"), "unknown_source"),
        (changed(event_ts="2026-03-01T10:00:00"), "bad_timestamp"),
        (changed(event_ts="yesterday"), "bad_timestamp"),
        (changed(event_ts="0001-01-01T00:00:00+14:00"), "bad_timestamp"),
        (changed(event_ts=1772352000), "wrong_type:event_ts"),
        (changed(received_ts="soon"), "bad_timestamp:received_ts"),
        (changed(received_ts="2026-05-01T08:00:00Z"), "received_ts_outside_day"),
        (changed(event_ts="2026-03-01T08:05:01Z"), None),
        (changed(event_ts="2026-03-01T08:05:02Z"), "future"),
        (changed(event_ts="2026-01-30T08:00:01Z"), None),
        (changed(event_ts="2026-01-30T08:00:00Z"), "too_late"),
        (changed(event_type="response"), "missing_field:turn_id"),
        (changed(event_type="response", turn_id="t"), "missing_field:model_version"),
        (changed(event_type="reaction", turn_id="t", payload={}), "missing_field:payload.reaction"),
        (changed(event_type="regenerate", turn_id="t", payload=None), None),
        (changed(event_type="exposure", payload={"experiment_id": "x"}), "missing_field:payload.arm"),
        (
            changed(event_type="exposure", payload={"experiment_id": "x", "arm": "a", "assigned_ts": "no"}),
            "bad_timestamp:payload.assigned_ts",
        ),
        (changed(event_type="character_update"), "missing_field:character_id"),
        (
            changed(event_type="character_update", character_id="k", payload={"traits": [1]}),
            "wrong_type:payload.traits",
        ),
        (changed(locale="???"), None),
    ],
)
def test_what_is_no_event_has_a_reason(content: Any, reason: str | None) -> None:
    assert outcome(content) == reason


def test_a_line_that_was_too_long_to_hold_is_too_large() -> None:
    assert parse_row(RawRow(1, None, True), FILE, RULES).reason == "too_large"


def test_without_a_received_time_the_noon_of_the_received_day_counts() -> None:
    event = parse_row(RawRow(1, json.dumps(without("received_ts")).encode(), True), FILE, RULES).event
    assert event is not None
    assert event.received_ts == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_character_needs_no_user_and_its_creator_is_hashed() -> None:
    update = without("user_id") | {
        "event_type": "character_update",
        "character_id": "k1",
        "payload": {"name": "Ada", "traits": ["kind"], "creator_id": "bob"},
    }
    event = parse_row(RawRow(1, json.dumps(update).encode(), True), FILE, RULES).event
    assert event is not None
    assert event.user_id is None
    assert json.loads(event.payload)["creator_id"] == pseudonym("bob", b"test key")


def test_nothing_of_an_erased_user_is_landed_again() -> None:
    gone = replace(RULES, erased=frozenset({pseudonym("alice@example.org", RULES.user_key)}))

    def fate(**fields: Any) -> str | None:
        return parse_row(RawRow(1, json.dumps(changed(**fields)).encode(), True), FILE, gone).reason

    character = {"event_type": "character_update", "character_id": "k", "user_id": None}
    assert fate() == "erased_user"
    assert fate(user_id="bob") is None
    assert fate(**character, payload={"creator_id": "alice@example.org"}) == "erased_user"
    assert fate(**character, payload={"creator_id": "bob"}) is None
    assert outcome({"event_type": "erased"}) == "erased_user"


def test_an_importers_refusal_is_quarantined_under_the_line_it_came_from() -> None:
    note = {
        "event_type": "import_rejected",
        "origin_file": "x/y.jsonl",
        "origin_line": 3,
        "reason": "too_deep",
    }
    landed = parse_row(RawRow(9, json.dumps(note).encode(), True), FILE, RULES)
    assert (landed.source_file, landed.line, landed.reason) == (
        f"{FILE.name}!x/y.jsonl",
        3,
        "import:too_deep",
    )
    assert outcome({**note, "reason": "said: my number is 555"}) == "wrong_type:reason"
    assert outcome({**note, "origin_line": True}) == "wrong_type:origin"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | st.dictionaries(st.sampled_from([*MESSAGE, "turn_id", "zz"]), json_values).map(
    lambda fields: json.dumps({**MESSAGE, **fields}).encode()
))  # fmt: skip
def test_no_content_breaks_the_parser_or_shows_in_the_reason(line: bytes) -> None:
    reason = outcome(line)
    assert reason is None or (reason.isascii() and len(reason) < 60)


def test_a_half_written_last_line_is_an_error_but_a_complete_one_without_newline_is_not(
    tmp_path: Path,
) -> None:
    line = json.dumps(MESSAGE).encode()
    path = tmp_path / FILE.name
    path.parent.mkdir()
    file = LandingFile(str(tmp_path), FILE.name, DAY, 1, 0)
    path.write_bytes(line + b"\n{broken\n" + line)
    assert [landed.reason for landed in parse_file(file, RULES)] == [None, "malformed_json", None]
    path.write_bytes(line + b"\n" + line[:-5])
    with pytest.raises(LandingFileBroken, match="middle of its last line"):
        list(parse_file(file, RULES))


def test_parquet_rows_are_judged_one_by_one(tmp_path: Path) -> None:
    rows = [
        changed(payload=json.dumps(MESSAGE["payload"])),
        changed(payload="{", event_id="e2"),
        changed(payload=None, event_id="e3"),
        changed(payload='{"text": "x"}', event_id="e4", note=None),
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in MESSAGE]))
    file = LandingFile(str(tmp_path), f"{day_folder(DAY)}/a.parquet", DAY, 1, 0)
    (tmp_path / file.name).parent.mkdir()
    sink = io.BytesIO()
    pq.write_table(table.append_column("device", pa.array([{"os": "x"}] * 4)), sink)
    (tmp_path / file.name).write_bytes(sink.getvalue())
    landed = list(parse_file(file, RULES))
    assert [row.reason for row in landed] == [None, "malformed_json", "missing_field:payload.text", None]
    assert landed[0].event is not None
    assert json.loads(landed[0].event.payload)["extra"] == {"device": {"os": "x"}}


def test_times() -> None:
    assert parse_time("2026-03-01T00:00:00.123456+05:30") == datetime(2026, 2, 28, 18, 30, 0, 123456, UTC)
    assert parse_time("2026-03-01") is None
    assert parse_time(None) is None


def test_refusals_for_importers() -> None:
    assert refusal_of(b'{"a": 1}') == ({"a": 1}, None)
    assert refusal_of(b'{"a": 1') == (None, "malformed_json")
