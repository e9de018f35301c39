"""Imports WildChat and LMSYS-Chat: one conversation a record, as a list of messages with role and content.

WildChat: `{"conversation_hash", "model", "timestamp", "language", "hashed_ip", "conversation": [{"role", "content",
"timestamp", "hashed_ip", ...}]}`. LMSYS-Chat: `{"conversation_id", "model", "language", "conversation": [{"role",
"content"}]}`. Labels of moderation and the places of users are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.traffic.importers.chat import Chat, Source
from jobs.traffic.importers.fields import (
    checked_messages,
    first_moment,
    language_tag,
    list_of,
    optional_id,
    optional_text,
    persona_of,
)
from jobs.traffic.importers.openai_messages import Messages

_TIMES = ("timestamp", "tstamp")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one record.

    A WildChat user is a hashed address: of the record, or of the first message that has one.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    logged = list_of(record, "conversation")
    read = Messages(source)
    read.add_all(logged)
    ips = (optional_id(said, "hashed_ip") for said in logged)
    has_times = any(message.at for message in read.messages)
    yield Chat(
        conversation_id=optional_id(record, "conversation_id", "conversation_hash"),
        dataset=source.dataset,
        language=language_tag(optional_text(record, "language")),
        persona=persona_of(None, None, read.instructions),
        user_id=optional_id(record, "user_id", "hashed_ip") or next(filter(None, ips), None),
        model=optional_text(record, "model"),
        # WildChat's time of a record is the one of its last message.
        started_at=None if has_times else first_moment(record, source, _TIMES),
        ended_at=None,
        messages=checked_messages(read.messages),
    )
