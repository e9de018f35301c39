"""Chats among people, one of whom is the assistant: a conversation of each other person with the assistant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.traffic.importers.chat import Chat, Message, NotAChat, Source
from jobs.traffic.importers.fields import list_of

_THUMBS = {"👍": True, "👎": False}


@dataclass(frozen=True)
class Said:
    """One message of a person.

    Attributes:
        speaker: the person's id as the export gives it, or the name where it gives none.
        names: other names of the person.
        name: of the message, where the export gives one.
        answers: name of the message that it replies to.
        reactions: emojis that others gave it.
    """

    speaker: str
    names: tuple[str, ...]
    text: str
    at: datetime | None
    name: str | None = None
    answers: str | None = None
    reactions: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


def said_in(
    record: dict[str, Any], said: Callable[[dict[str, Any], Source], Said | None], source: Source
) -> list[Said]:
    """What people said in the `messages` of a record, each read by `said`, in order.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    spoken = []
    for message in list_of(record, "messages"):
        if not isinstance(message, dict):
            raise NotAChat("wrong_type:message")
        if (one := said(message, source)) is not None:
            spoken.append(one)
    return spoken


def conversations(said: Sequence[Said], chat_id: str | None, dataset: str, source: Source) -> Iterator[Chat]:
    """A conversation of each person with the assistant.

    A response goes to the person whose message it replies to, else to who spoke or was answered last; the first ones,
    that nobody asked for, to the first person.

    Raises:
        NotAChat: `no_assistant`: nobody in the chat is the assistant; `no_messages`.
    """
    if not said:
        raise NotAChat("no_messages")
    times = [one.at for one in said if one.at is not None]
    if len(times) == len(said):
        said = sorted(said, key=lambda one: one.at or times[0])  # some tools export the newest first
    assistants = {one.speaker for one in said if source.assistant in (one.speaker, *one.names)}
    if not assistants:
        raise NotAChat("no_assistant")
    people = [one.speaker for one in said if one.speaker not in assistants]
    if not people:
        raise NotAChat("no_user")
    wrote = {one.name: one.speaker for one in said if one.name is not None and one.speaker not in assistants}
    by_person: dict[str, list[Message]] = {person: [] for person in people}
    last = people[0]
    for one in said:
        is_answer = one.speaker in assistants
        last = wrote.get(one.answers or "", last) if is_answer else one.speaker
        by_person[last].append(_message(one, is_answer))
    for person, messages in by_person.items():
        yield Chat(
            # Of a group each person has a conversation of their own: whoever leaves takes only theirs along.
            conversation_id=chat_id
            if chat_id and len(by_person) == 1
            else _name(chat_id or dataset, person, said[0]),
            dataset=dataset,
            language=None,
            persona=None,
            user_id=person,
            model=None,
            started_at=None,
            ended_at=None,
            messages=tuple(messages),
        )


def speakers(said: Sequence[Said]) -> int:
    """How many people speak in a chat."""
    return len({one.speaker for one in said})


def _message(one: Said, is_answer: bool) -> Message:
    thumbs = [_THUMBS[emoji] for emoji in one.reactions if emoji in _THUMBS] if is_answer else []
    return Message(
        "character" if is_answer else "user", one.text, one.at, thumbs[-1] if thumbs else None, one.fields
    )


def _name(chat_id: str, person: str, first: Said) -> str:
    """An id of a person's conversation in a chat; the chat is told by its first message if it has no id."""
    text = "\x1f".join([person, str(first.at), first.text])
    return f"{chat_id}/{hashlib.sha256(text.encode()).hexdigest()[:12]}"
