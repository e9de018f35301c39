"""Imports OpenAI-style lines: fine-tuning examples, and logs of chat-completion requests with their responses.

`{"messages": [{"role", "content"}, ...]}`, one conversation a line; or a request and its response: `messages` beside
`choices`, or `request` and `response` (also `body`, as in batches), or `input` and `output` of the Responses API.
Optional: `id`, `conversation_id`, `user`, `model`, `created_at` or `created`, `metadata` (`character_id`,
`character_name`, `locale`, `dataset`), and `created_at` or `timestamp` on each message. A system prompt becomes the
character's instructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.traffic.importers.chat import Chat, Message, NotAChat, Role, Source
from jobs.traffic.importers.content import kind_of_role, served
from jobs.traffic.importers.fields import (
    checked_messages,
    first_moment,
    list_of,
    object_of,
    optional_id,
    optional_text,
    parsed,
    persona_of,
)

TIMES = ("created_at", "timestamp", "created", "create_time", "startTime", "start_time", "request_created_at")
REQUESTS = ("request", "request_body", "requestBody", "body")
RESPONSES = ("response", "response_body", "responseBody", "completion")
_CONVERSATION_IDS = ("conversation_id", "session_id", "thread_id", "sessionId", "threadId")
_CALL_ITEMS = ("function_call", "custom_tool_call", "computer_call", "web_search_call", "file_search_call")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one line; tool traffic, reasoning and parts that are not text are skipped and counted.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    request = _inner(record, REQUESTS)
    response = _inner(record, RESPONSES)
    metadata = {
        **object_of(request.get("metadata"), "metadata"),
        **object_of(record.get("metadata"), "metadata"),
    }
    read = Messages(source)
    read.add_all(_asked(request))
    read.add_all(_answered(record, response, source))
    conversation_id = optional_id(record, *_CONVERSATION_IDS) or optional_id(metadata, *_CONVERSATION_IDS)
    yield Chat(
        # `id` names the conversation in some logs and the request in others.
        conversation_id=conversation_id
        or optional_id(record, "id", "custom_id")
        or optional_id(response, "id"),
        is_request_id=conversation_id is None,
        dataset=optional_text(metadata, "dataset") or source.dataset,
        language=optional_text(metadata, "locale") or optional_text(metadata, "language"),
        persona=persona_of(
            optional_id(metadata, "character_id"),
            optional_text(metadata, "character_name"),
            read.instructions,
        ),
        user_id=optional_id(record, "user", "user_id")
        or optional_id(request, "user", "safety_identifier")
        or optional_id(metadata, "user_id"),
        model=optional_text(response, "model")
        or optional_text(request, "model")
        or optional_text(record, "model"),
        started_at=first_moment({**response, **record}, source, TIMES),
        ended_at=None,
        messages=checked_messages(read.messages),
    )


class Messages:
    """Collects the served messages of a list, and the instructions among them."""

    def __init__(self, source: Source) -> None:
        self.messages: list[Message] = []
        self.instructions: list[str] = []
        self._source = source

    def add_all(self, logged: list[Any]) -> None:
        """Add each message of a logged list, in order.

        Raises:
            NotAChat: one is no message.
        """
        for message in logged:
            self.add(message)

    def add(self, logged: object) -> None:
        """Add one logged message."""
        if not isinstance(logged, dict):
            raise NotAChat("wrong_type:message")
        kind = _kind(logged)
        if kind not in ("user", "character", "instructions"):
            self._source.skipped[kind] += 1
            return
        role: Role = "character" if kind == "character" else "user"
        at = first_moment(logged, self._source, TIMES)
        message = served(role, logged, self._source, logged.get("content"), at=at)
        if message is None:
            return
        if kind == "instructions":
            self.instructions.append(message.text)
        else:
            self.messages.append(message)


def _kind(logged: Mapping[str, Any]) -> str:
    """What a message is: by its role, or as an item of the Responses API by its type."""
    item = logged.get("type")
    if "role" not in logged and isinstance(item, str):
        if item == "reasoning":
            return "reasoning"
        if item in _CALL_ITEMS:
            return "tool_call"
        if item.endswith("_output"):
            return "tool"
    role = logged.get("role")
    return str(role).lower() if str(role).lower() in ("tool", "function") else kind_of_role(role)


def _inner(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The request or the response of a log line, also one written as text or wrapped in `body`; else the line."""
    for name in names:
        value = parsed(record.get(name))
        if isinstance(value, dict):
            body = parsed(value.get("body"))
            return body if isinstance(body, dict) else value
    return record


def _asked(request: dict[str, Any]) -> list[Any]:
    """The messages of a request."""
    if "messages" in request:
        return list_of({"messages": parsed(request["messages"])}, "messages")
    asked = parsed(request.get("input", request.get("prompt")))
    system = (
        [{"role": "system", "content": request.get("instructions")}] if request.get("instructions") else []
    )
    if isinstance(asked, str):
        return [*system, {"role": "user", "content": asked}]
    if isinstance(asked, list):
        return [*system, *asked]
    raise NotAChat("missing_field:messages")


def _answered(record: dict[str, Any], response: dict[str, Any], source: Source) -> list[Any]:
    """The messages of a response: of its first choice, or its output."""
    choices = response.get("choices")
    if isinstance(choices, list) and choices:
        # Which of several choices was shown is not logged; the first is what clients show.
        source.skipped.update({"other_choice": len(choices) - 1} if len(choices) > 1 else {})
        first = choices[0] if isinstance(choices[0], dict) else {}
        message = first.get("message")
        if message is None and isinstance(first.get("text"), str):
            return [{"role": "assistant", "content": first["text"]}]
        return [{"role": "assistant", **object_of(message, "choices")}] if message else []
    if isinstance(output := response.get("output"), list):
        return output
    if isinstance(message := response.get("message"), dict):
        return [{"role": "assistant", **message}]
    completion = record.get("completion")
    return [{"role": "assistant", "content": completion}] if isinstance(completion, str) else []
