"""Reads times as logs write them: ISO text, mail dates, or a count of seconds, milli-, micro- or nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from infra.errors import SettingsError

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A count below the first is of seconds, below the next of milliseconds, then of microseconds, else of nanoseconds: each
# unit covers the years from 2000 far beyond this century.
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (float("inf"), 1_000_000_000))
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_UTC_NAMES = (" UTC", " GMT", " Z", "UTC", "GMT")
_LONGEST = 64


class UnreadableTime(Exception):
    """A value is no time."""


@dataclass(frozen=True)
class TimeRules:
    """How times are read.

    Attributes:
        zone: of times without an offset.
        latest: a later time cannot be right, as one before the year 2000.
    """

    zone: tzinfo = UTC
    latest: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))

    def read(self, value: object) -> datetime | None:
        """The time as UTC; None if it is before 2000 or after `latest`: a clock that was never set, a filler.

        Raises:
            UnreadableTime: the value is no time.
        """
        moment = self._moment(value)
        return moment if moment is not None and EARLIEST <= moment <= self.latest else None

    def _moment(self, value: object) -> datetime | None:
        """None if the time is none that Python can hold."""
        if isinstance(value, bool):
            raise UnreadableTime
        if isinstance(value, datetime):
            return self._aware(value)
        if isinstance(value, int | float):
            return _of_count(value)
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise UnreadableTime
        text = value.strip()
        digits = text.removeprefix("-").replace(".", "", 1)
        if digits.isascii() and digits.isdecimal():
            return self._compact(text) or _of_count(float(text))
        return self._written(text)

    def _written(self, text: str) -> datetime | None:
        name = next((name for name in _UTC_NAMES if text.endswith(name)), None)
        iso = f"{text.removesuffix(name).rstrip()}+00:00" if name else text
        try:
            return self._aware(datetime.fromisoformat(iso))
        except (ValueError, OverflowError):
            pass
        try:
            return self._aware(parsedate_to_datetime(text))
        except (ValueError, TypeError, OverflowError, IndexError):
            raise UnreadableTime from None

    def _compact(self, text: str) -> datetime | None:
        """A date written in digits alone, such as 20251027092000. As a count it would be far from our days."""
        form = _COMPACT.get(len(text))
        if form is None or not text.startswith(("19", "20")):
            return None
        try:
            return self._aware(datetime.strptime(text, form))
        except ValueError:
            return None

    def _aware(self, moment: datetime) -> datetime | None:
        try:
            return (moment.replace(tzinfo=self.zone) if moment.tzinfo is None else moment).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def zone_of(name: str) -> tzinfo:
    """The time zone of a name in the IANA database.

    Raises:
        SettingsError: there is none.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            "there is no such time zone", setting="timezone", hint="Write it as Europe/Berlin or UTC."
        ) from None


def _of_count(count: float) -> datetime | None:
    """The time of a count since 1970, in the unit that makes it a time of our days."""
    scale = next((scale for bound, scale in _UNITS if abs(count) < bound), None)
    if scale is None:
        return None
    try:
        if isinstance(count, int):
            seconds, rest = divmod(count, scale)
            return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest * 1_000_000 // scale)
        return datetime.fromtimestamp(count / scale, UTC)
    except (ValueError, OverflowError, OSError):
        return None
