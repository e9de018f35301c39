"""Imports the data export of ChatGPT, `conversations.json`: one tree of messages (`mapping`) for each conversation.

The branch that ends in `current_node` is the conversation; responses that it replaced become regenerations. Hidden
messages, tools and their results, reasoning and pictures are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.records import read_records
from jobs.traffic.importers.chat import Chat, Message, NotAChat, Role, Source
from jobs.traffic.importers.content import kind_of_role, served
from jobs.traffic.importers.fields import (
    checked_messages,
    first_moment,
    object_of,
    optional_id,
    optional_text,
    persona_of,
    some_of,
)
from jobs.traffic.importers.trees import Node, newest_leaf, standing_branch

_SKIPPED_KINDS = {
    "thoughts": "reasoning",
    "reasoning_recap": "reasoning",
    "code": "tool_call",
    "execution_output": "tool",
}
_LONGEST_USER = 1_000_000
_TEXT_KINDS = ("text", "multimodal_text")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one record, along its current branch.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    mapping = record.get("mapping")
    if not isinstance(mapping, dict):
        raise NotAChat("missing_field:mapping" if mapping is None else "wrong_type:mapping")
    nodes = [_node(name, entry, source) for name, entry in mapping.items() if isinstance(entry, dict)]
    current = record.get("current_node")
    leaf = current if isinstance(current, str) and current in mapping else newest_leaf(nodes)
    messages = standing_branch(nodes, leaf or "", source.skipped)
    yield Chat(
        conversation_id=optional_id(record, "conversation_id", "id"),
        dataset="chatgpt",
        language=None,
        persona=persona_of(optional_id(record, "gizmo_id"), None, ()),
        user_id=source.owner,
        owner=f"chatgpt/{source.file}",
        model=optional_text(record, "default_model_slug"),
        started_at=first_moment(record, source, ("create_time",)),
        ended_at=None,
        messages=checked_messages(messages),
    )


def owner_of(path: Path) -> str | None:
    """The id of the user whose export a file is: of `user.json`, which lies beside it."""
    beside = path.with_name("user.json")
    if not beside.is_file():
        return None
    for record in read_records(beside, _LONGEST_USER):
        given = (record.value or {}).get("id")
        return given if isinstance(given, str) and given else None
    return None


def _node(name: str, entry: Mapping[str, Any], source: Source) -> Node:
    parent = entry.get("parent")
    message = entry.get("message")
    said = _said(message, source) if isinstance(message, dict) else None
    return Node(name, parent if isinstance(parent, str) else None, said, entry)


def _said(message: dict[str, Any], source: Source) -> Message | None:
    """What of a node's message was served."""
    author, metadata = (
        object_of(message.get("author"), "author"),
        object_of(message.get("metadata"), "metadata"),
    )
    kind = kind_of_role(author.get("role"))
    content = object_of(message.get("content"), "content")
    content_kind = content.get("content_type", "text")
    if kind == "instructions" or metadata.get("is_visually_hidden_from_conversation"):
        if any(some_of(content, "parts")):
            source.skipped["hidden"] += 1
        return None
    if kind == "tool":
        source.skipped["tool"] += 1
        return None
    if message.get("recipient") not in (None, "all"):
        source.skipped["tool_call"] += 1
        return None
    if content_kind not in _TEXT_KINDS:
        source.skipped[_SKIPPED_KINDS.get(str(content_kind), "part_not_text")] += 1
        return None
    role: Role = "user" if kind == "user" else "character"
    at = first_moment(message, source, ("create_time",))
    model = optional_text(metadata, "model_slug") if role == "character" else None
    return served(role, message, source, content.get("parts"), at=at, model=model)
