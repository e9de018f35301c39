"""Runs an import: reads lines, parses conversations by format, writes event files and counts everything."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from infra.errors import SettingsError
from infra.records import read_records
from infra.storage import Folder
from jobs.landing.files import DayFiles
from jobs.landing.lines import IMPORT_REJECTED
from jobs.traffic.importers.chat import Chat, ImportOptions, NotAChat
from jobs.traffic.importers.events import THUMBS, Calendar, chat_events, persona_event

ReadChat = Callable[[dict[str, Any], str, int], Chat]
Say = Callable[[str], None]
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
_UNSAFE = re.compile(r"[^\w.\-+@=/ ]")
_PROGRESS_LINES = 5_000


@dataclass
class ImportReport:
    """Counts of an import: `lines` = `conversations` + the sum of `rejected`.

    Attributes:
        events: events written, by type.
        synthetic: conversations whose times, user, model or character the log did not have, by what was missing.
        skipped_messages: messages that are no text of user or character, by kind (for example `tool`).
        quarantined: lines written for quarantine, one for each rejected input line.
        files_written: event files, relative to the landing root.
    """

    files: int = 0
    lines: int = 0
    conversations: int = 0
    characters: int = 0
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
        """All counts in one table, for a terminal."""
        return {
            "files": self.files,
            "lines": self.lines,
            "conversations": self.conversations,
            "characters": self.characters,
            **{f"rejected: {reason}": n for reason, n in sorted(self.rejected.items())},
            **{f"events: {kind}": n for kind, n in sorted(self.events.items())},
            **{f"conversations with invented {what}": n for what, n in sorted(self.synthetic.items())},
            **{f"messages skipped: {kind}": n for kind, n in sorted(self.skipped_messages.items())},
        }

    def __str__(self) -> str:
        """Two lines for a terminal."""
        events = ", ".join(f"{n:,} {kind}" for kind, n in sorted(self.events.items()))
        span = f"{min(self.days)}..{max(self.days)}" if self.days else "no day"
        refused = ", ".join(f"{n:,} {reason}" for reason, n in sorted(self.rejected.items())) or "none"
        synthesised = ", ".join(f"{n:,} {what}" for what, n in sorted(self.synthetic.items())) or "nothing"
        return (
            f"{self.lines:,} lines of {self.files} file(s) = "
            f"{self.conversations:,} conversations + rejected: {refused}\n"
            f"{span}: {events}; synthesised for conversations: {synthesised}"
        )


def import_chats(
    inputs: Path | Sequence[Path], landing: str | Path | Folder, options: ImportOptions, format_name: str,
    read_chat: ReadChat, say: Say = lambda _: None,
) -> ImportReport:  # fmt: skip
    """Import every conversation of the input files into the landing zone.

    The same inputs and options always give the same bytes; a second import leaves equal files untouched. Nothing
    becomes visible in the landing zone before all inputs were read.

    Args:
        inputs: a file, a directory of `.jsonl` and `.jsonl.gz` files, or several of either.
        landing: root of the landing zone.
        options: days, seed, real times.
        format_name: names the files written.
        read_chat: makes a conversation of one JSON object (and the input's name and line), or raises NotAChat.
        say: gets a line of progress now and then.

    Raises:
        SettingsError: there is no input file.
        InputDamaged: an input file is cut short or no UTF-8; nothing was written.
    """
    files = input_files(inputs)
    report = ImportReport(files=len(files))
    calendar, thumbed = _survey(files, options, read_chat)
    seen: set[str] = set()
    name = f"import-{format_name}-{_digest(files, options)}"
    out = DayFiles(landing, name)
    with out:
        for position, (path, label) in enumerate(files, 1):
            before = report.conversations
            for number, record, reason in read_records(path, options.max_line_bytes):
                report.lines += 1
                chat = None
                if record is not None:
                    try:
                        chat = read_chat(record, label, number)
                    except NotAChat as error:
                        reason = str(error)
                if chat is None:
                    report.rejected[str(reason)] += 1
                    out.put(calendar.earliest_day, _rejected(label, number, str(reason), calendar))
                    continue
                _put_chat(chat, calendar, THUMBS if chat.dataset in thumbed else (), out, seen, report)
                if report.lines % _PROGRESS_LINES == 0:
                    say(f"{report.lines:,} lines, {sum(report.events.values()):,} events")
            say(f"{position}/{len(files)} {label}: {report.conversations - before:,} conversations")
    report.days, report.files_written = out.days, out.files_written
    return report


def input_files(
    inputs: Path | Sequence[Path], suffixes: tuple[str, ...] = SUFFIXES
) -> list[tuple[Path, str]]:
    """The input files with the names that they have in quarantine, in order; `suffixes` are looked for in directories.

    Raises:
        SettingsError: a path does not exist, or there is no input file at all.
    """
    paths: dict[str, Path] = {}
    for given in [inputs] if isinstance(inputs, Path) else inputs:
        if not given.exists():
            raise SettingsError(
                f"{given} does not exist", setting="PATH", hint="Name a file or a folder of logs."
            )
        inside = sorted(p for p in given.rglob("*") if p.name.endswith(suffixes) and p.name[0] not in "._")
        for path in inside if given.is_dir() else [given]:
            label = path.relative_to(given).as_posix() if given.is_dir() else path.name
            label = _UNSAFE.sub("_", label)[:200]
            while label in paths:
                label = f"{label}+"
            paths[label] = path
    if not paths:
        raise SettingsError(
            f"no {' or '.join(suffixes)} file is there",
            setting="PATH",
            hint="Name a folder that contains such files.",
        )
    return [(path, label) for label, path in sorted(paths.items())]


def _put_chat(
    chat: Chat,
    calendar: Calendar,
    signals: Sequence[str],
    out: DayFiles,
    seen: set[str],
    report: ImportReport,
) -> None:
    report.conversations += 1
    report.skipped_messages.update(chat.skipped)
    persona = chat.persona
    if persona is not None and persona.character_id not in seen:
        seen.add(persona.character_id)
        report.characters += 1
        _put_event(persona_event(persona, chat.dataset, calendar.earliest_day), out, report)
    for event in chat_events(chat, calendar, signals):
        _put_event(event, out, report)
    missing = {
        "times": not chat.has_message_times,
        "user": chat.user_id is None,
        "model": chat.model is None,
        "start": chat.known_start is None,
    }
    report.synthetic.update([name for name, is_missing in missing.items() if is_missing])


def _put_event(event: dict[str, Any], out: DayFiles, report: ImportReport) -> None:
    """Write an event to the day it is received on: the UTC date of its time."""
    report.events[event["event_type"]] += 1
    out.put(date.fromisoformat(event["event_ts"][:10]), event)


def _survey(
    files: Sequence[tuple[Path, str]], options: ImportOptions, read_chat: ReadChat
) -> tuple[Calendar, set[str]]:
    """A first pass over the inputs: the calendar of their earliest and latest known start, and the datasets that hold
    a thumb at all: only there does a response without one say anything."""
    first: datetime | None = None
    last: datetime | None = None
    thumbed: set[str] = set()
    for path, label in files:
        for number, record, _ in read_records(path, options.max_line_bytes):
            if record is None:
                continue
            try:
                chat = read_chat(record, label, number)
            except NotAChat:
                continue  # counted with its reason in the second pass
            known = chat.known_start
            if known is not None:
                first, last = min(first or known, known), max(last or known, known)
            if any(message.thumb is not None for message in chat.messages):
                thumbed.add(chat.dataset)
    return Calendar(options, first, last), thumbed


def _rejected(label: str, line: int, reason: str, calendar: Calendar) -> dict[str, Any]:
    moment = f"{calendar.earliest_day.isoformat()}T12:00:00+00:00"
    return {
        "event_type": IMPORT_REJECTED, "received_ts": moment, "origin_file": label, "origin_line": line,
        "reason": reason,
    }  # fmt: skip


def _digest(files: Sequence[tuple[Path, str]], options: ImportOptions) -> str:
    text = json.dumps([[label for _, label in files], str(options)])
    return hashlib.sha256(text.encode()).hexdigest()[:10]
