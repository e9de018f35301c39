"""Conversations that branch: the branch that stands, and the responses that were generated again on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.traffic.importers.chat import Message


@dataclass(frozen=True)
class Node:
    """A message of a tree, in the order in which the log lists the branches.

    Attributes:
        said: what of it was served; None for a root, a tool call and the like.
    """

    name: str
    parent: str | None
    said: Message | None
    record: Mapping[str, Any]


def standing_branch(nodes: Sequence[Node], leaf: str, skipped: Counter[str]) -> tuple[Message, ...]:
    """The messages from the root to a leaf, each response after those that it replaced.

    A response that parts from the branch was replaced by the one that stands there. What follows it, and messages that
    the user wrote anew, were left behind: they are counted as `other_branch`.
    """
    named = {node.name: node for node in nodes}
    children: dict[str | None, list[Node]] = defaultdict(list)
    for node in nodes:
        children[node.parent].append(node)
    path = _path(named, leaf)
    on_path = {node.name for node in path}
    messages: list[Message] = []
    kept = 0
    for node in path:
        others = [other for other in children[node.parent] if other.name not in on_path]
        for other in others:
            answer = _first_said(other, children)
            if answer is not None and answer.role == "character" and _stands_for_response(node, path):
                messages.append(replace(answer, is_replaced=True))
                kept += 1
        if node.said is not None:
            messages.append(node.said)
            kept += 1
    left = sum(1 for node in nodes if node.said is not None) - kept
    if left:
        skipped["other_branch"] += left
    return tuple(messages)


def newest_leaf(nodes: Sequence[Node]) -> str | None:
    """The last listed node that nothing follows; for a tree that does not say which branch stands."""
    parents = {node.parent for node in nodes}
    return next((node.name for node in reversed(nodes) if node.name not in parents), None)


def _path(named: Mapping[str, Node], leaf: str) -> list[Node]:
    """The nodes from the root to the leaf."""
    path: list[Node] = []
    seen: set[str] = set()
    name: str | None = leaf
    while name is not None and name in named and name not in seen:
        seen.add(name)
        path.append(named[name])
        name = named[name].parent
    return path[::-1]


def _first_said(node: Node, children: Mapping[str | None, list[Node]]) -> Message | None:
    """The first served message at or under a node, along the first branch: tool calls may stand before a response."""
    seen: set[str] = set()
    current: Node | None = node
    while current is not None and current.name not in seen:
        if current.said is not None:
            return current.said
        seen.add(current.name)
        current = next(iter(children[current.name]), None)
    return None


def _stands_for_response(node: Node, path: Sequence[Node]) -> bool:
    """Whether the branch goes on with a response here, at once or after messages that were not served."""
    place = next(n for n, other in enumerate(path) if other is node)
    said = next((later.said for later in path[place:] if later.said is not None), None)
    return said is not None and said.role == "character"
