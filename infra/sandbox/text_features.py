"""Features of a text, measured once: words, language, content, repetition, form. Defined for any text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from infra.sandbox.grammar import LANGUAGES, WORD, grammar, stem

UNDETERMINED = "und"
OTHER = "other"  # a script that the sandbox's languages do not use
Trigram = tuple[str, str, str]
LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
UNCLOSED_LINK = re.compile(r"\[[^\]\n]*(?:$|\n)|\]\([^)\n]*(?:$|\n)")
BARE_HEADING = re.compile(r"^#{1,6}[^#\s]", re.MULTILINE)
MARKUP = re.compile(r"[*`\[#]")


class _Vocabulary(NamedTuple):
    evidence: dict[str, tuple[int, ...]]  # word -> indices into LANGUAGES
    topic_of_stem: dict[str, str]


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    evidence: dict[str, list[int]] = {}
    topic_of_stem: dict[str, str] = {}
    for index, language in enumerate(LANGUAGES):
        lexicon = grammar(language)
        for word in sorted(lexicon.function_words):
            evidence.setdefault(word, []).append(index)
        for word_stem, topic in lexicon.topic_of_stem.items():
            topic_of_stem.setdefault(word_stem, topic)
    return _Vocabulary({word: tuple(indices) for word, indices in evidence.items()}, topic_of_stem)


class Features:
    """Measurements of one text. `content` holds stems; `switch` is the share of another language in 0..1."""

    __slots__ = ("_stems", "_trigrams", "content", "language", "lower", "switch", "topic", "words")

    def __init__(self, text: str) -> None:
        lower = text.lower()
        words = WORD.findall(lower)
        vocabulary = _vocabulary()
        evidence, topic_of_stem = vocabulary.evidence, vocabulary.topic_of_stem
        counts = [0, 0, 0, 0]
        exclusive = [0, 0, 0, 0]
        content: dict[str, None] = {}
        topic = ""
        for word in words:
            indices = evidence.get(word)
            if indices is not None:
                for index in indices:
                    counts[index] += 1
                if len(indices) == 1:
                    exclusive[indices[0]] += 1
            elif len(word) > 2 or word > "\u0900":
                short = word[:6]
                content[short] = None
                if not topic:
                    topic = topic_of_stem.get(short, "")
        self.lower = lower
        self.words = words
        self.content = content
        self.topic = topic
        self.language, self.switch = _language(lower, words, counts, exclusive)
        # Measured when asked for: users' own messages never need them.
        self._stems: set[str] | None = None
        self._trigrams: set[Trigram] | None = None

    @property
    def stems(self) -> set[str]:
        """Stems of all words."""
        if self._stems is None:
            self._stems = {word[:6] for word in self.words}
        return self._stems

    @property
    def trigrams(self) -> set[Trigram]:
        """Distinct runs of three words."""
        if self._trigrams is None:
            words = self.words
            self._trigrams = set(zip(words, words[1:], words[2:], strict=False))
        return self._trigrams

    @property
    def within(self) -> float:
        """Share of the text's trigrams that it has said before; 0 for a text of under six words."""
        total = len(self.words) - 2
        return 1.0 - len(self.trigrams) / total if total >= 4 else 0.0


def _language(lower: str, words: list[str], counts: list[int], exclusive: list[int]) -> tuple[str, float]:
    """The language with most function words, and how much of the exclusive evidence is another's."""
    if not lower.isascii():
        devanagari = sum(1 for word in words if "\u0900" <= word[0] <= "\u097f")
        foreign = sum(1 for word in words if word[0] > "\u024f") - devanagari
        if foreign * 2 > len(words):
            return OTHER, 0.0
        if devanagari * 2 > len(words):
            latin = exclusive[0] + exclusive[1] + exclusive[3]
            return "hi", min(1.0, 2.0 * latin / (latin + devanagari))
        exclusive[2] += devanagari
        counts[2] += devanagari
    best = max(counts)
    if best == 0:
        return UNDETERMINED, 0.0
    index = counts.index(best)
    others = sum(exclusive) - exclusive[index]
    mixed = others + max(exclusive[index], 1)
    # One stray word is a loan, not a switch.
    return LANGUAGES[index], min(1.0, 2.0 * others / mixed) if others > 1 else 0.0


def topic_of(text: str) -> str:
    """The topic whose words the text uses first, or an empty string."""
    return Features(text).topic


def has_list(text: str) -> bool:
    """Whether two or more lines are list items."""
    return len(LIST_LINE.findall(text)) >= 2


def count_emoji(text: str) -> int:
    """Emoji code points in the text (a joined sequence counts by its parts)."""
    if text.isascii():
        return 0
    return sum(1 for char in text if "\U0001f300" <= char <= "\U0001faff" or "\u2600" <= char <= "\u27bf")


def broken_markdown(text: str) -> bool:
    """Unclosed emphasis, code or links, and headings without their space."""
    if MARKUP.search(text) is None:
        return False
    if text.count("**") % 2 or text.count("```") % 2 or text.replace("```", "").count("`") % 2:
        return True
    return UNCLOSED_LINK.search(text) is not None or BARE_HEADING.search(text) is not None


def stuck(words: list[str]) -> bool:
    """Whether one word stands four times in a row."""
    return any(a == b == c == d for a, b, c, d in zip(words, words[1:], words[2:], words[3:], strict=False))


__all__ = [
    "OTHER",
    "UNDETERMINED",
    "Features",
    "broken_markdown",
    "count_emoji",
    "has_list",
    "stem",
    "stuck",
    "topic_of",
]
