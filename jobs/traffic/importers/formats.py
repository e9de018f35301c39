"""The formats that can be imported, and how a record or a file is told to be of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.traffic.importers import (
    chatgpt,
    chatlogs,
    claude,
    discord,
    langfuse,
    oasst,
    openai_messages,
    sharegpt,
    telegram,
    whatsapp,
    wildchat,
)
from jobs.traffic.importers.chat import Chat, Source
from jobs.traffic.importers.content import ASSISTANTS, INSTRUCTIONS, TOOLS
from jobs.traffic.importers.fields import is_objects, parsed
from jobs.traffic.parse import EVENT_TYPES

ReadChats = Callable[[Any, Source], Iterator[Chat]]
AUTO, EVENTS, WHATSAPP = "auto", "events", "whatsapp"


@dataclass(frozen=True)
class Format:
    """A format of chat logs.

    Attributes:
        title: its name for people.
        chats_of: gives the conversations, or pieces of them, of one record; for text, of all lines of a file.
        speakers_of: counts the people in a record, in exports of chats among people: there the user says who is the
            assistant.
        owner_of: tells whose export a file is, if a file beside it says so.
    """

    title: str
    chats_of: ReadChats
    speakers_of: Callable[[Any, Source], int] | None = None
    owner_of: Callable[[Path], str | None] = lambda _: None


def _no_chats(_: object, __: Source) -> Iterator[Chat]:
    raise NotImplementedError("events are landed as they are")


FORMATS: Mapping[str, Format] = {
    "chatlogs": Format("chat-log JSONL", chatlogs.chats_of),
    "openai": Format("OpenAI messages", openai_messages.chats_of),
    "sharegpt": Format("ShareGPT", sharegpt.chats_of),
    "wildchat": Format("WildChat", wildchat.chats_of),
    "lmsys": Format("LMSYS-Chat", wildchat.chats_of),
    "oasst": Format("OpenAssistant trees", oasst.chats_of),
    "chatgpt": Format("a ChatGPT data export", chatgpt.chats_of, owner_of=chatgpt.owner_of),
    "claude": Format("a Claude data export", claude.chats_of),
    "langfuse": Format("Langfuse", langfuse.chats_of),
    "telegram": Format("a Telegram export", telegram.chats_of, telegram.speakers_of),
    WHATSAPP: Format("a WhatsApp export", whatsapp.chats_of, whatsapp.speakers_of),
    "discord": Format("a Discord export", discord.chats_of, discord.speakers_of),
    EVENTS: Format("events of the landing contract", _no_chats),
}
# What is no log of chats, but is often beside one: its name, and what to do.
OTHERS: Mapping[str, str] = {
    "preference pairs": "Import them with: flywheel preferences import",
    "instructions with outputs (Alpaca)": 'Write each as {"messages": [...]}: see docs/importers.md.',
    "single messages of OpenAssistant": "Import the message trees (oasst_trees), not the flat messages.",
}
_PAIRS = (
    ("chosen", "rejected"), ("preferred_output", "non_preferred_output"), ("conversation_a", "conversation_b"),
    ("response_a", "response_b"), ("response_0", "response_1"),
)  # fmt: skip
_OBSERVATIONS = (
    "traceId", "trace_id", "projectId", "project_id", "sessionId", "session_id", "startTime", "start_time",
    "observations", "htmlPath", "parentObservationId", "parent_observation_id", "totalCost",
    "bookmarked",
)  # fmt: skip
_OF_CHATLOGS = ("character", "source", "started_at", "ended_at", "rating")
_TELLING = 40  # so many messages of a record say which roles it knows


def formats_of(record: Mapping[str, Any]) -> Sequence[str]:
    """The formats that a record can be of, the likeliest first. A name in `OTHERS` stands before them: a record of
    pairs may hold messages too."""
    return [*_others(record), *next((names for tell in _TELLS if (names := tell(record))), ())]


def _events(record: Mapping[str, Any]) -> Sequence[str]:
    return (EVENTS,) if record.get("event_type") in EVENT_TYPES else ()


def _exports(record: Mapping[str, Any]) -> Sequence[str]:
    """Exports, each told by a field that no other has."""
    if isinstance(record.get("mapping"), dict):
        return ("chatgpt",)
    if isinstance(record.get("chat_messages"), list):
        return ("claude",)
    if isinstance(record.get("channel"), dict) and isinstance(record.get("messages"), list):
        return ("discord",)
    chats = record.get("chats")
    if isinstance(chats, dict) and isinstance(chats.get("list"), list):
        return ("telegram",)
    messages = _some(record.get("messages"))
    if any("from_id" in one or "date_unixtime" in one or one.get("type") == "service" for one in messages):
        return ("telegram",)
    return ()


def _others(record: Mapping[str, Any]) -> Sequence[str]:
    pairs, alpaca, flat = OTHERS
    if any(first in record and second in record for first, second in _PAIRS):
        return (pairs,)
    if "instruction" in record and "output" in record:
        return (alpaca,)
    return (flat,) if {"message_id", "parent_id", "text", "role"} <= record.keys() else ()


def _lists(record: Mapping[str, Any]) -> Sequence[str]:
    """Sets of conversations, by the name of their list and the fields of what is in it."""
    prompt = record.get("prompt")
    if isinstance(prompt, dict) and ("replies" in prompt or "message_tree_id" in record):
        return ("oasst",)
    for name in sharegpt.LISTS:
        said = _some(record.get(name))
        if any("from" in one and "value" in one for one in said):
            return ("sharegpt",)
        if name == "conversation" and any("role" in one for one in said):
            return ("wildchat", "lmsys") if "conversation_hash" in record else ("lmsys", "wildchat")
        if any("role" in one for one in said):
            return ("sharegpt",)
    return ()


def _requests(record: Mapping[str, Any]) -> Sequence[str]:
    """Logs of requests and responses."""
    data, traces = _some(record.get("data")), _some(record.get("traces"))
    if (data and _is_observation(data[0])) or (traces and {"input", "output"} & traces[0].keys()):
        return ("langfuse",)
    if record.get("object") == "response" or "choices" in record:
        return ("openai",)
    if _is_observation(record):
        return ("langfuse",)
    if any(
        _is_request(parsed(record.get(name)))
        for name in (*openai_messages.REQUESTS, *openai_messages.RESPONSES)
    ):
        return ("openai",)
    is_legacy = isinstance(record.get("prompt"), str) and isinstance(record.get("completion"), str)
    return ("openai",) if is_legacy else ()


def _is_request(value: object) -> bool:
    """Whether a value is a request or a response, or holds one as its body."""
    body = parsed(value.get("body", value)) if isinstance(value, dict) else None
    return isinstance(body, dict) and bool({"messages", "choices", "input", "output"} & body.keys())


def _is_observation(record: Mapping[str, Any]) -> bool:
    return bool({"input", "output", "observations"} & record.keys()) and any(
        name in record for name in _OBSERVATIONS
    )


def _messages(record: Mapping[str, Any]) -> Sequence[str]:
    """Lists of messages, told apart by the roles in them."""
    roles = {str(one["role"]).lower() for one in _some(parsed(record.get("messages"))) if "role" in one}
    if "character" in roles:
        return ("chatlogs",)
    if roles & {*ASSISTANTS, *INSTRUCTIONS, *TOOLS}:
        return ("openai",)
    if roles != {"user"}:
        return ()
    return ("chatlogs", "openai") if any(name in record for name in _OF_CHATLOGS) else ("openai", "chatlogs")


_TELLS = (_events, _exports, _lists, _requests, _messages)


def _some(value: object) -> list[dict[str, Any]]:
    """The first objects of a list."""
    if not isinstance(value, list):
        return []
    objects = [one for one in value[:_TELLING] if isinstance(one, dict)]
    return objects if is_objects(objects) else []
