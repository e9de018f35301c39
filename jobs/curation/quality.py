"""How good a prompt is to learn from: a first, cheap estimate of how well the turn was understood and answered.

The paper lists prompt quality among the dimensions of Table 1 (section 2.2.1) without an estimator. This one reads
only the redacted user message and response and is the product of five parts, each in 0..1:

====================  ==========================================================================================
length adequacy       the response is neither a stub nor a wall of text, and the message says something
lexical relevance     the response takes up the message's longer words (damped: a good answer need not echo)
freshness             few repeated word trigrams, no runs of one character
candour               no templated phrase and no refusal
form                  code fences, emphasis and brackets are closed
====================  ==========================================================================================

It is deterministic, needs no model and knows no language: words are runs of letters and marks, or single CJK
characters; the phrase list covers English, Spanish, German, French, Italian, Hindi and Romanised Hindi.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_DIGITS: Final = 4
_SCANNED_CHARACTERS: Final = 4000

_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD: Final = re.compile(rf"[{_CJK}]|[^\W_{_CJK}](?:[^\W_{_CJK}]|[\u0300-\u036f\u0900-\u0dff'’])*")
_RUN: Final = re.compile(r"(.)\1{5,}", re.DOTALL)
_TEMPLATED: Final = re.compile(
    r"\bas an? (?:ai|artificial|language|virtual)\b|\bi(?:'|’)?m (?:just |only )?an? (?:ai|language model)\b"
    r"|\bi(?:'|’)?m sorry,? (?:but )?i (?:can(?:'|’|no)?t|am unable)|\bi can(?:'|’)?t (?:help|assist) (?:you )?with"
    r"|\bi cannot (?:help|assist|provide|fulfil)|\bi(?:'|’)?m (?:not able|unable) to (?:help|assist|discuss)"
    r"|\bi understand (?:that )?(?:this|you|how)\b.{0,40}\bbut\b|\bit(?:'|’)?s important to (?:remember|note)\b"
    r"|\bhow can i (?:help|assist) you(?: today)?\b|\bis there anything else i can\b"
    r"|\bno puedo (?:ayudarte|ayudar|responder)|\bcomo (?:una )?(?:ia|inteligencia artificial)\b|\blo siento,? pero no"
    r"|\bich kann dir (?:dabei )?nicht helfen|\bals (?:eine )?ki\b|\bje ne peux pas (?:vous |t')?aider"
    r"|\ben tant qu'ia\b|\bnon posso aiutart|\bcome (?:una )?ia\b"
    r"|मैं (?:इसमें )?(?:आपकी )?मदद नहीं|\bmaa?f (?:kijiye|karna|karo)\b.{0,30}\bnahi|\bmain .{0,20}\bmadad nahi",
    re.IGNORECASE | re.DOTALL,
)

_MESSAGE_WORDS_ENOUGH: Final = 4
_RESPONSE_WORDS_ENOUGH: Final = 8
_RESPONSE_WORDS_TOO_MANY: Final = 160
_CONTENT_WORD_LETTERS: Final = 4


def prompt_quality(user_message: str | None, response: str | None) -> float:
    """Estimated quality of one turn as training material, in 0..1, rounded to four digits.

    Args:
        user_message: redacted user message; None or blank makes the turn worthless (0).
        response: redacted response; None or blank makes the turn worthless (0).
    """
    message = (user_message or "")[:_SCANNED_CHARACTERS].strip()
    answer = (response or "")[:_SCANNED_CHARACTERS].strip()
    if not message or not answer:
        return 0.0
    message_words = _WORD.findall(message.lower())
    answer_words = _WORD.findall(answer.lower())
    parts = (
        _length_adequacy(len(message_words), len(answer_words)),
        _relevance(message_words, answer_words),
        _freshness(answer, answer_words),
        0.4 if _TEMPLATED.search(answer) else 1.0,
        _form(answer),
    )
    return round(math.prod(parts), _DIGITS)


def prompt_qualities(
    user_messages: Sequence[str | None], responses: Sequence[str | None]
) -> npt.NDArray[np.float64]:
    """`prompt_quality` of many turns; shape (n,).

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = zip(user_messages, responses, strict=True)
    return np.fromiter((prompt_quality(m, r) for m, r in pairs), dtype=np.float64, count=len(user_messages))


def _length_adequacy(message_words: int, answer_words: int) -> float:
    message = 0.7 + 0.3 * min(message_words, _MESSAGE_WORDS_ENOUGH) / _MESSAGE_WORDS_ENOUGH
    enough = 0.4 + 0.6 * min(answer_words, _RESPONSE_WORDS_ENOUGH) / _RESPONSE_WORDS_ENOUGH
    excess = max(answer_words - _RESPONSE_WORDS_TOO_MANY, 0) / _RESPONSE_WORDS_TOO_MANY
    return message * enough / (1.0 + excess)


def _relevance(message_words: Sequence[str], answer_words: Sequence[str]) -> float:
    content = {_stem(w) for w in message_words if len(w) >= _CONTENT_WORD_LETTERS or w > "\u2fff"}
    if not content:
        return 0.85
    answered = {_stem(w) for w in answer_words}
    return 0.7 + 0.3 * min(1.0, 2.0 * len(content & answered) / len(content))


def _stem(word: str) -> str:
    return word[:5]


def _freshness(answer: str, words: Sequence[str]) -> float:
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    distinct = len(set(trigrams)) / len(trigrams) if trigrams else 1.0
    return distinct * (0.8 if _RUN.search(answer) else 1.0)


def _form(answer: str) -> float:
    fences = answer.count("```")
    prose = re.sub(r"```.*?```", "", answer, flags=re.DOTALL)
    broken = (
        fences % 2
        + prose.count("**") % 2
        + (prose.count("[") != prose.count("]"))
        + len(re.findall(r"\]\([^)\s]*$", prose, re.MULTILINE))
    )
    return 1.0 - 0.15 * min(broken, 2)
