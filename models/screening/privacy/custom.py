"""What an operator configures: own recognisers, and texts that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from infra.settings.curation import RecogniserSettings
from models.screening.privacy.rule import Judge, Rule, after, before
from models.screening.privacy.span import Span

_REACH = 40


@dataclass(frozen=True)
class Recogniser:
    """A rule and the languages that it is for; all if there are none."""

    rule: Rule
    languages: tuple[str, ...] = ()

    def reads(self, language: str) -> bool:
        """Whether it looks at texts of this language; a text of unknown language is looked at."""
        return not self.languages or language in (*self.languages, "und")


@lru_cache(maxsize=32)
def recogniser(settings: RecogniserSettings) -> Recogniser:
    """The recogniser of these settings, whose pattern was checked when they were read."""
    pattern = re.compile(settings.pattern, re.IGNORECASE)
    return Recogniser(Rule(settings.name, pattern, _judge(settings)), settings.languages)


def _judge(settings: RecogniserSettings) -> Judge:
    is_valid = import_module(f"stdnum.{settings.checksum}").is_valid if settings.checksum else None
    words = [word.casefold() for word in settings.context]

    def judge(match: re.Match[str]) -> Span | None:
        if is_valid is not None and not is_valid(match.group()):
            return None
        near = f"{before(match, _REACH)}\0{after(match, _REACH)}".casefold()
        if words and not any(word in near for word in words):
            return None
        return Span(*match.span(), "CUSTOM_ID", settings.score)

    return judge


@dataclass(frozen=True)
class Allowed:
    """Texts and patterns that are no identifiers here, such as the operator's own addresses."""

    entries: tuple[str, ...] = ()
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = [
            entry[1:-1] if is_pattern(entry) else re.escape(entry)
            # The longest first: of two entries that begin alike the longer one counts.
            for entry in sorted(self.entries, key=len, reverse=True)
        ]
        pattern = re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE) if parts else None
        object.__setattr__(self, "_pattern", pattern)

    def without(self, text: str, spans: Sequence[Span]) -> list[Span]:
        """The spans that do not lie within an allowed part of the text."""
        if self._pattern is None or not spans:
            return list(spans)
        ranges = [match.span() for match in self._pattern.finditer(text)]
        return [span for span in spans if not _within(span, ranges)]


def is_pattern(entry: str) -> bool:
    """Whether an entry of `screening.allow` is a pattern: one between slashes."""
    return len(entry) > 2 and entry[0] == entry[-1] == "/"


def _within(span: Span, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span.start and span.end <= end for start, end in ranges)
