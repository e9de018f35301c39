"""Parses one landed line to an event in the columns of `traffic.events`, or to a reason for quarantine.

Ids and names leave this module as keyed hashes unless they are plain (infra/ids.py), users' always. A reason never
holds a value from the line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple, overload

from infra.ids import IdKind, NameKind, id_of, locale_of, name_of, pseudonym
from infra.records import MAX_EXPANSION, TOO_LARGE, Refused, decoded, load_object
from jobs.landing.lines import (
    ERASED,
    ERASED_USER,
    IMPORT_REJECTED,
    MAX_REFUSED_LINES,
    origin_of,
)
from jobs.landing.parsing import parsed_lines
from jobs.landing.zone import UNREADABLE, LandingFile, Row

EVENT_TYPES = ("message", "response", "reaction", "feedback", "regenerate", "exposure", "character_update")
SOURCES = ("user", "internal")
_IDS: Mapping[str, IdKind] = {
    "conversation_id": "conversation", "turn_id": "turn", "character_id": "character",
}  # fmt: skip
_REQUIRED_IDS: Mapping[str, tuple[str, ...]] = {
    "message": ("user_id", "conversation_id"),
    "response": ("user_id", "conversation_id", "turn_id", "model_version"),
    "reaction": ("user_id", "conversation_id", "turn_id"),
    "feedback": ("user_id", "conversation_id", "turn_id"),
    "regenerate": ("user_id", "conversation_id", "turn_id"),
    "exposure": ("user_id",),
    "character_update": ("character_id",),
}
_KNOWN_FIELDS = frozenset(
    (
        "event_id", "event_ts", "received_ts", "event_type", "source", "surface", "user_id", "model_version", "locale",
        "payload",
    )
) | frozenset(_IDS)  # fmt: skip
_TEXT_FIELDS = ("text", "name", "instructions", "traits")
_MAX_ID_LENGTH = 512
_NOON = time(12, tzinfo=UTC)


@dataclass(frozen=True)
class LandingRules:
    """Rules for accepting events: sizes in bytes, `late_limit` and `future_tolerance` as spans, erased users.

    Attributes:
        erased: keyed hashes of users that were erased.
        keyed_ids: whether ids and names are hashed unless they are plain (infra/ids.py); not in lakes that were filled
            before that rule.
    """

    max_line_bytes: int
    late_limit: timedelta
    future_tolerance: timedelta
    user_key: bytes
    erased: frozenset[str] = frozenset()
    max_expansion: int = MAX_EXPANSION
    max_refused_lines: int = MAX_REFUSED_LINES
    keyed_ids: bool = True


class Event(NamedTuple):
    """One event in the order and names of `traffic.events`; times are UTC, `payload` is canonical JSON."""

    event_id: str
    event_ts: datetime
    received_ts: datetime
    event_type: str
    source: str
    surface: str | None
    user_id: str | None
    conversation_id: str | None
    turn_id: str | None
    character_id: str | None
    model_version: str | None
    locale: str | None
    payload: str


class Landed(NamedTuple):
    """Result of parsing one line: exactly one of `event` and `reason` is set."""

    source_file: str
    line: int
    received_ts: datetime
    event: Event | None
    reason: str | None


def parse_file(file: LandingFile, rules: LandingRules) -> Iterator[Landed]:
    """Parse each line of a file, in order.

    Raises:
        LandingFileBroken: the file is damaged, or its last line has no end and cannot be read: half written.
    """
    noon = datetime.combine(file.received_ds, _NOON)
    return parsed_lines(
        file,
        rules,
        lambda row: parse_row(row, file, rules),
        lambda number, reason: Landed(file.name, number, noon, None, reason),
    )


def parse_row(row: Row, file: LandingFile, rules: LandingRules) -> Landed:
    """Parse one line. Never raises on content."""
    default_ts = datetime.combine(file.received_ds, _NOON)
    received_ts = default_ts
    try:
        record = _record(row)
        received_ts = _received(record, file.received_ds, default_ts)
        if record.get("event_type") == IMPORT_REJECTED:
            return _import_rejected(record, row, file, received_ts)
        event = _event(record, received_ts, rules)
    except Refused as refused:
        return Landed(file.name, row.number, received_ts, None, str(refused))
    return Landed(file.name, row.number, received_ts, event, None)


def parse_time(value: object) -> datetime | None:
    """ISO-8601 text (or an aware datetime) as UTC. None if it is not an instant, for example has no offset."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _record(row: Row) -> dict[str, Any]:
    """The line as a JSON object whose text is all valid Unicode."""
    if row.content is None:
        raise Refused(row.reason or TOO_LARGE)
    if isinstance(row.content, bytes):
        return load_object(row.content)
    record = {}
    for name, value in row.content.items():
        if value is None:
            continue
        if value is UNREADABLE:
            raise Refused("bad_timestamp" if name == "event_ts" else "unreadable_value")
        record[name] = decoded(value) if isinstance(value, bytes) else value
    if isinstance(record.get("payload"), str):
        record["payload"] = load_object(record["payload"].encode())
    return record


def _received(record: Mapping[str, Any], received_ds: date, default: datetime) -> datetime:
    if record.get("received_ts") is None:
        return default
    moment = _time(record, "received_ts")
    # A shipper that batches around midnight may be a day off. More tolerance would defeat the late and future rules.
    if abs((moment.date() - received_ds).days) > 1:
        raise Refused("received_ts_outside_day")
    return moment


def _import_rejected(record: Mapping[str, Any], row: Row, file: LandingFile, received_ts: datetime) -> Landed:
    """The quarantine row of an importer's input line: named by the input's file and line."""
    noted_origin = origin_of(record)
    if isinstance(noted_origin, str):
        raise Refused(noted_origin)
    origin, line, reason = noted_origin
    return Landed(f"{file.name}!{origin}", line, received_ts, None, f"import:{reason}")


def _event(record: dict[str, Any], received_ts: datetime, rules: LandingRules) -> Event:
    event_type = _text(record, "event_type")
    if event_type == ERASED:
        raise Refused(ERASED_USER)
    if event_type not in EVENT_TYPES:
        raise Refused("unknown_event_type")
    event_id = _known_as(_identifier(record, "event_id"), "event", rules)
    event_ts = _time(record, "event_ts")
    source = _text(record, "source")
    if source not in SOURCES:
        raise Refused("unknown_source")
    required = _REQUIRED_IDS[event_type]
    for name in required:
        _identifier(record, name)
    raw_user = _optional_identifier(record, "user_id")
    user_id = pseudonym(raw_user, rules.user_key) if raw_user is not None else None
    if user_id in rules.erased:
        raise Refused(ERASED_USER)
    ids = {name: _known_as(_optional_identifier(record, name), kind, rules) for name, kind in _IDS.items()}
    surface = _named(_optional_identifier(record, "surface"), "surface", rules)
    model_version = _named(_optional_identifier(record, "model_version"), "model_version", rules)
    payload = _payload(record, event_type, rules)
    if event_type == "character_update" and payload.get("creator_id") in rules.erased:
        raise Refused(ERASED_USER)
    locale = _locale(record, payload, rules)
    if event_ts > received_ts + rules.future_tolerance:
        raise Refused("future")
    if event_ts < received_ts - rules.late_limit:
        raise Refused("too_late")
    content = _canonical(payload, rules)
    if raw_user is not None and json.dumps(raw_user, ensure_ascii=False) in content:
        content = _canonical(_without_user(payload, raw_user, rules.user_key), rules)
    return Event(
        event_id, event_ts, received_ts, event_type, source, surface, user_id, ids["conversation_id"],
        ids["turn_id"], ids["character_id"], model_version, locale, content,
    )  # fmt: skip


def _canonical(payload: Mapping[str, Any], rules: LandingRules) -> str:
    """Payload as JSON that is equal when its content is; values only Parquet can hold become text."""
    try:
        text = json.dumps(
            payload,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            default=_as_text,
        )
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("bad_unicode") from None
    except (ValueError, TypeError, RecursionError):
        raise Refused("malformed_json") from None
    if len(text) > rules.max_line_bytes:
        raise Refused("too_large")
    return text


def _as_text(value: object) -> str:
    if isinstance(value, bytes):  # only a nested Parquet string that cannot be decoded
        raise Refused("not_utf8")
    return str(value)


def _payload(record: Mapping[str, Any], event_type: str, rules: LandingRules) -> dict[str, Any]:
    """The checked payload of the event type, with unknown top-level fields under `extra`."""
    given = record.get("payload")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Refused("wrong_type:payload")
    payload = dict(given)
    for flag in ("is_synthetic_time", "is_synthetic_user"):
        _check(payload, flag, bool)
    if event_type in _PAYLOAD_CHECKS:
        _PAYLOAD_CHECKS[event_type](payload)
    if event_type == "character_update" and payload.get("creator_id"):
        payload["creator_id"] = pseudonym(payload["creator_id"], rules.user_key)
    for name, kind in _NAMES_IN_PAYLOAD.get(event_type, {}).items():
        if payload.get(name):
            payload[name] = _named(payload[name], kind, rules)
    unknown = {name: value for name, value in record.items() if name not in _KNOWN_FIELDS}
    if unknown:
        extra = payload.get("extra", {})
        payload["extra"] = {**(extra if isinstance(extra, dict) else {"extra": extra}), **unknown}
    return payload


def _check_text(payload: Mapping[str, Any]) -> None:
    if payload.get("text") is None:
        raise Refused("missing_field:payload.text")
    _check(payload, "text", str)


def _check_reaction(payload: Mapping[str, Any]) -> None:
    if not payload.get("reaction"):
        raise Refused("missing_field:payload.reaction")
    _check(payload, "reaction", str)
    _check(payload, "removed", bool)


def _check_exposure(payload: dict[str, Any]) -> None:
    for name in ("experiment_id", "arm"):
        if not payload.get(name):
            raise Refused(f"missing_field:payload.{name}")
        _check(payload, name, str)
    _check(payload, "eligible", bool)
    if payload.get("assigned_ts") is not None:
        moment = parse_time(payload["assigned_ts"])
        if moment is None:
            raise Refused("bad_timestamp:payload.assigned_ts")
        payload["assigned_ts"] = moment.isoformat()  # one spelling of it, that every engine reads


def _check_character(payload: Mapping[str, Any]) -> None:
    for name in ("name", "instructions", "creator_id", "state"):
        _check(payload, name, str)
    traits = payload.get("traits")
    if traits is not None and not (isinstance(traits, list) and all(isinstance(t, str) for t in traits)):
        raise Refused("wrong_type:payload.traits")


# Names in payloads that tables outside restricted/ hold too.
_NAMES_IN_PAYLOAD: Mapping[str, Mapping[str, NameKind]] = {
    "exposure": {"experiment_id": "experiment", "arm": "arm"},
    "character_update": {"state": "state"},
}

# No check for a regeneration: its ids are all it needs.
_PAYLOAD_CHECKS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "message": _check_text,
    "response": _check_text,
    "feedback": _check_text,
    "reaction": _check_reaction,
    "exposure": _check_exposure,
    "character_update": _check_character,
}


def _check(payload: Mapping[str, Any], name: str, kind: type) -> None:
    value = payload.get(name)
    if value is not None and not isinstance(value, kind):
        raise Refused(f"wrong_type:payload.{name}")


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if value is None or value == "":
        raise Refused(f"missing_field:{name}")
    if not isinstance(value, str):
        raise Refused(f"wrong_type:{name}")
    return value


def _identifier(record: Mapping[str, Any], name: str) -> str:
    value = _text(record, name)
    if len(value) > _MAX_ID_LENGTH:
        raise Refused(f"too_long:{name}")
    return value


def _optional_identifier(record: Mapping[str, Any], name: str) -> str | None:
    return None if record.get(name) in (None, "") else _identifier(record, name)


@overload
def _known_as(given: str, kind: IdKind, rules: LandingRules) -> str: ...
@overload
def _known_as(given: str | None, kind: IdKind, rules: LandingRules) -> str | None: ...
def _known_as(given: str | None, kind: IdKind, rules: LandingRules) -> str | None:
    """The id as the lake holds it."""
    return id_of(kind, given, rules.user_key) if given is not None and rules.keyed_ids else given


def _named(given: str | None, kind: NameKind, rules: LandingRules) -> str | None:
    """The name as the lake holds it."""
    return name_of(kind, given, rules.user_key) if given is not None and rules.keyed_ids else given


def _time(record: Mapping[str, Any], name: str) -> datetime:
    value = record.get(name)
    if not isinstance(value, datetime):
        value = _text(record, name)
    moment = parse_time(value)
    if moment is None:
        raise Refused("bad_timestamp" if name == "event_ts" else f"bad_timestamp:{name}")
    return moment


def _locale(record: Mapping[str, Any], payload: dict[str, Any], rules: LandingRules) -> str | None:
    """The language tag, with `_` read as `-`: language, script and region. What was logged otherwise goes to `extra`;
    an invalid tag counts as not logged."""
    value = _optional_identifier(record, "locale")
    if value is None:
        return None
    locale = locale_of(value)
    if locale is not None and not locale.is_cut:
        return locale.tag
    if locale is not None and not rules.keyed_ids:
        return value.replace("_", "-")
    extra = payload.get("extra")
    payload["extra"] = {**extra, "locale": value} if isinstance(extra, dict) else {"locale": value}
    return None if locale is None else locale.tag


def _without_user(payload: dict[str, Any], raw_user: str, key: bytes) -> dict[str, Any]:
    """The payload with the raw user id replaced wherever a field outside the text repeats it."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, str):
            return pseudonym(raw_user, key) if value == raw_user else value
        if isinstance(value, dict):
            return {cleaned(name): cleaned(inner) for name, inner in value.items()}
        return [cleaned(inner) for inner in value] if isinstance(value, list) else value

    return {name: value if name in _TEXT_FIELDS else cleaned(value) for name, value in payload.items()}
