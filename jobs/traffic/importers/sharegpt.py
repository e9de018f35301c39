"""Imports ShareGPT: `{"id", "conversations": [{"from": human|gpt|system, "value"}, ...]}`, one a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.traffic.importers.chat import Chat, NotAChat, Source
from jobs.traffic.importers.fields import (
    checked_messages,
    first_moment,
    optional_id,
    optional_text,
    persona_of,
)
from jobs.traffic.importers.openai_messages import TIMES, Messages

LISTS = ("conversations", "conversation", "items")
_ROLES = {"chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "claude": "assistant"}


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one record.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    name = next((name for name in LISTS if isinstance(record.get(name), list)), None)
    if name is None:
        raise NotAChat("missing_field:conversations")
    read = Messages(source)
    if system := optional_text(record, "system"):
        read.add({"role": "system", "content": system})
    for said in record[name]:
        if not isinstance(said, dict):
            raise NotAChat("wrong_type:message")
        role = str(said.get("from", said.get("role"))).lower()
        content = said.get("value", said.get("content"))
        read.add({**said, "role": _ROLES.get(role, role), "content": content})
    yield Chat(
        conversation_id=optional_id(record, "id", "conversation_id"),
        dataset=source.dataset,
        language=optional_text(record, "lang") or optional_text(record, "language"),
        persona=persona_of(None, None, read.instructions),
        user_id=optional_id(record, "user_id", "user"),
        model=optional_text(record, "model"),
        started_at=first_moment(record, source, TIMES),
        ended_at=None,
        messages=checked_messages(read.messages),
    )
