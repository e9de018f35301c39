"""Imports OpenAssistant: message trees, one a record (`prompt` with `replies`).

The branch that stands is that of the best-ranked replies; the other answers on it become regenerations. Deleted
messages are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.traffic.importers.chat import Chat, Message, NotAChat, Role, Source
from jobs.traffic.importers.content import kind_of_role, served
from jobs.traffic.importers.fields import checked_messages, first_moment, optional_id, optional_text
from jobs.traffic.importers.trees import Node, standing_branch

_TIMES = ("created_date", "created_at")


def chats_of(record: dict[str, Any], source: Source) -> Iterator[Chat]:
    """The conversation of one tree, along its best-ranked branch.

    Raises:
        NotAChat: says which field is missing or of another kind.
    """
    prompt = record.get("prompt")
    if not isinstance(prompt, dict):
        raise NotAChat("missing_field:prompt" if prompt is None else "wrong_type:prompt")
    nodes: list[Node] = []
    _collect(prompt, None, nodes, source)
    messages = standing_branch(nodes, _best_leaf(prompt, nodes), source.skipped)
    yield Chat(
        conversation_id=optional_id(record, "message_tree_id") or optional_id(prompt, "message_id"),
        dataset="oasst",
        language=optional_text(prompt, "lang"),
        persona=None,
        user_id=optional_id(prompt, "user_id"),
        model=None,
        started_at=first_moment(prompt, source, _TIMES),
        ended_at=None,
        messages=checked_messages(messages),
    )


def _collect(message: dict[str, Any], parent: str | None, nodes: list[Node], source: Source) -> None:
    """The messages of a tree as nodes, the best-ranked branch of each message first."""
    open_nodes = [(message, parent)]
    while open_nodes:
        current, above = open_nodes.pop()
        name = str(len(nodes))
        nodes.append(Node(name, above, _said(current, source), current))
        open_nodes.extend((reply, name) for reply in reversed(_replies(current)))


def _replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The replies to a message, the best-ranked first; one without a rank after those with one."""
    replies = message.get("replies") or []
    if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
        raise NotAChat("wrong_type:replies")
    ranks = [reply["rank"] if isinstance(reply.get("rank"), int) else len(replies) for reply in replies]
    return [replies[n] for n in sorted(range(len(replies)), key=ranks.__getitem__)]


def _best_leaf(prompt: dict[str, Any], nodes: list[Node]) -> str:
    """The node in which the branch of the best replies ends. A branch whose reply was deleted is another's."""
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    leaf = nodes[0]
    while following := [node for node in children.get(leaf.name, []) if node.said is not None]:
        leaf = following[0]
    return leaf.name


def _said(message: dict[str, Any], source: Source) -> Message | None:
    if message.get("deleted"):
        source.skipped["deleted"] += 1
        return None
    role: Role = "user" if kind_of_role(message.get("role")) == "user" else "character"
    at = first_moment(message, source, _TIMES)
    model = optional_text(message, "model_name") if role == "character" else None
    return served(role, message, source, message.get("text"), at=at, model=model)
