"""A rule: a regular expression and a judge of its matches. Only what the expression matches can become a span."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from models.screening.privacy.expression import Need, guarded, need
from models.screening.privacy.span import Span

Judge = Callable[[re.Match[str]], Span | None]


@dataclass(frozen=True)
class Rule:
    """`judge` returns the span of a match of `pattern`, or None; `match.string` is the whole view.

    A text that `pattern` does not match must give no span: the prefilter depends on it. The judge may ask more than a
    pattern can say, so that the prefilter passes fewer texts on: at least so many `digits` in the match, and so many
    `words` of three to eight letters in a row.
    """

    name: str
    pattern: re.Pattern[str]
    judge: Judge
    digits: int = 0
    words: int = 0

    @property
    def need(self) -> Need:
        """What the prefilter looks for."""
        read = need(self.pattern)
        return replace(read, digits=max(read.digits, self.digits), words=self.words)

    @cached_property
    def _guarded(self) -> re.Pattern[str]:
        return guarded(self.pattern)

    def judged(self, match: re.Match[str]) -> Span | None:
        """The span of a match, None where it has too few digits or the judge refuses it."""
        enough = not self.digits or sum(map(str.isdigit, match.group())) >= self.digits
        return self.judge(match) if enough else None

    def spans(self, text: str) -> Iterator[Span]:
        """The spans of one view."""
        for match in self._guarded.finditer(text):
            span = self.judged(match)
            if span is not None:
                yield span


def always(kind: str, score: float, group: str | int = 0) -> Judge:
    """A judge that accepts every match."""
    return lambda match: Span(*match.span(group), kind, score)


def before(match: re.Match[str], reach: int) -> str:
    """Up to `reach` characters before the match."""
    return match.string[max(0, match.start() - reach) : match.start()]


def after(match: re.Match[str], reach: int) -> str:
    """Up to `reach` characters after the match."""
    return match.string[match.end() : match.end() + reach]
