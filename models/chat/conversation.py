"""Contexts as chat messages: x = [system prompt, character, history] (equation 5).

`curation.samples.context` and `annotation.preferences.context` hold the same JSON:
`{"system": text, "character": {"name", "traits", "instructions"}, "messages": [{"role", "content"}, ...]}`; `system`
and `character` may be absent.
"""

from __future__ import annotations

import json
from typing import Any

from infra.errors import TrainingRefused

Messages = list[dict[str, str]]
"""Chat messages with `role` (system, user or assistant) and `content`, as a tokenizer's chat template takes them."""

_ROLES = frozenset({"user", "assistant"})


def messages(context: str) -> Messages:
    """The context as chat messages: one system message if there is a system prompt or a character, then the history.

    Raises:
        TrainingRefused: the context is not such JSON. The error names the problem and never quotes the text.
    """
    try:
        fields = json.loads(context)
        history = [
            {"role": str(message["role"]), "content": str(message["content"])}
            for message in fields["messages"]
        ]
        system_prompt = _system(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingRefused(
            f"a context is not JSON of character and messages: {type(error).__name__}"
        ) from None
    if not {message["role"] for message in history} <= _ROLES:
        raise TrainingRefused("a context has a message that is neither the user's nor the assistant's")
    return [*([{"role": "system", "content": system_prompt}] if system_prompt else []), *history]


def context_of(
    history: Messages, *, system: str | None = None, character: dict[str, str] | None = None
) -> str:
    """The inverse of `messages`, for importers: JSON with keys in one order, so that equal contexts are equal text."""
    parts: dict[str, Any] = {"system": system or None, "character": character or None, "messages": history}
    return json.dumps({k: v for k, v in parts.items() if v is not None}, ensure_ascii=False, sort_keys=True)


def answered(context: str, response: str) -> Messages:
    """The context with a response after it: what a pointwise reward model or a signal model reads."""
    return [*messages(context), {"role": "assistant", "content": response}]


def _system(fields: dict[str, Any]) -> str:
    character = fields.get("character") or {}
    lines = [
        fields.get("system"),
        *(character.get(name) for name in ("name", "traits", "instructions")),
    ]
    # Curated traits are a list.
    return "\n".join(
        ", ".join(map(str, line)) if isinstance(line, list) else str(line) for line in lines if line
    )
