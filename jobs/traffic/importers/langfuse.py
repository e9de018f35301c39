"""Imports Langfuse: observations or traces with `input` and `output`, one a record or inside a trace or session.

Field names are those of the API (`traceId`) and of its exports (`trace_id`). Only generations are read, and traces that
hold no observation. A session is one conversation; without one, a record that repeats the messages of an earlier one
continues it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.traffic.importers.chat import Chat, NotAChat, Source
from jobs.traffic.importers.fields import (
    checked_messages,
    first_moment,
    is_objects,
    object_of,
    optional_id,
    optional_text,
    parsed,
    persona_of,
)
from jobs.traffic.importers.openai_messages import Messages

MODELS = ("model", "provided_model_name", "providedModelName", "internal_model", "modelId")
_STARTS = ("startTime", "start_time", "timestamp", "createdAt", "created_at")
_ENDS = ("endTime", "end_time")
_SESSIONS = ("sessionId", "session_id")
_USERS = ("userId", "user_id")
_TRACES = ("traceId", "trace_id")
_QUESTIONS = ("input", "question", "query", "prompt", "message", "text", "content")
_ANSWERS = ("output", "answer", "response", "completion", "message", "text", "content", "result")
_LISTS = ("messages", "history", "chat_history")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The pieces of conversations that a record holds.

    Raises:
        NotAChat: it is one record without a question and an answer.
    """
    for name in ("data", "traces"):
        if is_objects(inner := record.get(name)):
            for one in inner:
                yield from _tolerated({**_shared(record), **one}, source)
            return
    if is_objects(observations := parsed(record.get("observations"))):
        generations = [one for one in observations if _is_generation(one)]
        source.skipped.update({"no_generation": len(observations) - len(generations)})
        for one in generations:
            yield from _tolerated({**_shared(record), **one}, source)
        if generations:
            return
    if not _is_generation(record):
        source.skipped["no_generation"] += 1
        return
    yield _chat(record, source)


def _tolerated(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The chats of an inner record. One that is none is counted: the record that holds it has others."""
    try:
        yield from chats_of(record, source)
    except NotAChat:
        source.skipped["no_chat"] += 1


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a trace or session says of its observations."""
    names = (*_SESSIONS, *_USERS, "metadata")
    shared = {name: record[name] for name in names if record.get(name) is not None}
    if "traces" in record and record.get("id") is not None:
        shared["sessionId"] = record["id"]
    elif "observations" in record and record.get("id") is not None:
        shared["traceId"] = record["id"]
    return shared


def _is_generation(record: Mapping[str, Any]) -> bool:
    """Whether a record is a generation, or a trace, which has no type."""
    kind = record.get("type")
    return kind is None or str(kind).upper() == "GENERATION"


def _chat(record: dict[str, Any], source: Source) -> Chat:
    read = Messages(source)
    read.add_all(_asked(parsed(record.get("input"))))
    read.add_all(_answered(parsed(record.get("output"))))
    metadata = parsed(record.get("metadata"))
    metadata = metadata if isinstance(metadata, dict) else {}
    session = optional_id(record, *_SESSIONS) or optional_id(metadata, *_SESSIONS)
    return Chat(
        conversation_id=session or optional_id(record, *_TRACES) or optional_id(record, "id"),
        is_request_id=session is None,
        dataset="langfuse",
        language=optional_text(metadata, "locale"),
        persona=persona_of(optional_id(metadata, "character_id"), None, read.instructions),
        user_id=optional_id(record, *_USERS) or optional_id(metadata, *_USERS),
        model=next((model for name in MODELS if (model := optional_text(record, name))), None),
        started_at=first_moment(record, source, _STARTS),
        ended_at=first_moment(record, source, _ENDS),
        messages=checked_messages(read.messages),
    )


def _asked(given: object) -> list[Any]:
    """The messages of an input: a list of them, an object that holds them, or a question."""
    if is_objects(given):
        return given
    if isinstance(given, dict):
        if "role" in given:
            return [given]
        if isinstance(arguments := given.get("args"), list) and arguments:  # of a function that is observed
            return _asked(parsed(arguments[0]))
        for name in _LISTS:
            if is_objects(inner := parsed(given.get(name))):
                return [*inner]
        given = _one_text(given, _QUESTIONS)
    return [{"role": "user", "content": given}] if isinstance(given, str) else []


def _answered(given: object) -> list[Any]:
    """The messages of an output: the new ones, or an answer."""
    if is_objects(given):
        return [{"role": "assistant", **message} for message in given]
    if isinstance(given, dict):
        if is_objects(choices := given.get("choices")):
            return [{"role": "assistant", **object_of(choices[0].get("message"), "choices")}]
        if is_objects(inner := given.get("messages")):
            return [{"role": "assistant", **message} for message in inner[-1:]]
        if (
            "role" in given
            or "refusal" in given
            or "tool_calls" in given
            or isinstance(given.get("content"), list)
        ):
            return [{"role": "assistant", **given}]
        given = _one_text(given, _ANSWERS)
    return [{"role": "assistant", "content": given}] if isinstance(given, str) else []


def _one_text(given: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((text for name in names if isinstance(text := given.get(name), str)), None)
