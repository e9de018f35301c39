"""Delivery faults between a phone and the landing zone: late, early, repeated, contradictory and broken lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Any

from infra.sandbox.planting import Gold, Row
from infra.sandbox.settings import PlantingSettings

DAY = 86_400.0
MALFORMED = ("truncated_json", "wrong_type", "missing_field", "bad_utf8", "bad_timestamp")
HUGE = "huge_line"
REQUIRED = ("event_id", "event_ts", "event_type")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Line:
    """One line to land. `broken` names the kind of a malformed one."""

    received: float
    event_id: str
    data: bytes
    broken: str = ""


def iso(at: float) -> str:
    """UTC, to the millisecond, with a Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def day_of(at: float) -> date:
    """The UTC date."""
    return datetime.fromtimestamp(at, UTC).date()


def as_logged(event: Row, received: float) -> Row:
    """The event with its times as the log writes them."""
    logged: dict[str, Any] = dict(event)
    logged["event_ts"] = iso(event["event_ts"])
    logged["received_ts"] = iso(received)
    assigned = event["payload"].get("assigned_ts")
    if assigned is not None:
        logged["payload"] = {**event["payload"], "assigned_ts": iso(assigned)}
    return logged


def encode(logged: Row) -> bytes:
    """One JSON line."""
    return _encode(logged).encode("utf-8") + b"\n"


def deliver(events: Iterable[Row], rates: PlantingSettings, draw: Random, gold: Gold) -> list[Line]:
    """Lines of the events, with faults at their rates and gold for each. An event meets one fault at most."""
    lines: list[Line] = []
    bounds = (
        ("late", rates.late_events),
        ("future", rates.future_events),
        ("duplicate", rates.duplicate_events),
        ("conflicting_duplicate", rates.conflicting_duplicates),
    )
    for event in events:
        place, lag = draw.random(), 0.4 + 20.0 * draw.random() ** 4
        received = event["event_ts"] + lag
        fault = ""
        for name, rate in bounds:
            if place < rate:
                fault = name
                break
            place -= rate
        if fault:
            lines.extend(_faulty(event, fault, received, rates, draw, gold))
        else:
            lines.append(Line(received, event["event_id"], encode(as_logged(event, received))))
        if draw.random() < rates.malformed_lines:
            kind = MALFORMED[int(draw.random() * len(MALFORMED))]
            lines.append(malformed(event, kind, received + 0.2, draw, rates))
    return lines


def _faulty(
    event: Row, fault: str, received: float, rates: PlantingSettings, draw: Random, gold: Gold
) -> list[Line]:
    event_id = event["event_id"]
    row: Row = {"event_id": event_id, "kind": fault, "event_type": event["event_type"]}
    if fault == "late":
        days = 1 + int(draw.random() * rates.late_days_max)
        received += days * DAY
        gold.add("event_faults", **row, days_late=days, received_ds=day_of(received).isoformat())
        return [Line(received, event_id, encode(as_logged(event, received)))]
    if fault == "future":
        ahead = 600.0 + 2.0 * DAY * draw.random() ** 3
        gold.add(
            "event_faults", **row, seconds_ahead=round(ahead, 3), received_ds=day_of(received).isoformat()
        )
        early = {**event, "event_ts": event["event_ts"] + ahead}
        return [Line(received, event_id, encode(as_logged(early, received)))]
    redelivered = received + 1.0 + 1.5 * DAY * draw.random() ** 4
    second = dict(event)
    if fault == "conflicting_duplicate":
        second["payload"] = {**event["payload"], "text": f"edited {int(draw.random() * 1e6)}"}
    gold.add("event_faults", **row, received_ds=day_of(redelivered).isoformat())
    return [
        Line(received, event_id, encode(as_logged(event, received))),
        Line(redelivered, event_id, encode(as_logged(second, redelivered))),
    ]


def malformed(event: Row, kind: str, received: float, draw: Random, rates: PlantingSettings) -> Line:
    """A broken line made after an event, under an id of its own: the event itself is not lost."""
    event_id = f"m{draw.getrandbits(64):016x}"
    logged = {**as_logged(event, received), "event_id": event_id}
    if kind == "wrong_type":
        logged["payload"] = [1, 2, 3]
    elif kind == "missing_field":
        del logged[REQUIRED[int(draw.random() * len(REQUIRED))]]
    elif kind == "bad_timestamp":
        logged["event_ts"] = "yesterday"
    elif kind == HUGE:
        logged["payload"] = {"text": "x" * rates.huge_line_bytes}
    data = encode(logged)
    if kind == "truncated_json":
        data = data[: len(data) * 6 // 10].decode("utf-8", "ignore").encode() + b"\n"
    elif kind == "bad_utf8":
        data = data[:-3] + b"\xff\xfe" + data[-3:]
    return Line(received, event_id, data, kind)
