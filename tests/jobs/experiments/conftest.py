"""A small experiment of which every number is known by hand, and the fixtures of the traffic tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from jobs.experiments.definition import Definition
from tests.jobs.traffic.conftest import put_events, rows_of, run_days

__all__ = ["put_events", "rows_of", "run_days"]

START = date(2026, 3, 2)


def declared(**changes: Any) -> Definition:
    """Two days, two arms, a bot is who sent more than four messages on a day before."""
    known: dict[str, Any] = {
        "experiment_id": "x", "title": "A test", "owner": "somebody", "salt": "x", "eligibility": "everybody",
        "shares": {"control": 0.1, "test": 0.1}, "start_ds": START, "end_ds": START + timedelta(days=1),
        "bot_messages_per_day": 4, "segments": ("language",),
    }  # fmt: skip
    return Definition(**(known | changes))


def event(kind: str, user: str, day: int, hour: int, number: int = 0, **more: Any) -> dict[str, Any]:
    """A landed event on a day of the window (0 is the first)."""
    moment = datetime(START.year, START.month, START.day, hour, number, tzinfo=UTC) + timedelta(days=day)
    said: dict[str, Any] = {
        "event_id": f"{kind[0]}-{user}-{day}-{hour}-{number}", "event_ts": moment.isoformat(), "event_type": kind,
        "received_ts": moment.isoformat(), "source": "user", "surface": "web", "user_id": user, "locale": "en-GB",
        "conversation_id": f"c-{user}", "payload": {"text": "hello"},
    }  # fmt: skip
    return said | more


def exposed(user: str, arm: str, day: int, hour: int, **more: Any) -> dict[str, Any]:
    """An exposure to an arm of `x`."""
    payload = {"experiment_id": more.pop("experiment", "x"), "arm": arm, **more.pop("payload", {})}
    return event("exposure", user, day, hour, payload=payload, **more)


def messages(user: str, day: int, hour: int, count: int, **more: Any) -> list[dict[str, Any]]:
    """Messages of a user, a minute apart."""
    return [event("message", user, day, hour, number, **more) for number in range(count)]


def eleven_users() -> list[dict[str, Any]]:
    """Four in control, three in test and one in both, three who do not count.

    After first exposure, as (day 1, day 2): control a (2, 1), b (0, 0), c (exposed on day 2, 2), d (1, 3);
    test e (2, 2), f (exposed on day 2, 5), g (0, 1), h (1, in control too on day 2).
    """
    return [
        *messages("a", 0, 9, 1), exposed("a", "control", 0, 10), *messages("a", 0, 11, 2), *messages("a", 1, 9, 1),
        exposed("b", "control", 0, 10, locale="hi-Latn-IN"),
        *messages("c", 0, 9, 3), *messages("c", 1, 8, 1), exposed("c", "control", 1, 9), *messages("c", 1, 10, 2),
        exposed("d", "control", 0, 7), *messages("d", 0, 8, 1), exposed("d", "control", 1, 7), *messages("d", 1, 8, 3),
        exposed("e", "test", 0, 7), *messages("e", 0, 8, 2), *messages("e", 1, 8, 2),
        exposed("f", "test", 1, 7, locale="hi-Latn-IN"), *messages("f", 1, 8, 5),
        exposed("g", "test", 0, 7), *messages("g", 1, 8, 1), *messages("g", 0, 8, 3, source="internal"),
        exposed("h", "test", 0, 7), *messages("h", 0, 8, 1), exposed("h", "control", 1, 7), *messages("h", 1, 8, 9),
        exposed("i", "test", 0, 7, source="internal"), *messages("i", 0, 8, 2, source="internal"),
        exposed("j", "control", 0, 7, payload={"eligible": False}), *messages("j", 0, 8, 2),
        *messages("k", -1, 8, 5), exposed("k", "control", 0, 7), *messages("k", 0, 8, 30),
    ]  # fmt: skip


def date_of(day: int) -> date:
    """The date of a day of the window."""
    return START + timedelta(days=day)
