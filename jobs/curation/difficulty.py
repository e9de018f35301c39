"""How demanding a prompt is: a first, cheap estimate of "complexity and nuance" (Table 1).

The paper measures difficulty by the variance of reward scores over several responses (section 3.5.4), which needs a
reward model of an earlier generation. Until there is one, this estimate reads the redacted user message alone and is
the weighted mean of four parts, each in 0..1:

===========  ======  ==========================================================================================
length         .35   words, on a log scale, full at 60
vocabulary     .25   distinct words of four letters or more, on a log scale, full at 30
structure      .25   clauses: parts between sentence ends, commas, colons and line breaks, full at 8
specifics      .15   numbers, quotations, code and placeholders, full at 4
===========  ======  ==========================================================================================

It is deterministic and knows no language: words are runs of letters and marks, or single CJK characters. It sees how
much is asked, not how hard it is to answer.
"""

from __future__ import annotations

import math
import re
from typing import Final

_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD: Final = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}](?:[^\W\d_{_CJK}]|[\u0300-\u036f\u0900-\u0dff'’])*")
_BREAK: Final = re.compile(r"[.!?。！？।]+|[,;:，、；：]|\n+")
_SPECIFIC: Final = re.compile(r"\d+(?:[.,:/]\d+)*|[\"“«][^\"”»\n]+[\"”»]|`[^`\n]+`|<[A-Z_]+>")
_SCANNED_CHARACTERS: Final = 4000
_DIGITS: Final = 4


def prompt_difficulty(user_message: str) -> float:
    """Estimated difficulty of a redacted user message, in 0..1, rounded to four digits."""
    text = user_message[:_SCANNED_CHARACTERS]
    words = [word.lower() for word in _WORD.findall(text)]
    content = {word for word in words if len(word) >= 4 or word > "\u2fff"}
    clauses = sum(1 for part in _BREAK.split(text) if part.strip())
    value = (
        0.35 * _log_share(len(words), 60)
        + 0.25 * _log_share(len(content), 30)
        + 0.25 * min(max(clauses - 1, 0) / 7, 1.0)
        + 0.15 * min(len(_SPECIFIC.findall(text)) / 4, 1.0)
    )
    return round(value, _DIGITS)


def _log_share(count: int, full: int) -> float:
    return min(math.log1p(count) / math.log1p(full), 1.0)
