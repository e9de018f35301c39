"""Ranges of days as people write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from infra.errors import SettingsError

_BATCH_DIGITS = 6


def span_of(days: Sequence[date]) -> str:
    """Sorted days as `parse_days` reads them: the first and the last, or the only one."""
    return f"{days[0]}" if len(days) == 1 else f"{days[0]}..{days[-1]}"


def parse_day(text: str) -> date:
    """`2026-11-20`, or the same day as batches are named: `261120`.

    Raises:
        SettingsError: the text is neither.
    """
    text = text.strip()
    try:
        if len(text) == _BATCH_DIGITS and text.isascii() and text.isdecimal():
            return datetime.strptime(text, "%y%m%d").date()
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            "a day must be a date", setting="days", hint="Write 2026-11-20, or 261120 as batches are named."
        ) from None


def parse_days(text: str) -> tuple[date, ...]:
    """`2026-11-20` or `2026-10-01..2026-11-20`, ends included, as sorted dates; a day as `parse_day` reads it.

    Raises:
        SettingsError: the text is not one of the two forms, or the range runs backwards.
    """
    first, _, last = text.partition("..")
    try:
        start, end = parse_day(first), parse_day(last or first)
    except SettingsError:
        raise SettingsError(
            "days must be a date or a range of dates",
            setting="days",
            hint="Write 2026-11-20 or 2026-10-01..2026-11-20.",
        ) from None
    if end < start:
        raise SettingsError(
            "the range of days ends before it starts", setting="days", hint="Put the earlier day first."
        )
    return tuple(date.fromordinal(n) for n in range(start.toordinal(), end.toordinal() + 1))
