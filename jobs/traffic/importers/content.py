"""What of a chat message was served as text: by the kind of each part, not by whether it holds text.

A refusal is a response. Reasoning is not, nor are tool calls and their results: they are counted as skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.traffic.importers.chat import Message, NotAChat, Role, Source

USERS = ("user", "human", "prompter")
ASSISTANTS = ("assistant", "ai", "bot", "model", "gpt", "chatbot")
INSTRUCTIONS = ("system", "developer")
TOOLS = ("tool", "function", "ipython", "observation", "function_call", "tool_call", "function_response")

_TEXT_PARTS = ("text", "input_text", "output_text")
_REASONING_PARTS = (
    "reasoning",
    "thinking",
    "redacted_thinking",
    "thoughts",
    "reasoning_content",
    "reasoning_text",
)
_CALL_PARTS = ("tool_use", "tool_call", "function_call", "server_tool_use")
_RESULT_PARTS = ("tool_result", "function_call_output", "tool_response")
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
_THINKS, _THOUGHT = "<think>", "</think>"


def kind_of_role(role: object) -> str:
    """user, character, instructions or tool.

    Raises:
        NotAChat: it is a role of none of these kinds.
    """
    name = role.lower() if isinstance(role, str) else ""
    kinds = (("user", USERS), ("character", ASSISTANTS), ("instructions", INSTRUCTIONS), ("tool", TOOLS))
    kind = next((kind for kind, names in kinds if name in names), None)
    if kind is None:
        raise NotAChat("unknown_role")
    return kind


def served(
    role: Role, message: Mapping[str, Any], source: Source, content: object, **more: Any
) -> Message | None:
    """The message as it was served, or None, counted, if nothing of it was: a tool call, a picture, nothing at all.

    Args:
        message: the logged message; a refusal, reasoning and tool calls may stand in fields of their own.
        content: its content: text, a list of parts, or nothing.
        more: fields of the message made.
    """
    texts, refusals = _parts(content, source)
    is_refusal = False
    if role == "character":
        _skip_reasoning(message, source)
        texts = [visible for text in texts if (visible := _without_thoughts(text, source)) is not None]
        if isinstance(refusal := message.get("refusal"), str) and refusal.strip():
            refusals.append(refusal)
        if not _has_text(texts) and (transcript := _transcript(message)):
            texts = [transcript]
        is_refusal = bool(refusals) and not _has_text(texts)
    texts = [text for text in (*texts, *refusals) if text.strip()]
    if not texts:
        has_call = role == "character" and (message.get("tool_calls") or message.get("function_call"))
        source.skipped["tool_call" if has_call else "no_text"] += 1
        return None
    fields = {**more.pop("fields", {}), **({"is_refusal": True} if is_refusal else {})}
    return Message(role, "\n".join(texts), fields=fields, **more)


def _parts(content: object, source: Source) -> tuple[list[str], list[str]]:
    """The texts and the refusals of a content."""
    if content is None:
        return [], []
    if isinstance(content, str):
        return [content], []
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise NotAChat("wrong_type:content")
    texts: list[str] = []
    refusals: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        text = _text_in(part.get("refusal" if kind == "refusal" else "text")) if kind is not None else None
        if kind == "refusal" and text is not None:
            refusals.append(text)
        elif kind in _TEXT_PARTS and text is not None:
            texts.append(text)
        else:
            source.skipped[_kind_of_part(kind)] += 1
    return texts, refusals


def _kind_of_part(kind: object) -> str:
    if kind in _REASONING_PARTS:
        return "reasoning"
    if kind in _CALL_PARTS:
        return "tool_call"
    return "tool" if kind in _RESULT_PARTS else "part_not_text"


def _text_in(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, str) else None


def _skip_reasoning(message: Mapping[str, Any], source: Source) -> None:
    if any(isinstance(text := message.get(name), str) and text.strip() for name in _REASONING_FIELDS):
        source.skipped["reasoning"] += 1


def _without_thoughts(text: str, source: Source) -> str | None:
    """A response without the thoughts that some models write before it; None if it is nothing else."""
    if not text.lstrip().startswith(_THINKS):
        return text
    source.skipped["reasoning"] += 1
    _, ended, answer = text.partition(_THOUGHT)
    return answer.lstrip() if ended else None


def _transcript(message: Mapping[str, Any]) -> str | None:
    """What a spoken response said."""
    audio = message.get("audio")
    said = audio.get("transcript") if isinstance(audio, dict) else None
    return said if isinstance(said, str) and said.strip() else None


def _has_text(texts: list[str]) -> bool:
    return any(text.strip() for text in texts)
