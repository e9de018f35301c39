"""What a record is: one JSON object as RFC 8259 has it, of bounded depth, whose text and numbers can be stored.

A reason never holds a value from the record.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from infra.nesting import too_deep

# Only these may be beyond the largest float: elsewhere floats are read by the parser itself, which is faster.
_MAY_OVERFLOW: Final = re.compile(r"\d[eE]\+?\d{3}|\d{200}")


class Refused(Exception):
    """A record is refused; the argument is the reason."""


def load_object(content: bytes) -> dict[str, Any]:
    """Strict JSON: one object, no NaN, no number beyond the largest, no duplicate keys, no lone surrogates.

    Raises:
        Refused: not_utf8, too_deep, malformed_json, duplicate_key, bad_unicode or not_an_object.
    """
    value = load_value(content)
    if not isinstance(value, dict):
        raise Refused("not_an_object")
    return value


def load_value(content: bytes) -> Any:
    """Strict JSON of any kind. Raises Refused, as `load_object`."""
    text = decoded(content)
    if too_deep(text):
        raise Refused("too_deep")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite if _MAY_OVERFLOW.search(text) else None,
        )
    except (ValueError, RecursionError):
        raise Refused("malformed_json") from None
    if "\\u" in text:
        _check_unicode(value)
    return value


def refusal_of(content: bytes) -> tuple[dict[str, Any], None] | tuple[None, str]:
    """The object of a record, or the reason why there is none."""
    try:
        return load_object(content), None
    except Refused as refused:
        return None, str(refused)


def decoded(content: bytes) -> str:
    """The text of UTF-8. Raises Refused."""
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


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # it would be written again as Infinity
        raise Refused("malformed_json")
    return number


def _check_unicode(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("bad_unicode") from None
