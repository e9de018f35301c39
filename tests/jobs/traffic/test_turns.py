"""What a turn is, on conversations written out by hand, and that nothing but the events decides it."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from infra.lake import Lake, ledger
from jobs.traffic.conversations import summarise
from jobs.traffic.turns import TurnRules, assemble_turns, count_left_out, placed_chat, split_of, with_language

RULES = TurnRules(30, "salt", 0.3)
START = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
SCHEMA = (
    "event_id string, event_ts timestamp, event_type string, source string, surface string, user_id string, "
    "conversation_id string, turn_id string, character_id string, model_version string, locale string, "
    "payload string, ds date"
)
KINDS = {"m": "message", "r": "response", "x": "reaction"}


def row(number: int, minute: float, kind: str, **fields: Any) -> dict[str, Any]:
    """Event `number` of conversation c, some minutes after the start; kind m, r or x."""
    moment = START + timedelta(minutes=minute)
    name = f"{fields.get('conversation_id', 'c')}{number:03d}"
    return {
        "event_id": name, "event_ts": moment, "event_type": KINDS[kind], "source": "user", "surface": "web",
        "user_id": "u", "conversation_id": "c", "turn_id": f"t-{name}" if kind == "r" else None, "character_id": "k",
        "model_version": "V1" if kind == "r" else None, "locale": None, "payload": json.dumps({"text": name}),
        "ds": moment.date(), **fields,
    }  # fmt: skip


def frame(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    return spark.createDataFrame([tuple(one[name] for name in names) for one in rows], SCHEMA)


def turns_of(spark: SparkSession, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        one["turn_id"].removeprefix("t-"): one.asDict()
        for one in assemble_turns(frame(spark, rows), RULES).collect()
    }


CONVERSATION = [
    row(1, 0, "r"),  # greeting
    row(2, 1, "m"),
    row(3, 2, "m"),  # joined to the one before
    row(4, 3, "r"),
    row(5, 4, "r"),  # regenerated
    row(6, 20, "m"),  # never answered before the silence, joined to the next message
    row(7, 50, "m"),  # 30 minutes later: a new session; the next UTC day
    row(8, 51, "r"),
    row(9, 52, "m", payload=json.dumps({"text": "bye", "is_synthetic_time": True})),
]


def test_a_conversation_by_hand(spark: SparkSession) -> None:
    turns = turns_of(spark, CONVERSATION)
    found = {
        name: (t["turn_index"], t["session_turn_index"], t["session_id"], t["is_final"], t["user_message"])
        for name, t in turns.items()
    }
    assert found == {
        "c001": (0, 0, "c#0", True, None),
        "c004": (1, 1, "c#0", False, "c002\nc003"),
        "c005": (1, 1, "c#0", True, "c002\nc003"),
        "c008": (2, 1, "c#1", True, "c006\nc007"),
    }
    assert turns["c008"]["message_ts"] == datetime(2026, 3, 2, 0, 20)
    assert turns["c001"]["message_ts"] is None
    assert [str(turns[name]["ds"]) for name in ("c005", "c008")] == ["2026-03-01", "2026-03-02"]
    assert turns["c008"]["locale"] == "und"
    assert not any(turn["is_synthetic_time"] for turn in turns.values())


def test_what_is_in_no_turn_is_counted(spark: SparkSession) -> None:
    about = [
        row(10, 53, "x", turn_id="t-c008"),
        row(11, 53, "x", turn_id="t-gone"),
        row(12, 53, "x", turn_id="t-d001"),
    ]
    elsewhere = [row(1, 0, "r", conversation_id="d")]
    events = frame(spark, CONVERSATION + about + elsewhere)
    days = [one["ds"] for one in CONVERSATION]
    counts = count_left_out(placed_chat(events, RULES), events, days)
    assert counts == {days[-1]: {"unanswered_message": 1, "orphan_reaction": 2}}


def test_a_conversation_is_summarised(spark: SparkSession) -> None:
    (found,) = summarise(frame(spark, CONVERSATION)).collect()
    assert (found["turns"], found["user_messages"], found["unanswered_messages"]) == (4, 5, 1)
    assert (found["started_ts"], found["last_ts"]) == (
        datetime(2026, 3, 1, 23, 30),
        datetime(2026, 3, 2, 0, 22),
    )


def test_equal_times_are_ordered_by_id_and_synthetic_times_are_told(spark: SparkSession) -> None:
    rows = [
        row(3, 0, "r", payload=json.dumps({"text": "a"})),
        row(1, 0, "m", payload=json.dumps({"text": "q", "is_synthetic_time": True}), locale="es"),
        row(2, 0, "r"),
    ]
    turns = turns_of(spark, rows)
    assert (turns["c002"]["is_final"], turns["c003"]["is_final"]) == (False, True)
    assert turns["c003"]["is_synthetic_time"]
    assert (turns["c003"]["user_message"], turns["c003"]["locale"]) == ("q", "es")


def test_language_is_of_the_user_message_or_else_of_the_response(spark: SparkSession) -> None:
    said = json.dumps({"text": "¿Dónde está la biblioteca, por favor?"})
    english = json.dumps({"text": "The library is just around the corner."})
    rows = [row(1, 0, "r", payload=english), row(2, 1, "m", payload=said), row(3, 2, "r", payload=english)]
    found = with_language(assemble_turns(frame(spark, rows), RULES)).select("turn_id", "language").collect()
    assert {one["turn_id"]: one["language"] for one in found} == {"t-c001": "en", "t-c003": "es"}


def test_the_split_is_a_salted_hash_of_the_user(spark: SparkSession) -> None:
    users = [f"u{n}" for n in range(500)]
    found = spark.createDataFrame([(u,) for u in users], "user_id string").select(
        "user_id", split_of("user_id", RULES)
    )
    evaluation = {one[0] for one in found.collect() if one[1] == "evaluation"}

    def share(user: str) -> float:
        return int(hashlib.sha256(f"salt:{user}".encode()).hexdigest()[:13], 16) / 16**13

    assert evaluation == {user for user in users if share(user) < 0.3}
    assert 100 < len(evaluation) < 200


def by_the_book(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The same rules in plain Python, one event at a time."""
    turns: dict[str, tuple[Any, ...]] = {}
    latest: dict[tuple[str, int], str] = {}
    for conversation in sorted({one["conversation_id"] for one in rows}):
        index = session = 0
        texts: list[str] = []
        last: dict[str, Any] | None = None
        ours = [one for one in rows if one["conversation_id"] == conversation]
        for one in sorted(ours, key=lambda e: (e["event_ts"], e["event_id"])):
            if last and one["event_ts"] - last["event_ts"] >= timedelta(minutes=30):
                session += 1
            if one["event_type"] == "message":
                if not last or last["event_type"] != "message":
                    index, texts = index + 1, []
                texts.append(one["event_id"])
            else:
                name = one["event_id"]
                turns[name] = (index, f"{conversation}#{session}", "\n".join(texts) if index else None)
                latest[conversation, index] = name
            last = one
    final = set(latest.values())
    return {name: (*turn, name in final) for name, turn in turns.items()}


conversations = st.lists(
    st.tuples(st.sampled_from("cd"), st.sampled_from("mr"), st.sampled_from([0, 1, 29, 30, 400])),
    min_size=1,
    max_size=14,
)


@given(conversations, st.randoms(use_true_random=False), st.integers(1, 3))
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_and_partitions_do_not_matter(
    spark: SparkSession, steps: list[tuple[str, str, int]], order: random.Random, partitions: int
) -> None:
    rows, minute = [], 0
    for number, (conversation, kind, gap) in enumerate(steps):
        minute += gap
        rows.append(row(number, minute, kind, conversation_id=conversation))
    expected = by_the_book(rows)
    order.shuffle(rows)
    found = assemble_turns(frame(spark, rows).repartition(partitions), RULES).collect()
    assert {
        t["turn_id"].removeprefix("t-"): (t["turn_index"], t["session_id"], t["user_message"], t["is_final"])
        for t in found
    } == expected


STAMPED = [
    ("2026-03-01T10:00:00Z", "m"), ("2026-03-01T10:01:00Z", "r"), ("2026-03-02T09:00:00Z", "r"),
    ("2026-03-02T09:10:00Z", "m"), ("2026-03-02T09:11:00Z", "r"), ("2026-03-02T09:12:00Z", "m"),
]  # fmt: skip
EXPECTED = [
    ("t1", 1, False, "text 0", "internal"),
    ("t2", 1, True, "text 0", "internal"),
    ("t4", 2, True, "text 3", "internal"),
]


def logged(day: str) -> list[dict[str, Any]]:
    """The lines of STAMPED that happened on a day."""
    return [
        {
            "event_id": f"e{n}", "event_ts": time, "received_ts": time, "event_type": KINDS[kind],
            "source": "internal", "user_id": "u", "conversation_id": "c", "turn_id": f"t{n}",
            "model_version": "V1", "payload": {"text": f"text {n}"},
        }
        for n, (time, kind) in enumerate(STAMPED)
        if time.startswith(day)
    ]  # fmt: skip


@pytest.mark.nightly
def test_how_the_range_is_cut_does_not_matter(put_events: Any, run_days: Any, rows_of: Any) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        put_events(day, logged(day))
    run_days("traffic.land", "2026-03-01..2026-03-02")
    columns = ("turn_id", "turn_index", "is_final", "user_message", "source")
    for part in ("2026-03-02", "2026-03-01"):
        run_days("traffic.turns", part)
    assert [tuple(one.values()) for one in rows_of("traffic.turns", *columns)] == EXPECTED
    day_by_day = rows_of("traffic.turns")
    run_days("traffic.turns", "2026-03-01..2026-03-02", force=True)
    assert rows_of("traffic.turns") == day_by_day


@pytest.mark.nightly
def test_a_response_of_the_next_day_makes_yesterday_stale(
    put_events: Any, run_days: Any, rows_of: Any, lake: Lake
) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        put_events(day, logged(day))
        run_days("traffic.land", day)
        run_days("traffic.turns", day)
    assert [(m.job, str(m.ds), m.cause) for m in ledger.open_marks(lake)] == [
        ("traffic.turns", "2026-03-01", "changed_turns")
    ]
    run_days("traffic.turns", "2026-03-01..2026-03-02")
    assert ledger.open_marks(lake) == []
    columns = ("turn_id", "turn_index", "is_final", "user_message", "source")
    assert [tuple(one.values()) for one in rows_of("traffic.turns", *columns)] == EXPECTED
    accounts = ledger.query(
        lake,
        """SELECT CAST(ds AS VARCHAR), rows_in, rows_out, rows_rejected FROM ops_runs
           WHERE table_name = 'traffic.turns' ORDER BY ended_ts DESC, ds LIMIT 1""",
        [],
        ["ops.runs"],
    )
    assert accounts[0][1] == accounts[0][2] + sum(dict(accounts[0][3]).values())
