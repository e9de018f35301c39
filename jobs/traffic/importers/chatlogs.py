"""Imports chat-log JSONL: one conversation a line, with a character, a user, a model and session times where known.

`{source, conversation_id, language, character: {id, name, persona[]}, user_id, model, started_at, ended_at, rating,
messages: [{role: user|character, content, thumb?, ...}]}`; only `messages` is required.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from jobs.traffic.importers.chat import Chat, Message, NotAChat, Persona, Role, Source
from jobs.traffic.importers.fields import character_id_of, list_of, optional_id, optional_text

_ROLES = ("user", "character")
_KNOWN = ("role", "content", "thumb")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one line.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    logged = list_of(record, "messages")
    if not logged:
        raise NotAChat("no_messages")
    fields: dict[str, Any] = {}
    if record.get("rating") is not None:
        fields["conversation_rating"] = record["rating"]
    yield Chat(
        conversation_id=optional_id(record, "conversation_id"),
        dataset=optional_text(record, "source") or source.dataset,
        language=optional_text(record, "language"),
        persona=_persona(record.get("character")),
        user_id=optional_id(record, "user_id"),
        model=optional_text(record, "model"),
        started_at=source.moment(record.get("started_at"), "started_at"),
        ended_at=source.moment(record.get("ended_at"), "ended_at"),
        messages=tuple(_message(message) for message in logged),
        fields=fields,
    )


def _persona(character: object) -> Persona | None:
    if character is None:
        return None
    if not isinstance(character, dict):
        raise NotAChat("wrong_type:character")
    name = optional_text(character, "name")
    traits = character.get("persona") or []
    if not isinstance(traits, list) or not all(isinstance(trait, str) for trait in traits):
        raise NotAChat("wrong_type:character.persona")
    given = optional_id(character, "id")
    if given is None and not name and not traits:
        return None
    return Persona(given or character_id_of("\n".join([name or "", *traits])), name, tuple(traits))


def _message(logged: object) -> Message:
    if not isinstance(logged, dict):
        raise NotAChat("wrong_type:message")
    role, text, thumb = logged.get("role"), logged.get("content"), logged.get("thumb")
    if role not in _ROLES:
        raise NotAChat("unknown_role")
    if not isinstance(text, str):
        raise NotAChat("wrong_type:content")
    if thumb not in (None, 0, 1):
        raise NotAChat("wrong_type:thumb")
    fields = {name: value for name, value in logged.items() if name not in _KNOWN and value is not None}
    # A thumb on the user's own message is not about a served response: it stays a field of the message.
    judged = None if thumb is None or role == "user" else bool(thumb)
    if thumb is not None and role == "user":
        fields["thumb"] = thumb
    return Message(cast(Role, role), text, None, judged, fields)
