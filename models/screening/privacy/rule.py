"""A rule: a regular expression and a judge of its matches. Only what the expression matches can become a span."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from models.screening.privacy.expression import guarded
from models.screening.privacy.span import Span

Judge = Callable[[re.Match[str]], Span | None]


@dataclass(frozen=True)
class Rule:
    """`judge` returns the span of a match of `pattern`, or None; `match.string` is the whole view.

    A text that `pattern` does not match must give no span: the prefilter depends on it.
    """

    name: str
    pattern: re.Pattern[str]
    judge: Judge

    @cached_property
    def _guarded(self) -> re.Pattern[str]:
        return guarded(self.pattern)

    def spans(self, text: str) -> Iterator[Span]:
        """The spans of one view."""
        for match in self._guarded.finditer(text):
            span = self.judge(match)
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
