"""Parses a landed line to one JSON object, or says why it is none. Knows no event types.

Raw user ids leave the landing zone only as keyed hashes, and a reason never holds a value from the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.nesting import too_deep

# An importer writes this event for an unreadable input line, so that the line is quarantined and not lost.
IMPORT_REJECTED = "import_rejected"
# The event type of a tombstone of an erased user, and the reason for which lines of erased users are not landed.
ERASED, ERASED_USER = "erased", "erased_user"
FURTHER_REFUSED = "further_refused_lines"
MAX_REFUSED_LINES = 100_000

_ORIGIN = re.compile(r"[\w.\-+@=/ ]{1,300}\Z")
_REASON = re.compile(r"[a-z0-9_:.]{1,80}\Z")
# Reasons are counted in the ledger, which is not restricted: one that an importer of ours would not give is `other`.
_REASON_WORDS = frozenset(
    """a an annotator answer assigned at author b bad character chosen completions content context contexts
    conversation created dataset deep different duplicate empty end ended event fewer field file future
    guideline id identical input instructions is json key label language large line locale long malformed
    message messages metadata missing mode model name no not object of or origin outside overall pair payload
    persona prompt rating received rejected response responses role score source started system text than the
    thumb time timestamp too traits transcript ts two type unicode unknown updated user utf8 version winner
    wrong""".split()
)


class Refused(Exception):
    """A line is refused; the argument is the reason."""


def load_object(content: bytes) -> dict[str, Any]:
    """Strict JSON: one object, no NaN, no duplicate keys, bounded depth. Raises Refused with the reason."""
    text = decoded(content)
    if too_deep(text):
        raise Refused("too_deep")
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused("malformed_json") from None
    if not isinstance(value, dict):
        raise Refused("not_an_object")
    if "\\u" in text:
        _check_unicode(value)
    return value


def refusal_of(content: bytes) -> tuple[dict[str, Any], None] | tuple[None, str]:
    """The object of a JSON line, or the reason why there is none. For importers, which read other formats."""
    if not content.strip():
        return None, "empty_line"
    try:
        return load_object(content), None
    except Refused as refused:
        return None, str(refused)


def origin_of(record: Mapping[str, Any]) -> tuple[str, int, str] | str:
    """Input file, line and reason that an importer noted for an unreadable line; or what is wrong with the note.

    Anybody can land such a note: of its reason only the words of ours are taken.
    """
    origin, line, reason = record.get("origin_file"), record.get("origin_line"), record.get("reason")
    if not (isinstance(origin, str) and _ORIGIN.match(origin) and type(line) is int and line > 0):
        return "wrong_type:origin"
    if not (isinstance(reason, str) and _REASON.match(reason)):
        return "wrong_type:reason"
    known = all(word in _REASON_WORDS for word in re.split("[_:.]", reason))
    return origin, line, reason if known else "other"


def decoded(content: bytes) -> str:
    """The text of a line. Raises Refused."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not_utf8") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise Refused("duplicate_key")
    return keys


def _no_constant(_: str) -> None:
    raise Refused("malformed_json")  # NaN and Infinity are no JSON


def _check_unicode(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("bad_unicode") from None
