"""Imports Telegram's export, `result.json`: one chat, or all chats of an account (`chats.list`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.traffic.importers.chat import Chat, NotAChat, Source
from jobs.traffic.importers.fields import list_of, object_of, optional_id, optional_text, some_of
from jobs.traffic.importers.people import Said, conversations, said_in, speakers


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversations of each chat with the assistant; of an account, chats without the assistant are left out.

    Raises:
        NotAChat: says which field is missing or of another kind; `no_assistant`.
    """
    chats = _chats(record)
    found = False
    for chat in chats:
        said = said_in(chat, _said, source)
        if len(chats) > 1 and not any(source.assistant in (one.speaker, *one.names) for one in said):
            source.skipped["chat_without_assistant"] += 1
            continue
        found = True
        chat_id = optional_id(chat, "id")
        yield from conversations(said, f"telegram/{chat_id}" if chat_id else None, "telegram", source)
    if not found:
        raise NotAChat("no_assistant")


def speakers_of(record: dict[str, Any], source: Source) -> int:
    """How many people speak in a record."""
    return speakers([one for chat in _chats(record) for one in said_in(chat, _said, source)])


def _chats(record: dict[str, Any]) -> list[dict[str, Any]]:
    if "messages" in record:
        return [record]
    listed = list_of(object_of(record.get("chats"), "chats"), "list")
    return [chat for chat in listed if isinstance(chat, dict) and isinstance(chat.get("messages"), list)]


def _said(message: dict[str, Any], source: Source) -> Said | None:
    if message.get("type", "message") != "message":
        source.skipped["system"] += 1
        return None
    text = _text(message.get("text"))
    if not text.strip():
        is_file = any(
            name in message for name in ("media_type", "photo", "file", "location_information", "poll")
        )
        source.skipped["attachment" if is_file else "no_text"] += 1
        return None
    name = optional_text(message, "from")
    speaker = optional_id(message, "from_id") or name
    if speaker is None:
        source.skipped["no_speaker"] += 1  # a deleted account
        return None
    reactions = some_of(message, "reactions")
    return Said(
        speaker=speaker,
        names=(name,) if name else (),
        text=text,
        at=source.moment(message.get("date_unixtime") or message.get("date"), "date"),
        name=optional_id(message, "id"),
        answers=optional_id(message, "reply_to_message_id"),
        reactions=[str(one.get("emoji")) for one in reactions if isinstance(one, dict)],
        fields={"is_forwarded": True} if message.get("forwarded_from") else {},
    )


def _text(logged: object) -> str:
    """Text, or a list of pieces of text and of objects with a text, such as links."""
    if isinstance(logged, str):
        return logged
    if logged is None:
        return ""
    if not isinstance(logged, list):
        raise NotAChat("wrong_type:text")
    pieces = (piece.get("text") if isinstance(piece, dict) else piece for piece in logged)
    return "".join(piece for piece in pieces if isinstance(piece, str))
