"""Imports a channel as DiscordChatExporter writes it: `{guild, channel, messages: [{author, content, ...}]}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.traffic.importers.chat import Chat, Source
from jobs.traffic.importers.fields import object_of, optional_id, optional_text, some_of
from jobs.traffic.importers.people import Said, conversations, said_in, speakers

_SPOKEN = ("Default", "Reply", "ChatInputCommand", "ContextMenuCommand", "ThreadStarterMessage")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of each person in the channel with the assistant.

    Raises:
        NotAChat: says which field is missing or of another kind; `no_assistant`.
    """
    channel = optional_id(object_of(record.get("channel"), "channel"), "id")
    said = said_in(record, _said, source)
    yield from conversations(said, f"discord/{channel}" if channel else None, "discord", source)


def speakers_of(record: dict[str, Any], source: Source) -> int:
    """How many people speak in a record."""
    return speakers(said_in(record, _said, source))


def _said(message: dict[str, Any], source: Source) -> Said | None:
    if message.get("type", "Default") not in _SPOKEN:
        source.skipped["system"] += 1
        return None
    text = optional_text(message, "content") or ""
    if not text.strip():
        has_file = any(message.get(name) for name in ("attachments", "embeds", "stickers"))
        source.skipped["attachment" if has_file else "no_text"] += 1
        return None
    author = object_of(message.get("author"), "author")
    names = tuple(name for key in ("name", "nickname") if (name := optional_text(author, key)))
    speaker = optional_id(author, "id") or (names[0] if names else None)
    if speaker is None:
        source.skipped["no_speaker"] += 1
        return None
    reactions = [one.get("emoji") for one in some_of(message, "reactions") if isinstance(one, dict)]
    return Said(
        speaker=speaker,
        names=names,
        text=text,
        at=source.moment(message.get("timestamp"), "timestamp"),
        name=optional_id(message, "id"),
        answers=optional_id(object_of(message.get("reference"), "reference"), "messageId"),
        reactions=[str(emoji.get("name")) for emoji in reactions if isinstance(emoji, dict)],
    )
