"""Estimates a turn's quality as training data: was the message understood and answered? (Table 1, section 2.2.1)

The paper lists prompt quality without an estimator. This one, the *understood-and-answered* estimator, reads the
redacted user message, the response and the assistant's message before, and nothing that came later. It is a logistic
model of six signs, times three guards against what its tuning text does not hold.

=================  ==================================================================================  ===========
sign               what it is                                                                          weight
=================  ==================================================================================  ===========
fullness           log of the response's words over the message's                                      more: better
take-up            share of the message's longer words that the response takes up                      more: better
new content        log of how many longer words neither the message nor the one before it had          more: better
self-repetition    share of the response's longer words that its own message before had                more: worse
asks back          the response holds a question                                                       worse
shortfall          the response says that it cannot, does not know or did not understand               worse
=================  ==================================================================================  ===========

Guards, each a factor in 0..1: *freshness* (few repeated trigrams, no runs of one character, no wall of text),
*candour* (no templated phrase, no refusal: the paper's artifacts, section 3.5.6) and *form* (fences, emphasis and
brackets closed). Punctuation of mood, emoji and bare length are left out on purpose: data chosen by them teaches them.

The weights were fitted by `benchmarks.labels` on one half of the conversations of Topical-Chat (turn ratings) and of
the User Satisfaction Simulation sets, each set and class weighing the same; what the other half says of them, and what
real users' thumbs say, stands in docs/measurements/curation/labels.md. It is deterministic and needs no model. Words
are runs of letters and marks, or single CJK characters; the phrases cover English, Spanish, German, French, Italian,
Chinese, Hindi and Romanised Hindi.
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
_QUESTION: Final = re.compile(r"[?？؟]")
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
_SHORTFALL: Final = re.compile(
    r"\b(?:sorry|apolog|afraid|unable|unfortunately|not (?:sure|find|able|available)|no (?:results?|match)"
    r"|(?:don|can|couldn)(?:'|’)?t (?:know|understand|think|find|help)|can(?:not|(?:'|’)t|t)\b|couldn(?:'|’)?t\b"
    r"|lo siento|lamento|no (?:puedo|pude|sé|entiendo|encuentro|estoy segur[oa])|desgraciadamente"
    r"|tut mir leid|leider|kann (?:\w+ )?nicht|weiß (?:\w+ )?nicht|verstehe (?:\w+ )?nicht"
    r"|désolée?|malheureusement|je ne (?:peux|sais|comprends|trouve) pas"
    r"|mi dispiace|purtroppo|non (?:posso|so|capisco|trovo)"
    r"|maa?f (?:kijiye|karna|karo|kare)|(?:pata|samajh) (?:nahi|nahin|nai)|nahi (?:pata|samjh[aie]|kar sakt[aei]))"
    r"|माफ़? ?(?:कीजिए|करना|करें)|पता नहीं|समझ नहीं|नहीं कर सकत|抱歉|对不起|不知道|不明白|不太?清楚|无法",
    re.IGNORECASE,
)
_CONTENT_WORD_LETTERS: Final = 4
_WALL_OF_TEXT_WORDS: Final = 160

SIGNS: Final = ("fullness", "take_up", "new_content", "self_repetition", "asks_back", "shortfall")
WEIGHTS: Final = (0.128, 0.185, 0.071, -0.324, -0.214, -0.806)
INTERCEPT: Final = 0.031


def prompt_quality(user_message: str | None, response: str | None, before: str | None = None) -> float:
    """Estimated quality of one turn as training material, in 0..1, rounded to four digits.

    Args:
        user_message: redacted user message; None or blank makes the turn worthless (0).
        response: redacted response; None or blank makes the turn worthless (0).
        before: redacted assistant message that the user answered, or its end; None or blank = there was none.
    """
    message = (user_message or "")[:_SCANNED_CHARACTERS].strip()
    answer = (response or "")[:_SCANNED_CHARACTERS].strip()
    if not message or not answer:
        return 0.0
    words = _WORD.findall(answer.lower())
    logit = INTERCEPT + sum(
        weight * sign
        for weight, sign in zip(WEIGHTS, _signs(message, answer, words, before or ""), strict=True)
    )
    candour = 0.4 if _TEMPLATED.search(answer) else 1.0
    return round(_freshness(answer, words) * candour * _form(answer) / (1.0 + math.exp(-logit)), _DIGITS)


def prompt_qualities(
    user_messages: Sequence[str | None],
    responses: Sequence[str | None],
    before: Sequence[str | None],
) -> npt.NDArray[np.float64]:
    """`prompt_quality` of many turns; shape (n,).

    Raises:
        ValueError: the sequences differ in length.
    """
    turns = zip(user_messages, responses, before, strict=True)
    return np.fromiter((prompt_quality(m, r, b) for m, r, b in turns), np.float64, count=len(user_messages))


def signs(user_message: str, response: str, before: str) -> tuple[float, ...]:
    """The values of SIGNS of one turn, unscaled."""
    answer = response[:_SCANNED_CHARACTERS]
    return _signs(user_message[:_SCANNED_CHARACTERS], answer, _WORD.findall(answer.lower()), before)


def _signs(message: str, answer: str, answer_words: Sequence[str], before: str) -> tuple[float, ...]:
    message_words = _WORD.findall(message.lower())
    message_content, answer_content = _content(message_words), _content(answer_words)
    earlier = _content(_WORD.findall(before.lower()))
    return (
        math.log((len(answer_words) + 1) / (len(message_words) + 1)),
        len(message_content & answer_content) / max(len(message_content), 1),
        math.log1p(len(answer_content - message_content - earlier)),
        len(answer_content & earlier) / max(len(answer_content), 1),
        float(_QUESTION.search(answer) is not None),
        float(_SHORTFALL.search(answer) is not None),
    )


def _content(words: Sequence[str]) -> set[str]:
    """Stems (five letters) of the words long enough to mean something; CJK characters as they are."""
    return {word[:5] for word in words if len(word) >= _CONTENT_WORD_LETTERS or word > "\u2fff"}


def _freshness(answer: str, words: Sequence[str]) -> float:
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    distinct = len(set(trigrams)) / len(trigrams) if trigrams else 1.0
    excess = max(len(words) - _WALL_OF_TEXT_WORDS, 0) / _WALL_OF_TEXT_WORDS
    return distinct * (0.8 if _RUN.search(answer) else 1.0) / (1.0 + excess)


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
