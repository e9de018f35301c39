"""Imports OpenAI-style JSONL: `{"messages": [{"role", "content"}, ...]}`, one conversation a line.

Optional: `id`, `user`, `model`, `created_at` or `created`, `metadata` (`character_id`, `character_name`, `locale`,
`dataset`), and `created_at` or `timestamp` on each message. A system prompt becomes the character's instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.traffic.importers.chat import Chat, Message, NotAChat, Persona, Role
from jobs.traffic.importers.fields import character_id_of, messages_of, moment_of, optional_text

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "character"}
_INSTRUCTIONS = ("system", "developer")
_OTHERS = ("tool", "function")
_TIMES = ("created_at", "timestamp", "created")


def chat_of(record: dict[str, Any], origin: str, line: int) -> Chat:
    """The conversation of one line; tool traffic and parts that are not text are skipped and counted.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    logged = messages_of(record)
    metadata = record.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise NotAChat("wrong_type:metadata")
    skipped: Counter[str] = Counter()
    messages: list[Message] = []
    instructions: list[str] = []
    for message in logged:
        _add_message(message, messages, instructions, skipped)
    if not messages:
        raise NotAChat("no_messages")
    dataset = optional_text(metadata, "dataset") or Path(origin).name.partition(".")[0]
    given = optional_text(record, "id") or optional_text(record, "conversation_id")
    return Chat(
        conversation_id=given or f"{origin}:{line}",
        dataset=dataset,
        language=optional_text(metadata, "locale") or optional_text(metadata, "language"),
        persona=_persona(metadata, "\n".join(instructions)),
        user_id=optional_text(record, "user") or optional_text(metadata, "user_id"),
        model=optional_text(record, "model"),
        started_at=_first_time(record),
        ended_at=None,
        messages=tuple(messages),
        skipped=skipped,
    )


def _add_message(
    message: object, messages: list[Message], instructions: list[str], skipped: Counter[str]
) -> None:
    if not isinstance(message, dict):
        raise NotAChat("wrong_type:message")
    role = message.get("role")
    if role in _OTHERS:
        skipped[str(role)] += 1
        return
    if role not in _ROLES and role not in _INSTRUCTIONS:
        raise NotAChat("unknown_role")
    text = _text_of(message.get("content"), skipped)
    if text is None:
        skipped["no_text"] += 1
    elif role in _INSTRUCTIONS:
        instructions.append(text)
    else:
        messages.append(Message(_ROLES[str(role)], text, _first_time(message)))


def _text_of(content: object, skipped: Counter[str]) -> str | None:
    """Text of a content string or of the text parts of a list; None when there is none (a tool call, an image)."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise NotAChat("wrong_type:content")
    texts: list[str] = []
    for part in content:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            texts.append(text)
        else:
            skipped["part_not_text"] += 1
    return "\n".join(texts) if texts else None


def _first_time(record: Mapping[str, Any]) -> Any:
    name = next((name for name in _TIMES if record.get(name) is not None), None)
    return moment_of(record[name], name) if name else None


def _persona(metadata: Mapping[str, Any], instructions: str) -> Persona | None:
    given, name = optional_text(metadata, "character_id"), optional_text(metadata, "character_name")
    if given is None and name is None and not instructions:
        return None
    character_id = given or character_id_of(f"{name or ''}\n{instructions}")
    return Persona(character_id, name, (), instructions or None)
