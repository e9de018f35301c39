"""Imports chat-log JSONL: one conversation a line, with a character, a user, a model and session times where known.

`{source, conversation_id, language, character: {id, name, persona[]}, user_id, model, started_at, ended_at, rating,
messages: [{role: user|character, content, thumb?, ...}]}`; only `messages` is required.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from jobs.traffic.importers.chat import Chat, ImportOptions, Message, NotAChat, Persona, Role
from jobs.traffic.importers.read import ImportReport, Say, import_chats

_ROLES = ("user", "character")
_KNOWN = ("role", "content", "thumb")


def import_chatlogs(
    inputs: Path | Sequence[Path], landing: str | Path, options: ImportOptions, say: Say = lambda _: None
) -> ImportReport:
    """Import chat-log JSONL files (see `import_chats` for arguments, result and errors)."""
    return import_chats(inputs, landing, options, "chatlogs", chat_of, say)


def chat_of(record: dict[str, Any], origin: str, line: int) -> Chat:
    """The conversation of one line.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    logged = record.get("messages")
    if not isinstance(logged, list):
        raise NotAChat("missing_field:messages" if logged is None else "wrong_type:messages")
    if not logged:
        raise NotAChat("no_messages")
    dataset = optional_text(record, "source") or Path(origin).name.partition(".")[0]
    fields: dict[str, Any] = {}
    if record.get("rating") is not None:
        fields["conversation_rating"] = record["rating"]
    return Chat(
        conversation_id=optional_text(record, "conversation_id") or f"{origin}:{line}",
        dataset=dataset,
        language=optional_text(record, "language"),
        persona=_persona(record.get("character")),
        user_id=optional_text(record, "user_id"),
        model=optional_text(record, "model"),
        started_at=moment_of(record.get("started_at"), "started_at"),
        ended_at=moment_of(record.get("ended_at"), "ended_at"),
        messages=tuple(_message(one) for one in logged),
        fields=fields,
    )


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
    """A stable id for a character that is known only by what describes it."""
    return f"c_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _persona(character: object) -> Persona | None:
    if character is None:
        return None
    if not isinstance(character, dict):
        raise NotAChat("wrong_type:character")
    name = optional_text(character, "name")
    traits = character.get("persona") or []
    if not isinstance(traits, list) or not all(isinstance(trait, str) for trait in traits):
        raise NotAChat("wrong_type:character.persona")
    given = optional_text(character, "id")
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
    # A thumb on the user's own message judges nothing that was served: it stays a field of the message.
    judged = None if thumb is None or role == "user" else bool(thumb)
    if thumb is not None and role == "user":
        fields["thumb"] = thumb
    return Message(cast(Role, role), text, None, judged, fields)
