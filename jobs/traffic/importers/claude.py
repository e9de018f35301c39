"""Imports the data export of Claude, `conversations.json`: `chat_messages` with `sender`, text and times.

Newer exports name the message before each one: there the branch that stands is read, and responses that it replaced
become regenerations.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    some_of,
)
from jobs.traffic.importers.trees import Node, newest_leaf, standing_branch


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one record.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    logged = list_of(record, "chat_messages")
    if not all(isinstance(message, dict) for message in logged):
        raise NotAChat("wrong_type:message")
    said = [_said(message, source) for message in logged]
    names = [optional_id(message, "uuid") or str(place) for place, message in enumerate(logged)]
    parents = [optional_id(message, "parent_message_uuid") for message in logged]
    if any(parent in names for parent in parents):
        nodes = [Node(*node) for node in zip(names, parents, said, logged, strict=True)]
        nodes = [
            node if node.parent in names else Node(node.name, None, node.said, node.record) for node in nodes
        ]
        leaf = optional_id(record, "current_leaf_message_uuid") or newest_leaf(nodes)
        messages = standing_branch(nodes, leaf if leaf in names else newest_leaf(nodes) or "", source.skipped)
    else:
        messages = tuple(message for message in said if message is not None)
    account = optional_id(object_of(record.get("account"), "account"), "uuid")
    yield Chat(
        conversation_id=optional_id(record, "uuid"),
        dataset="claude",
        language=None,
        persona=None,
        user_id=account,
        owner=f"claude/{source.file}",
        model=optional_text(record, "model"),
        started_at=first_moment(record, source, ("created_at",)),
        ended_at=None,
        messages=checked_messages(messages),
    )


def _said(message: dict[str, Any], source: Source) -> Message | None:
    role: Role = "user" if kind_of_role(message.get("sender")) == "user" else "character"
    content = message.get("content") or message.get("text")
    files = [*some_of(message, "attachments"), *some_of(message, "files")]
    if files:
        source.skipped["attachment"] += len(files)
    return served(role, message, source, content, at=first_moment(message, source, ("created_at",)))
