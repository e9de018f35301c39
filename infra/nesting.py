"""Nesting depth of JSON, checked before it is parsed: a line of a hundred thousand brackets must not end the process.

Python's parser recurses in C: where a library has raised the recursion limit, as some do, such a line overflows the
stack.
"""

from __future__ import annotations

import re
from typing import Final

MAX_DEPTH: Final = 64
# A string without an end goes on to the end of the text and is never begun again inside: each sign is read once.
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\(?s:.))*+(?:"|\\?\Z)|[\[{]|[\]}]')


def too_deep(text: str) -> bool:
    """Whether brackets outside strings nest more than MAX_DEPTH levels."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKET.finditer(text):
        bracket = match.group()
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket in "]}":
            depth -= 1
    return False
