"""What an import did, in counts that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass
class ImportReport:
    """Counts of an import: each of its `lines` is a conversation, continues one, is a single event, holds no
    conversation, or was rejected.

    Attributes:
        formats: files by the format that they were read as.
        lines: records read: lines, elements of an array, or whole files.
        events: events written, by type.
        synthetic: conversations whose times, user, model or character the log did not have, by what was missing.
        skipped_messages: messages that are no text of user or character, by kind (for example `tool`).
        continued: lines that continue or repeat a conversation of an earlier line.
        single_events: lines of the landing contract, landed as they are.
        without_chat: lines that are no conversation by their kind, such as spans between the steps of an agent.
        unusable_times: times before 2000 or after tomorrow, which count as missing.
        ids_in_files: conversations whose id stands in more than one file: they are taken as one.
        moved: conversations moved into the range of days, by their known times.
        unread_files: files of a folder that are of no known format.
        guessed_dates: files whose dates fit both orders of day and month.
        quarantined: lines written for quarantine, one for each rejected input line.
        files_written: event files, relative to the landing root.
    """

    files: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    conversations: int = 0
    characters: int = 0
    continued: int = 0
    single_events: int = 0
    without_chat: int = 0
    unusable_times: int = 0
    ids_in_files: int = 0
    moved: int = 0
    unread_files: int = 0
    guessed_dates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    synthetic: Counter[str] = field(default_factory=Counter)
    skipped_messages: Counter[str] = field(default_factory=Counter)
    days: set[date] = field(default_factory=set)
    files_written: list[str] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """Rejected input lines: each is one landed line that goes to quarantine under its own file and line."""
        return sum(self.rejected.values())

    @property
    def first_day(self) -> date | None:
        """The first received day written."""
        return min(self.days, default=None)

    @property
    def last_day(self) -> date | None:
        """The last received day written."""
        return max(self.days, default=None)

    def counts(self) -> dict[str, int]:
        """All counts in one table."""
        some = {
            "lines that continue a conversation": self.continued,
            "lines that are single events": self.single_events,
            "lines without a conversation": self.without_chat,
            "times that cannot be right": self.unusable_times,
            "conversation ids in several files": self.ids_in_files,
            "files not read": self.unread_files,
            "files with guessed dates": self.guessed_dates,
        }
        return {
            "files": self.files,
            "lines": self.lines,
            "conversations": self.conversations,
            "characters": self.characters,
            **{name: n for name, n in some.items() if n},
            **{f"rejected: {reason}": n for reason, n in sorted(self.rejected.items())},
            **{f"events: {kind}": n for kind, n in sorted(self.events.items())},
            **{f"conversations with invented {what}": n for what, n in sorted(self.synthetic.items())},
            **{f"messages skipped: {kind}": n for kind, n in sorted(self.skipped_messages.items())},
        }

    def __str__(self) -> str:
        """A few lines for a terminal: what was read and written, then what was left out or assumed, if anything."""
        formats = ", ".join(
            f"{name} ({n:,})" if len(self.formats) > 1 else name for name, n in self.formats.items()
        )
        read = f" as {formats}" if formats else ""
        lines = [
            f"{self.lines:,} lines of {self.files:,} file(s){read} = {self.conversations:,} conversations"
            f"{self._other_lines()} + rejected: {_listed(self.rejected, 'none')}",
            f"{self._span()}: {_listed(self.events, 'no event')}; "
            f"synthesised for conversations: {_listed(self.synthetic, 'nothing')}",
        ]
        if self.skipped_messages:
            lines.append(f"messages skipped: {_listed(self.skipped_messages, 'none')}")
        lines += self._assumed()
        return "\n".join(lines)

    def _span(self) -> str:
        return f"{min(self.days)}..{max(self.days)}" if self.days else "no day"

    def _other_lines(self) -> str:
        others = {
            f" + {self.continued:,} that continue one": self.continued,
            f" + {self.single_events:,} single events": self.single_events,
            f" + {self.without_chat:,} without one": self.without_chat,
        }
        return "".join(text for text, n in others.items() if n)

    def _assumed(self) -> list[str]:
        """What a reader would not expect, in words."""
        notes = {
            f"{self.unusable_times:,} time(s) before 2000 or after tomorrow count as missing": self.unusable_times,
            f"{self.ids_in_files:,} conversation id(s) stand in several files: each is one conversation "
            "(two with --separate-files)": self.ids_in_files,
            f"{self.moved:,} conversation(s) were moved into these days (--keep-times leaves them)": self.moved,
            f"{self.guessed_dates:,} file(s) do not tell day from month: slashes with 12 hours were read as month/day, "
            "others as day/month": self.guessed_dates,
            f"{self.unread_files:,} file(s) of the folder were not read: of no known format": self.unread_files,
        }
        return [note for note, n in notes.items() if n]


def _listed(counts: Mapping[str, int], nothing: str) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items()) if n) or nothing
