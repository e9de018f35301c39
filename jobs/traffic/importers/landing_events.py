"""Imports lines of the landing contract itself: each is checked as landing checks it, and goes to its received day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date
from typing import Any

from infra.records import RawRow
from jobs.landing.zone import LandingFile
from jobs.traffic.importers.chat import NotAChat
from jobs.traffic.parse import LandingRules, parse_row, parse_time

_IDS = ("event_id", "user_id", "conversation_id", "turn_id", "character_id")


def checked_event(
    record: Mapping[str, Any], rules: LandingRules, origin: str | None
) -> tuple[date, dict[str, Any]]:
    """The received day of an event, and the line to land.

    Without `received_ts` an event counts as received when it happened, so that no limit on late events refuses it.

    Raises:
        NotAChat: landing would refuse it; the reason is landing's.
    """
    moment = parse_time(record.get("received_ts") or record.get("event_ts"))
    if moment is None:
        raise NotAChat("bad_timestamp")
    line = {**record, "received_ts": moment.isoformat()}
    if origin is not None:
        line |= {name: f"{origin}/{line[name]}" for name in _IDS if isinstance(line.get(name), str)}
    content = json.dumps(line, ensure_ascii=False).encode()
    if len(content) > rules.max_line_bytes:
        raise NotAChat("too_large")
    day = moment.astimezone(UTC).date()
    landed = parse_row(RawRow(1, content, True), LandingFile("", "import.jsonl", day, len(content), 0), rules)
    if landed.event is None:
        raise NotAChat(landed.reason or "malformed_json")
    return day, line
