"""Readers of fields that chat logs share. Their errors are reasons for quarantine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeGuard

from infra.nesting import too_deep
from jobs.traffic.importers.chat import Message, NotAChat, Persona, Source

_LARGEST_ID = 10**40
_CAPITAL = re.compile(r"[A-Z]")


def wrong_type(name: str) -> NotAChat:
    """That a field is of another kind than expected; its name is spelled as reasons are: `session_id`."""
    spelled = _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)
    return NotAChat(f"wrong_type:{spelled}")


def list_of(record: Mapping[str, Any], name: str) -> list[Any]:
    """A list that must be there.

    Raises:
        NotAChat: there is no list of that name.
    """
    logged = record.get(name)
    if not isinstance(logged, list):
        raise NotAChat(f"missing_field:{name}") if logged is None else wrong_type(name)
    return logged


def some_of(record: Mapping[str, Any], name: str) -> list[Any]:
    """A list that says something beside the text, such as attachments; an empty one where there is none."""
    value = record.get(name)
    return value if isinstance(value, list) else []


def object_of(value: object, name: str) -> dict[str, Any]:
    """An object; an empty one where there is none.

    Raises:
        NotAChat: it is something else.
    """
    if value is None or value == [] or value == "":
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name)
    return value


def optional_text(record: Mapping[str, Any], name: str) -> str | None:
    """A text field that may be absent, null or empty.

    Raises:
        NotAChat: it is something else.
    """
    value = record.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise wrong_type(name)
    return value


def optional_id(record: Mapping[str, Any], *names: str) -> str | None:
    """The first of these ids that is there. A whole number is an id too, and is written as text.

    Raises:
        NotAChat: it is neither text nor a whole number.
    """
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID:
            return str(value)
        if isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        raise wrong_type(name)
    return None


def first_moment(record: Mapping[str, Any], source: Source, names: Sequence[str]) -> datetime | None:
    """The time in the first of these fields that is there."""
    name = next((name for name in names if record.get(name) not in (None, "")), None)
    return source.moment(record[name], name) if name else None


def parsed(value: object) -> object:
    """The value that a text holds as JSON, where a log writes objects as text; else the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")) or too_deep(value):
        return value
    try:
        inner = json.loads(value)
        json.dumps(inner, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return value
    return inner


def is_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether the value is a list of objects, with one at least."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def checked_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages.

    Raises:
        NotAChat: there is none.
    """
    if not messages:
        raise NotAChat("no_messages")
    return tuple(messages)


def persona_of(given: str | None, name: str | None, instructions: Sequence[str]) -> Persona | None:
    """The character that a log describes by an id, a name or a system prompt; None if by none of them."""
    text = "\n".join(instructions)
    if given is None and name is None and not text:
        return None
    return Persona(given or character_id_of(f"{name or ''}\n{text}"), name, (), text or None)


def character_id_of(text: str) -> str:
    """A stable id for a character without an id, from its description."""
    return f"c_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def language_tag(name: str | None) -> str | None:
    """The tag of a language that a log names in English ("Spanish"); any other text as it is."""
    return None if name is None else _tags().get(name.lower(), name)


@cache
def _tags() -> dict[str, str]:
    from babel import Locale

    tags = {str(name).lower(): tag.replace("_", "-") for tag, name in Locale("en").languages.items()}
    return tags | {"chinese": "zh", "norwegian": "no", "farsi": "fa"}
