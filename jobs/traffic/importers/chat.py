"""The neutral form between an input format and events: one conversation with the facts from its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from infra.errors import SettingsError

Role = Literal["user", "character"]
_MAX_DAYS = 366


@dataclass(frozen=True)
class ImportOptions:
    """How conversations are spread over days.

    Attributes:
        start: first day, UTC.
        days: number of days that conversations are spread over.
        seed: another seed gives another spread; ids stay the same.
        users_per_language: size of the invented population of each language, for logs without users.
        real_times: what to do with session times that a log has. `fit` moves them into the range: by whole days when
            they span no more days than it, otherwise compressed in order. `keep` leaves them where they are, each event
            received on its own day, so that no late limit refuses them.
        max_line_bytes: a longer input line is refused.
    """

    start: date
    days: int = 14
    seed: int = 0
    users_per_language: int = 400
    real_times: Literal["fit", "keep"] = "fit"
    max_line_bytes: int = 50_000_000

    def __post_init__(self) -> None:
        """Refuse impossible options."""
        if not 1 <= self.days <= _MAX_DAYS:
            raise SettingsError(
                f"an import must cover 1 to {_MAX_DAYS} days, not {self.days}",
                setting="days",
                hint="Import long histories in several ranges.",
            )
        if self.users_per_language < 1:
            raise SettingsError("at least one user must be generated", setting="users_per_language")


@dataclass(frozen=True)
class Message:
    """One message: `at` is its own time where the log has one, `thumb` True for up, `fields` all its other fields."""

    role: Role
    text: str
    at: datetime | None = None
    thumb: bool | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Persona:
    """A character as a log describes it."""

    character_id: str
    name: str | None
    traits: tuple[str, ...] = ()
    instructions: str | None = None


@dataclass(frozen=True)
class Chat:
    """One conversation of a log. None means that the log does not say; times are UTC."""

    conversation_id: str
    dataset: str
    language: str | None
    persona: Persona | None
    user_id: str | None
    model: str | None
    started_at: datetime | None
    ended_at: datetime | None
    messages: tuple[Message, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_message_times(self) -> bool:
        """Whether every message has its own time, in order."""
        times = [message.at for message in self.messages]
        known = [moment for moment in times if moment is not None]
        return len(known) == len(times) and known == sorted(known)

    @property
    def known_start(self) -> datetime | None:
        """When it began, if the log says so."""
        return self.messages[0].at if self.has_message_times else self.started_at


class NotAChat(Exception):
    """An input line is valid JSON but not a conversation. The argument is the reason, never text of the line."""
