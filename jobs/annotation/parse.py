"""Parses one landed line to a judgement of two responses, or to a reason for quarantine.

`{"pair_id", "annotator_id", "mode", "source", "context": {"system"?, "character"?, "messages": [{"role", "content"}]},
"response_a", "response_b", "winner", "user_id"?, "guideline_version"?}`, one a line. What else stands in a line is left
out. Users and annotators leave this module as keyed hashes, other ids and names unless they are plain (infra/ids.py). A
reason never holds a value from the line.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, cast

from infra.ids import id_of, name_of, pseudonym
from infra.records import MAX_EXPANSION, TOO_LARGE, Refused, refusal_of
from jobs.landing.lines import (
    ERASED,
    ERASED_USER,
    IMPORT_REJECTED,
    MAX_REFUSED_LINES,
    origin_of,
)
from jobs.landing.parsing import parsed_lines
from jobs.landing.zone import LandingFile, Row, broken
from models.chat.conversation import context_of
from models.chat.preferences import WINNERS

MODES = frozenset({"static", "interactive"})
_ROLES = ("user", "assistant")
_CHARACTER = ("name", "traits", "instructions")
_MAX_ID_LENGTH = 512


@dataclass(frozen=True)
class JudgementRules:
    """Rules for accepting judgements: the longest line in bytes, the key of all hashes, the hashes of erased users."""

    max_line_bytes: int
    key: bytes
    erased: frozenset[str] = frozenset()
    max_expansion: int = MAX_EXPANSION
    max_refused_lines: int = MAX_REFUSED_LINES
    keyed_ids: bool = True


class Judgement(NamedTuple):
    """One annotator's judgement of one pair, unscreened. `opening` decides the split of a pair without a user."""

    pair_id: str
    annotator_id: str
    mode: str
    source: str
    context: str
    response_a: str
    response_b: str
    winner: str
    user_id: str | None
    guideline_version: str | None
    opening: str
    content_hash: str


class LandedJudgement(NamedTuple):
    """Result of parsing one line: exactly one of `judgement` and `reason` is set."""

    source_file: str
    line: int
    judgement: Judgement | None
    reason: str | None


def parse_file(file: LandingFile, rules: JudgementRules) -> Iterator[LandedJudgement]:
    """Parse each line of a file, in order.

    Raises:
        LandingFileBroken: the file is damaged, is no JSON lines, or its last line is half written.
    """
    if file.name.endswith(".parquet"):
        raise broken(file, "is Parquet; judgements must be .jsonl or .jsonl.gz")
    yield from parsed_lines(
        file,
        rules,
        lambda row: parse_row(row, file, rules),
        lambda number, reason: LandedJudgement(file.name, number, None, reason),
    )


def parse_row(row: Row, file: LandingFile, rules: JudgementRules) -> LandedJudgement:
    """Parse one line. Never raises on content."""
    if row.content is None:
        return LandedJudgement(file.name, row.number, None, row.reason or TOO_LARGE)
    record, reason = refusal_of(cast(bytes, row.content))
    if record is None:
        return LandedJudgement(file.name, row.number, None, reason)
    if record.get("event_type") == IMPORT_REJECTED:
        origin = origin_of(record)
        if isinstance(origin, str):
            return LandedJudgement(file.name, row.number, None, origin)
        name, line, why = origin
        return LandedJudgement(f"{file.name}!{name}", line, None, f"import:{why}")
    if record.get("event_type") == ERASED:
        return LandedJudgement(file.name, row.number, None, ERASED_USER)
    try:
        judgement = judgement_of(record, rules.key, rules.keyed_ids)
    except Refused as refused:
        return LandedJudgement(file.name, row.number, None, str(refused))
    if judgement.user_id in rules.erased:
        return LandedJudgement(file.name, row.number, None, ERASED_USER)
    return LandedJudgement(file.name, row.number, judgement, None)


def judgement_of(record: Mapping[str, Any], key: bytes, keyed_ids: bool = True) -> Judgement:
    """The judgement of a record.

    Args:
        keyed_ids: as in `jobs.traffic.parse.LandingRules`.

    Raises:
        Refused: says which field is missing, of another kind or contradicts another.
    """
    mode, winner = required(record, "mode"), required(record, "winner")
    if mode not in MODES:
        raise Refused("unknown_mode")
    if winner not in WINNERS:
        raise Refused("unknown_winner")
    responses = [text_of(record, name) for name in ("response_a", "response_b")]
    if any(not response.strip() for response in responses):
        raise Refused("empty_response")
    if responses[0].strip() == responses[1].strip():
        raise Refused("identical_responses")
    context, opening = _context(record.get("context"))
    user = optional(record, "user_id")
    user_id = pseudonym(user, key) if user else None
    source, pair_id = required(record, "source"), required(record, "pair_id")
    guideline = optional(record, "guideline_version")
    if keyed_ids:
        source, pair_id = name_of("source", source, key), id_of("pair", pair_id, key)
        guideline = name_of("guideline", guideline, key) if guideline else None
    return Judgement(
        pair_id=pair_id,
        annotator_id="a_" + keyed(["annotator", required(record, "annotator_id")], key),
        mode=mode, source=source, context=context, response_a=responses[0], response_b=responses[1], winner=winner,
        user_id=user_id, guideline_version=guideline,
        opening="o_" + keyed(["opening", opening], key),
        content_hash=keyed([mode, source, user_id, context, *responses], key),
    )  # fmt: skip


def keyed(parts: object, key: bytes) -> str:
    """Keyed hash (HMAC-SHA256, 128 bits in hex) of a JSON-serialisable value."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def required(record: Mapping[str, Any], name: str) -> str:
    """A short text that must be there, such as an id. Raises Refused."""
    value = text_of(record, name)
    if not value:
        raise Refused(f"missing_field:{name}")
    if len(value) > _MAX_ID_LENGTH:
        raise Refused(f"too_long:{name}")
    return value


def optional(record: Mapping[str, Any], name: str) -> str | None:
    """A short text that may be absent, null or empty. Raises Refused."""
    return None if record.get(name) in (None, "") else required(record, name)


def text_of(record: Mapping[str, Any], name: str) -> str:
    """A text of any length, empty too. Raises Refused."""
    value = record.get(name)
    if value is None:
        raise Refused(f"missing_field:{name}")
    if not isinstance(value, str):
        raise Refused(f"wrong_type:{name}")
    return value


def _context(value: object) -> tuple[str, str]:
    """The context in canonical form, from known parts only, and the opening: the user's first message."""
    if not isinstance(value, dict):
        raise Refused("missing_field:context" if value is None else "wrong_type:context")
    messages = _messages(value.get("messages"))
    system = value.get("system")
    if system is not None and not isinstance(system, str):
        raise Refused("wrong_type:context.system")
    character = _character(value.get("character"))
    if not (messages or system or character):
        raise Refused("no_context")
    first = next(
        (message for message in messages if message["role"] == "user"),
        messages[0] if messages else {"content": system or ""},
    )
    opening = " ".join(first["content"].casefold().split())
    return context_of(messages, system=system, character=character), opening


def _messages(value: object) -> list[dict[str, str]]:
    """Messages in order; what one speaker said in several is joined by a newline, as in traffic.turns."""
    if not isinstance(value, list):
        raise Refused("missing_field:context.messages" if value is None else "wrong_type:context.messages")
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise Refused("wrong_type:context.messages")
        if message.get("role") not in _ROLES:
            raise Refused("unknown_role")
        if not message["content"].strip():
            raise Refused("empty_message")
    return [
        {"role": role, "content": "\n".join(message["content"] for message in same)}
        for role, same in groupby(value, key=lambda message: cast(str, message["role"]))
    ]


def _character(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refused("wrong_type:context.character")
    character: dict[str, str] = {}
    for name in _CHARACTER:
        part = value.get(name)
        if isinstance(part, list) and all(isinstance(trait, str) for trait in part):
            part = ", ".join(part)
        if part is not None and not isinstance(part, str):
            raise Refused("wrong_type:context.character")
        if part:
            character[name] = part
    return character or None
