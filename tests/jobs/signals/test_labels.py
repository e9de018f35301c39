"""What users did, by hand and against the rules in plain Python; the next day and late events settle what was open."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from infra.errors import SettingsError
from infra.lake import Lake, ledger
from infra.settings import Settings, SignalsSettings, TurnsSettings
from jobs.plan import Plan
from jobs.signals import LABELS
from jobs.signals.labels import LabelRules, label, observed_until
from jobs.traffic.turns import TurnRules, assemble_turns

RULES = LabelRules(10, 120, 30, 60, (1, 5, 20), 1)
START = datetime(2026, 3, 1, 21, tzinfo=UTC)
DAY = START.date()
SCHEMA = (
    "event_id string, event_ts timestamp, event_type string, source string, surface string, user_id string, "
    "conversation_id string, turn_id string, character_id string, model_version string, locale string, "
    "payload string, ds date"
)
SIGNALS = ("love", "thumb_up", "thumb_down", "emoji_reaction", "feedback", "regenerated")
KINDS = {"m": "message", "r": "response", "f": "feedback", "g": "regenerate"}


def event(number: int, minute: float, kind: str, about: int | None = None, **payload: Any) -> dict[str, Any]:
    """Event `number`, some minutes after the start: m, r, f, g, or the name of a reaction to response `about`."""
    moment = START + timedelta(minutes=minute)
    said = payload if kind in KINDS else {"reaction": kind, **payload}
    turn = number if kind == "r" else about
    return {
        "event_id": f"e{number:03d}", "event_ts": moment, "event_type": KINDS.get(kind, "reaction"), "source": "user",
        "surface": None, "user_id": "u", "conversation_id": "c", "turn_id": None if turn is None else f"t{turn}",
        "character_id": None, "model_version": "V1", "locale": None, "payload": json.dumps({"text": "x", **said}),
        "ds": moment.date(),
    }  # fmt: skip


def labels_of(
    spark: SparkSession, events: list[dict[str, Any]], until: datetime, partitions: int = 1
) -> dict[str, dict[str, Any]]:
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    rows = spark.createDataFrame([tuple(one[name] for name in names) for one in events], SCHEMA)
    rows = rows.repartition(partitions)
    turns = assemble_turns(rows, TurnRules(30, "salt", 0.1)).withColumn("language", F.lit("en"))
    days = {one["ds"] for one in events}
    observed = spark.createDataFrame([(day, until) for day in days], "ds date, observed_until_ts timestamp")
    return {row["turn_id"]: row.asDict() for row in label(turns, rows, observed, RULES).collect()}


def test_a_conversation_by_hand(spark: SparkSession) -> None:
    events = [
        event(1, 0, "r"),  # a greeting, answered in time
        event(2, 10, "m"),
        event(3, 11, "r"),  # superseded
        event(4, 11.5, "g", about=3),
        event(5, 12, "r"),  # answered after eleven minutes: not continued, same session
        event(6, 13, "thumb_up", about=5),
        event(7, 14, "love", about=5),
        event(8, 15, "love", about=5, removed=True),
        event(9, 23, "m"),
        event(10, 24, "r"),  # answered after half an hour: another session
        event(11, 54, "m"),
        event(12, 55, "r"),  # thumbs after two hours do not count; a reaction before it is a broken clock
        event(13, 50, "thumb_down", about=12),
        event(14, 176, "thumb_up", about=12),
        event(15, 176, "m"),
        event(16, 177, "r"),  # nine minutes of the last day, the reply on the next
        event(17, 186, "m"),
        event(18, 187, "🔥", about=16),
        event(19, 188, "f", about=16),
    ]
    found = labels_of(spark, events, START + timedelta(minutes=400))
    assert {name: (one["continued"], one["replied_in_session"]) for name, one in found.items()} == {
        "t1": (True, True),
        "t3": (None, None),
        "t5": (False, True),
        "t10": (False, False),
        "t12": (False, False),
        "t16": (True, True),
    }
    said = {name: {kind for kind in SIGNALS if one[kind]} for name, one in found.items()}
    assert said == {
        "t1": set(), "t3": {"regenerated"}, "t5": {"thumb_up"}, "t10": set(), "t12": set(),
        "t16": {"emoji_reaction", "feedback"},
    }  # fmt: skip
    assert all(one[kind] is not None for one in found.values() for kind in SIGNALS)
    assert [found[name]["depth_band"] for name in ("t1", "t3", "t16")] == ["1", "1", "2-5"]


def test_what_an_imported_log_never_records_is_not_known(spark: SparkSession) -> None:
    marks = {"dataset": "d", "is_synthetic_time": True}
    events = [
        event(1, 0, "m", **marks),
        event(2, 1, "r", **marks, logged_signals=["thumb_up", "thumb_down"]),
        event(3, 2, "m", **marks),
        event(4, 3, "r", dataset="with clock times"),
    ]
    found = labels_of(spark, events, START + timedelta(days=2))
    assert [found["t2"][name] for name in ("continued", "replied_in_session")] == [None, True]
    assert [found["t2"][name] for name in SIGNALS] == [None, False, False, None, None, None]
    assert [found["t4"][name] for name in SIGNALS] == [None] * 6


def by_the_book(events: list[dict[str, Any]], until: datetime) -> dict[str, dict[str, bool | None]]:
    """The same rules in plain Python, one response at a time."""
    chat = sorted(
        (one for one in events if one["event_type"] in ("message", "response")),
        key=lambda one: (one["event_ts"], one["event_id"]),
    )
    found: dict[str, dict[str, bool | None]] = {}
    for place, served in enumerate(chat):
        if served["event_type"] == "message":
            continue
        after = chat[place + 1] if place + 1 < len(chat) else None
        superseded = after is not None and after["event_type"] == "response"
        wait = after["event_ts"] - served["event_ts"] if after is not None else timedelta.max
        labels: dict[str, bool | None] = {"continued": None, "replied_in_session": None}
        if not superseded and served["event_ts"] + timedelta(minutes=10) <= until:
            labels["continued"] = wait <= timedelta(minutes=10)
        if not superseded and served["event_ts"] + timedelta(minutes=30) <= until:
            labels["replied_in_session"] = wait < timedelta(minutes=30)
        about = sorted(
            (
                one
                for one in events
                if one["turn_id"] == served["turn_id"]
                and one["event_type"] == "reaction"
                and timedelta(0) <= one["event_ts"] - served["event_ts"] <= timedelta(minutes=120)
            ),
            key=lambda one: (one["event_ts"], one["event_id"]),
        )
        for kind in ("love", "thumb_up", "thumb_down"):
            last = [json.loads(one["payload"]) for one in about]
            words = [word for word in last if word["reaction"] == kind]
            stands = bool(words) and not words[-1].get("removed", False)
            labels[kind] = stands if served["event_ts"] + timedelta(minutes=120) <= until else None
        found[served["turn_id"]] = labels
    return found


step = st.tuples(
    st.sampled_from(["m", "r", "r", "love", "thumb_down"]),
    st.sampled_from([0, 1, 10, 11, 30, 120]),
    st.booleans(),
)
conversations = st.lists(st.lists(step, min_size=1, max_size=12), min_size=8, max_size=12)


def conversation(name: int, steps: list[tuple[str, int, bool]]) -> list[dict[str, Any]]:
    first = name * 100
    events, minute, served = [event(first, 0, "r")], 0, [first]
    for number, (kind, gap, flag) in enumerate(steps, first + 1):
        minute += gap
        if kind in KINDS:
            events.append(event(number, minute, kind))
            served += [number] if kind == "r" else []
        else:
            about = served[-1] if flag else served[0]
            events.append(event(number, minute, kind, about=about, removed=flag and gap == 1))
    return [one | {"conversation_id": f"c{name}"} for one in events]


@given(
    conversations, st.randoms(use_true_random=False), st.integers(1, 3), st.sampled_from([0, 45, 200, 4000])
)
@hypothesis_settings(max_examples=3)
def test_only_the_events_decide_not_their_order(
    spark: SparkSession,
    chats: list[list[tuple[str, int, bool]]],
    order: random.Random,
    partitions: int,
    until: int,
) -> None:
    each = [conversation(name, steps) for name, steps in enumerate(chats)]
    end = START + timedelta(minutes=until)
    expected = {turn: labels for events in each for turn, labels in by_the_book(events, end).items()}
    events = [one for events in each for one in events]
    order.shuffle(events)
    found = labels_of(spark, events, end, partitions)
    assert {name: {kind: one[kind] for kind in expected[name]} for name, one in found.items()} == expected


def test_a_log_is_complete_to_the_end_of_the_landed_days() -> None:
    landed = {date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4), date(2026, 3, 5), date(2026, 3, 6)}
    rules = LabelRules(10, 120, 30, 60, (1, 5, 20), 2)
    found = observed_until([date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4)], landed, rules)
    assert found == {
        date(2026, 3, 1): datetime(2026, 3, 2, 23, tzinfo=UTC),
        date(2026, 3, 2): datetime(2026, 3, 2, 23, tzinfo=UTC),
        date(2026, 3, 4): datetime(2026, 3, 6, 23, tzinfo=UTC),
    }


def test_a_session_longer_than_the_look_ahead_is_refused(settings: Settings) -> None:
    longer = settings.model_copy(update={"turns": TurnsSettings(session_gap_minutes=2000)})
    with pytest.raises(SettingsError, match="session_gap_minutes"):
        LabelRules.of(longer)
    wide = longer.model_copy(update={"signals": SignalsSettings(reaction_minutes=2000)})
    assert LabelRules.of(wide).lookahead_days == 2


def logged(number: int, time: str, kind: str, received: str | None = None, **fields: Any) -> dict[str, Any]:
    payload = {"reaction": "thumb_up"} if kind == "reaction" else {"text": "x"}
    return {
        "event_id": f"e{number}", "event_ts": time, "received_ts": received or time, "event_type": kind,
        "source": "user", "user_id": "u", "conversation_id": "c", "model_version": "V1", "payload": payload, **fields,
    }  # fmt: skip


@pytest.mark.nightly
def test_the_next_day_and_late_events_settle_what_was_open(
    put_events: Any, run_days: Any, rows_of: Any, lake: Lake, settings: Settings
) -> None:
    first, second, fourth = "2026-03-01", "2026-03-02", "2026-03-04"
    day = [
        logged(1, f"{first}T10:00:00Z", "message"),
        logged(2, f"{first}T10:00:05Z", "response", turn_id="t1"),
        logged(3, f"{first}T23:58:00Z", "message"),
        logged(4, f"{first}T23:58:05Z", "response", turn_id="t2"),
    ]
    put_events(first, day)
    put_events(second, [logged(5, f"{second}T00:03:00Z", "message")])
    columns = ("turn_id", "continued", "thumb_up")

    def found() -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in rows_of("signals.labels", *columns)]

    def inputs() -> dict[str, str | None]:
        return Plan(settings).inputs(LABELS, (date.fromisoformat(first),))

    for job in ("traffic.land", "traffic.turns", "signals.labels"):
        run_days(job, first)
    assert found() == [("t1", False, False), ("t2", None, None)]
    before = inputs()
    # A thumb of the second day's first minutes, two days late: only the first day's labels are touched.
    put_events(fourth, [logged(6, f"{second}T00:01:00Z", "reaction", f"{fourth}T08:00:00Z", turn_id="t2")])
    run_days("traffic.land", f"{second}..{fourth}")
    after = inputs()
    assert {name for name in after if after[name] != before[name]} == {"traffic.events@+1"}
    marks = {(mark.job, str(mark.ds)) for mark in ledger.open_marks(lake)}
    assert marks == {("signals.labels", first)}
    run_days("signals.labels", first)
    assert found() == [("t1", False, False), ("t2", True, True)]
