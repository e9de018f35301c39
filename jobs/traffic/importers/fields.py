"""Readers of fields that chat logs share. Their errors are reasons for quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.traffic.importers.chat import NotAChat


def messages_of(record: Mapping[str, Any]) -> list[Any]:
    """The messages of a conversation, not yet parsed.

    Raises:
        NotAChat: there is no list of that name.
    """
    logged = record.get("messages")
    if not isinstance(logged, list):
        raise NotAChat("missing_field:messages" if logged is None else "wrong_type:messages")
    return logged


def optional_text(record: Mapping[str, Any], name: str) -> str | None:
    """A text field that may be absent, null or empty.

    Raises:
        NotAChat: it is something else.
    """
    value = record.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise NotAChat(f"wrong_type:{name}")
    return value


def moment_of(value: object, name: str) -> datetime | None:
    """A time in ISO form or in Unix seconds as UTC; one without an offset is taken as UTC.

    Raises:
        NotAChat: it cannot be read.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise NotAChat(f"bad_timestamp:{name}") from None


def character_id_of(text: str) -> str:
    """A stable id for a character without an id, from its description."""
    return f"c_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
