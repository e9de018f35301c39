"""Chat-log lines become events: what is known is kept, what is invented is flagged, every line is in the books."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InputDamaged, SettingsError
from infra.ids import id_of
from jobs.landing.zone import landing_days, landing_files
from jobs.traffic.importers import ImportOptions, ImportReport, import_chats
from jobs.traffic.importers.chat import Chat, Message
from jobs.traffic.importers.events import Calendar, chat_events
from jobs.traffic.parse import Landed, LandingRules, parse_file

START = date(2026, 3, 1)
OPTIONS = ImportOptions(START, 5)
RULES = LandingRules(1_000_000, timedelta(days=30), timedelta(minutes=5), b"key")
CHAT: dict[str, Any] = {
    "source": "logs", "conversation_id": "logs/1", "language": "en", "user_id": "U7", "model": "B1", "rating": 4,
    "character": {"id": "c_1", "name": "Ada", "persona": ["kind"]},
    "started_at": "2018-10-29 03:32:08", "ended_at": "2018-10-29 03:35:08",
    "messages": [
        {"role": "character", "content": "hi"},
        {"role": "user", "content": "a"}, {"role": "user", "content": "b", "sentiment": "glad"},
        {"role": "character", "content": "c", "thumb": 1}, {"role": "character", "content": "d", "thumb": 0},
    ],
}  # fmt: skip


def known_as(conversation_id: str) -> str:
    return id_of("conversation", conversation_id, RULES.user_key)


def write(path: Path, lines: list[Any]) -> Path:
    text = b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def imported(inputs: Path | list[Path], landing: Path, options: ImportOptions) -> ImportReport:
    return import_chats(inputs, landing, options, "chatlogs")


def landed(landing: Path) -> list[Landed]:
    files = [file for day in landing_days(str(landing)) for file in landing_files(str(landing), day)]
    return [row for file in files for row in parse_file(file, RULES)]


def test_a_conversation_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "logs.jsonl", [CHAT])
    report = imported(tmp_path / "logs.jsonl", tmp_path / "landing", OPTIONS)
    events = [row.event for row in landed(tmp_path / "landing") if row.event]
    assert report.events == Counter(e.event_type for e in events)
    assert report.events == {"character_update": 1, "message": 2, "response": 2, "reaction": 2}
    chat = sorted(
        (e for e in events if e.event_type != "character_update"), key=lambda e: (e.event_ts, e.event_id)
    )
    payloads = [json.loads(e.payload) for e in chat]
    assert [e.event_type for e in chat] == [
        "response",
        "message",
        "message",
        "response",
        "reaction",
        "reaction",
    ]
    assert [p.get("text") for p in payloads] == ["hi", "a", "b", "c\nd", None, None]
    assert [p["reaction"] for p in payloads[4:]] == ["thumb_up", "thumb_down"]
    assert {e.turn_id for e in chat[3:]} == {f"{known_as('logs/1')}:00004"}
    assert all(p["is_synthetic_time"] for p in payloads)
    assert not any("is_synthetic_user" in p or "is_synthetic_model" in p for p in payloads)
    assert payloads[0]["conversation_rating"] == 4
    assert payloads[0]["logged_session"]["started_at"] == "2018-10-29T03:32:08+00:00"
    assert payloads[2]["sentiment"] == "glad"
    # Moved into the range by whole days: the clock time and the pace are the log's.
    assert chat[0].event_ts == datetime(2026, 3, 1, 3, 32, 8, tzinfo=UTC)
    assert chat[3].event_ts - chat[0].event_ts == timedelta(minutes=3)
    kept = imported(tmp_path / "logs.jsonl", tmp_path / "kept", ImportOptions(START, 5, real_times="keep"))
    assert (kept.first_day, kept.last_day) == (date(2018, 10, 29), date(2018, 10, 29))
    assert not [row.reason for row in landed(tmp_path / "kept") if row.reason]


def test_every_response_says_whether_its_log_records_thumbs(tmp_path: Path) -> None:
    silent = {"role": "character", "content": "e"}
    chats = [
        CHAT,
        CHAT | {"conversation_id": "logs/2", "messages": [silent]},
        CHAT | {"conversation_id": "none/1", "source": "none", "messages": [silent | {"thumb": None}]},
    ]
    write(tmp_path / "logs.jsonl", chats)
    imported(tmp_path / "logs.jsonl", tmp_path / "landing", OPTIONS)
    events = [row.event for row in landed(tmp_path / "landing") if row.event]
    logs = {
        (event.conversation_id, tuple(json.loads(event.payload).get("logged_signals", ())))
        for event in events
        if event.event_type == "response"
    }
    thumbs = ("thumb_up", "thumb_down")
    assert logs == {(known_as("logs/1"), thumbs), (known_as("logs/2"), thumbs), (known_as("none/1"), ())}


def test_every_line_is_a_conversation_or_quarantined_under_its_own_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    bad = [b"{", b"", {"messages": []}, {"messages": [{"role": "bot", "content": "x"}]}, {"messages": 3}, {}]
    write(folder / "deep" / "one two.jsonl.gz", [CHAT, *bad, {**CHAT, "started_at": "soon"}])
    write(folder / "b.jsonl", [{"messages": [{"role": "user", "content": "q"}]}])
    report = imported(folder, tmp_path / "landing", OPTIONS)
    assert (report.files, report.lines, report.conversations) == (2, 8, 2)
    assert report.lines == report.conversations + sum(report.rejected.values())
    refused = [row for row in landed(tmp_path / "landing") if row.reason]
    assert [(row.source_file.partition("!")[2], row.line, row.reason) for row in refused] == [
        ("deep/one two.jsonl.gz", 2, "import:malformed_json"),
        ("deep/one two.jsonl.gz", 4, "import:no_messages"),
        ("deep/one two.jsonl.gz", 5, "import:unknown_role"),
        ("deep/one two.jsonl.gz", 6, "import:wrong_type:messages"),
        ("deep/one two.jsonl.gz", 7, "import:missing_field:messages"),
        ("deep/one two.jsonl.gz", 8, "import:bad_timestamp:started_at"),
    ]


def test_the_same_import_is_the_same_bytes_and_touches_nothing_twice(tmp_path: Path) -> None:
    source = write(tmp_path / "logs.jsonl", [{**CHAT, "conversation_id": f"x/{n}"} for n in range(20)])

    def contents(landing: Path) -> dict[str, tuple[bytes, int]]:
        found = sorted(landing.rglob("*.gz"))
        return {str(p.relative_to(landing)): (p.read_bytes(), p.stat().st_mtime_ns) for p in found}

    imported(source, tmp_path / "one", OPTIONS)
    first = contents(tmp_path / "one")
    imported(source, tmp_path / "one", OPTIONS)
    assert contents(tmp_path / "one") == first
    imported(source, tmp_path / "two", OPTIONS)
    assert {name: data for name, (data, _) in contents(tmp_path / "two").items()} == {
        name: data for name, (data, _) in first.items()
    }


def test_a_log_that_is_cut_short_imports_nothing(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.jsonl.gz", [CHAT] * 5).read_bytes()
    (tmp_path / "b.jsonl.gz").write_bytes(whole[:-9])
    with pytest.raises(InputDamaged, match=r"b\.jsonl\.gz"):
        imported([tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"], tmp_path / "landing", OPTIONS)
    assert not list((tmp_path / "landing").rglob("*.gz*"))


def test_what_cannot_be_imported_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="366"):
        ImportOptions(START, 0)
    with pytest.raises(SettingsError, match=r"no \.jsonl"):
        imported(tmp_path, tmp_path / "landing", OPTIONS)
    with pytest.raises(SettingsError, match="does not exist"):
        imported(tmp_path / "gone", tmp_path / "landing", OPTIONS)


@given(
    st.lists(st.sampled_from(["user", "character"]), min_size=1, max_size=30),
    st.integers(0, 5),
    st.none()
    | st.datetimes(datetime(2018, 1, 1), datetime(2018, 12, 30)).map(lambda t: t.replace(tzinfo=UTC)),
)
def test_events_stay_in_the_range_and_in_order(roles: list[Any], seed: int, started: datetime | None) -> None:
    first, last = datetime(2018, 1, 1, tzinfo=UTC), datetime(2018, 12, 31, tzinfo=UTC)
    messages = tuple(Message(role, str(n)) for n, role in enumerate(roles))
    chat = Chat("c", "d", None, None, None, None, started, None, messages)
    options = ImportOptions(START, 3, seed)
    events = list(chat_events(chat, Calendar(options, first, last)))
    days = {event["event_ts"][:10] for event in events}
    assert days <= {"2026-03-01", "2026-03-02", "2026-03-03"}
    order = [(event["event_ts"], event["event_id"]) for event in events]
    assert order == sorted(order)
    texts = "\n".join(event["payload"]["text"] for event in events)
    assert texts == "\n".join(str(n) for n in range(len(roles)))
    assert events == list(chat_events(chat, Calendar(options, first, last)))


def test_compressed_real_times_keep_their_order() -> None:
    starts = [datetime(2018, 10, 1, tzinfo=UTC) + timedelta(days=n, hours=n) for n in range(40)]
    calendar = Calendar(ImportOptions(START, 7), starts[0], starts[-1])
    chats = [
        Chat(f"c{n}", "d", None, None, None, None, t, None, (Message("user", "x"),))
        for n, t in enumerate(starts)
    ]
    placed = [calendar.times(chat)[0] for chat in chats]
    assert placed == sorted(set(placed))
    assert {moment.date() for moment in placed} == {START + timedelta(days=n) for n in range(7)}


def test_a_conversation_of_years_is_put_into_the_days_of_the_import() -> None:
    start = datetime(2021, 5, 1, tzinfo=UTC)
    gaps = [0, 20, 40, 86_400 * 300, 30, 86_400 * 400, 10, 7_200]
    moments = [start + timedelta(seconds=sum(gaps[: n + 1])) for n in range(len(gaps))]
    messages = tuple(Message("user", str(n), moment) for n, moment in enumerate(moments))
    chat = Chat("c", "d", None, None, "u", None, None, None, messages)
    placed = Calendar(ImportOptions(START, 7), moments[0], moments[-1]).times(chat)
    assert placed == sorted(placed)
    assert START <= placed[0].date() <= placed[-1].date() < START + timedelta(days=7)
    kept = [(after - before).total_seconds() for before, after in pairwise(placed)]
    # The pace of each session stays; long silences share what room there is.
    assert [round(kept[n], 3) for n in (0, 1, 3, 5)] == [20, 40, 30, 10]
    assert min(kept[2], kept[4]) > 86_400
    assert 3_600 < kept[6] < 3_700
    squeezed = chat_events(chat, Calendar(ImportOptions(START, 7), moments[0], moments[-1]))
    invented = [event["payload"].get("is_synthetic_time", False) for event in squeezed]
    assert invented == [False] * 3 + [True] * 5
    still = Calendar(ImportOptions(START, 7, real_times="keep"), moments[0], moments[-1]).times(chat)
    assert still == moments


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "conversations", "with_users"),
    [
        ("convai2_volunteers.jsonl.gz", 1_111, 1_111),
        pytest.param("", 14_578, 1_111, marks=pytest.mark.nightly, id="all"),
    ],
)
def test_the_real_logs_add_up(
    shared_data: Path, tmp_path: Path, name: str, conversations: int, with_users: int
) -> None:
    place = shared_data / "chatlogs" / name
    expected: Counter[str] = Counter()
    for path in [place] if name else place.glob("*.jsonl.gz"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            chat = json.loads(line)
            expected["conversations"] += 1
            before = None
            for message in chat["messages"]:
                role = message["role"]
                expected["message"] += role == "user"
                expected["response"] += role == "character" and before != "character"
                expected["reaction"] += role == "character" and message.get("thumb") is not None
                before = role
    report = imported(place, tmp_path, ImportOptions(START, 7))
    assert report.lines == report.conversations == expected.pop("conversations") == conversations
    assert not report.rejected
    assert {kind: n for kind, n in report.events.items() if kind != "character_update"} == expected
    assert report.synthetic["user"] == report.conversations - with_users
    lines = sum(gzip.decompress(path.read_bytes()).count(b"\n") for path in tmp_path.rglob("*.gz"))
    assert lines == sum(report.events.values())
