"""Text that comes from data, made harmless for what shows it: a terminal, a spreadsheet, a page.

A terminal obeys escape sequences, a bidirectional override shows text in another order than it has, and a zero-width
character hides. All of them are shown as Python writes them in a string (`\\x1b`, `\\u202e`), never sent.
"""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import Any, Final

# Unicode calls these letters or marks, so that `str.isprintable` is true of them, and draws nothing for them: its
# property Default_Ignorable_Code_Point, without the variation selectors that emoji need.
_BLANK: Final = "\u034f\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef"
_UNUSUAL: Final = re.compile(rf"[^ -~]|[{_BLANK}]")
_BLANKS: Final = re.compile(f"[{_BLANK}]")

# What makes a spreadsheet read a cell as a formula (OWASP, "CSV Injection"), also in full width.
_FORMULA: Final = re.compile(r"[\s\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def visible(text: object, *, multiline: bool = False) -> str:
    """The text with every character that would not be seen as itself written as an escape: `\\x1b`, `\\u202e`.

    Those are control and format characters (ANSI escapes, bidirectional overrides, zero-width characters), line and
    paragraph separators, surrogates, unassigned and private characters, and blank letters. Spaces of any width stay.

    Args:
        multiline: line feeds stay line feeds.
    """

    def shown(match: re.Match[str]) -> str:
        character = match[0]
        if multiline and character == "\n":
            return character
        return character if _is_plain(character) else _escape(character)

    return _UNUSUAL.sub(shown, str(text))


def json_text(content: Any) -> str:
    """JSON of the content that reads back as exactly that content, and shows a terminal nothing to obey.

    A value that JSON does not know is written as its `str`.
    """
    text = json.dumps(content, default=str, ensure_ascii=False)
    # Outside strings JSON is ASCII: what is replaced stands in a string, where its escape means the same.
    return _UNUSUAL.sub(lambda match: match[0] if _is_plain(match[0]) else _json_escape(match[0]), text)


def csv_cell(value: Any) -> Any:
    """The value for a CSV cell that a spreadsheet may open: no formula, nothing invisible. Numbers stay as they are.

    A text that a spreadsheet would read as a formula gets an apostrophe in front, also a text such as "-5".
    """
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    text = str(value)
    return visible(f"'{text}" if _FORMULA.match(text) else text, multiline=True)


def _is_plain(character: str) -> bool:
    if _BLANKS.match(character):
        return False
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
