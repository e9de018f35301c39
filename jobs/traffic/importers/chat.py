"""The neutral form between an input format and events: one conversation with the facts from its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from infra.errors import SettingsError
from jobs.traffic.importers.times import TimeRules, UnreadableTime

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
        max_event_bytes, late_limit_days: what landing accepts; else a conversation or an event is refused.
        timezone: of times without an offset, as in the IANA database.
        assistant: who of the people in a chat export is the assistant: a name or an id.
        origin: put before the ids that the log gives, so that two products with equal ids stay apart.
        separate_files: whether equal conversation ids in two files are two conversations.
    """

    start: date
    days: int = 14
    seed: int = 0
    users_per_language: int = 400
    real_times: Literal["fit", "keep"] = "fit"
    max_line_bytes: int = 50_000_000
    max_event_bytes: int = 1_000_000
    late_limit_days: int = 30
    timezone: str = "UTC"
    assistant: str | None = None
    origin: str | None = None
    separate_files: bool = False

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
    """One message of a conversation.

    Attributes:
        at: its own time, where the log has one.
        thumb: True for up, False for down.
        fields: all its other fields.
        model: the model that wrote it, where it is not the conversation's.
        is_replaced: whether it is a response that the user had generated again: the next one took its place.
    """

    role: Role
    text: str
    at: datetime | None = None
    thumb: bool | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    is_replaced: bool = False


@dataclass(frozen=True)
class Persona:
    """A character as a log describes it."""

    character_id: str
    name: str | None
    traits: tuple[str, ...] = ()
    instructions: str | None = None


@dataclass(frozen=True)
class Chat:
    """One conversation of a log, or the piece of one that a record holds. None means that the log does not say.

    Times are UTC.

    Attributes:
        is_request_id: whether `conversation_id` may name a request only, so that a record with another id can continue
            the conversation.
        owner: names the unknown user whom several conversations without a user have in common.
        skipped: messages and parts that are no text of user or character, by kind.
        unusable_times: times before 2000 or after tomorrow, which count as missing.
    """

    conversation_id: str | None
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
    is_request_id: bool = False
    owner: str | None = None
    unusable_times: int = 0

    @property
    def known_times(self) -> list[datetime | None]:
        """The time of each message as far as it can be trusted: all None if they contradict the order of the log.

        A replaced response may be newer than the one that stands: the user went back to the older one.
        """
        times = [message.at for message in self.messages]
        kept = [moment for message in self.messages if (moment := message.at) and not message.is_replaced]
        return times if kept == sorted(kept) else [None] * len(times)

    @property
    def has_message_times(self) -> bool:
        """Whether every message has its own time, in order."""
        return bool(self.messages) and None not in self.known_times

    @property
    def known_start(self) -> datetime | None:
        """When it began, if the log says so."""
        times = self.known_times
        known = [moment for moment in times if moment is not None]
        if not known:
            return self.started_at
        # A start after the first message is another clock: the message's own is used.
        return min(known[0], self.started_at) if self.started_at and times[0] is None else known[0]

    @property
    def known_end(self) -> datetime | None:
        """The last time that the log says of it."""
        known = [
            moment for moment in (self.started_at, self.ended_at, *self.known_times) if moment is not None
        ]
        return max(known, default=None)


class NotAChat(Exception):
    """An input line is valid JSON but not a conversation. The argument is the reason, never text of the line."""


@dataclass
class Source:
    """Where a record stands, how its times are read, and what its reader leaves out.

    Attributes:
        file: name of the input file, as in quarantine.
        line: number of the line, or of the element of an array, from 1.
        assistant: who of the people in a chat export is the assistant.
        owner: id of the user whose export the file is, where a file beside it says so.
        skipped: messages, parts and records left out, by kind.
        unusable_times: times before 2000 or after tomorrow.
        has_guessed_dates: whether the order of day and month was a guess.
    """

    file: str
    line: int
    times: TimeRules = field(default_factory=TimeRules)
    assistant: str | None = None
    owner: str | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    unusable_times: int = 0
    has_guessed_dates: bool = False

    @property
    def dataset(self) -> str:
        """The name of a set that does not name itself: its file's, without suffixes."""
        return self.file.rpartition("/")[2].partition(".")[0]

    def moment(self, value: object, name: str) -> datetime | None:
        """The time in a field, as UTC; None if there is none, or none that can be right, which is counted.

        Raises:
            NotAChat: it cannot be read.
        """
        if value is None or value == "":
            return None
        try:
            moment = self.times.read(value)
        except UnreadableTime:
            raise NotAChat(f"bad_timestamp:{name.lower()}") from None
        if moment is None:
            self.unusable_times += 1
        return moment
