"""Runs an import: reads records, parses conversations by format, writes event files and counts everything."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.storage import Folder
from jobs.landing.files import DayFiles
from jobs.landing.lines import IMPORT_REJECTED
from jobs.traffic.importers.chat import Chat, ImportOptions, NotAChat, Persona, Source
from jobs.traffic.importers.detecting import PARQUET, InputFile, detected
from jobs.traffic.importers.events import REGENERATED, THUMBS, Calendar, chat_events, persona_event
from jobs.traffic.importers.formats import AUTO, EVENTS, FORMATS
from jobs.traffic.importers.inputs import SUFFIXES, input_files, other_files
from jobs.traffic.importers.joining import Groups, Pieces, Place
from jobs.traffic.importers.landing_events import checked_event
from jobs.traffic.importers.report import ImportReport
from jobs.traffic.importers.times import TimeRules, zone_of
from jobs.traffic.parse import LandingRules

Say = Callable[[str], None]
CHAT_SUFFIXES = (*SUFFIXES, ".ndjson", ".ndjson.gz", ".txt", ".txt.gz", PARQUET)
_PROGRESS_LINES = 5_000
_LONGEST_ID = (
    400  # landing takes ids of 512 characters; a message's id is a little longer than its conversation's
)


def import_chats(
    inputs: Path | Sequence[Path], landing: str | Path | Folder, options: ImportOptions, format: str = AUTO,
    say: Say = lambda _: None,
) -> ImportReport:  # fmt: skip
    """Import every conversation of the input files into the landing zone.

    The same inputs and options always give the same bytes; a second import leaves equal files untouched. Nothing
    becomes visible in the landing zone before all inputs were read, and nothing at all if no conversation is in them:
    then the report has no day.

    Args:
        inputs: a file, a directory of files, or several of either.
        landing: root of the landing zone.
        options: days, seed, real times, ids.
        format: a name in `FORMATS`, or `auto`: each file is read as what it looks like.
        say: gets a line of progress now and then.

    Raises:
        SettingsError: there is no input file, or one is of another format.
        InputDamaged: an input file is cut short or no UTF-8; nothing was written.
    """
    found = input_files(inputs, CHAT_SUFFIXES)
    files, unread = detected(found, format, options)
    for name, n in Counter(file.format for file in files).items():
        say(f"{n:,} file(s) read as {name} ({FORMATS[name].title})")
    return _Import(files, landing, options, say, unread + other_files(inputs, CHAT_SUFFIXES)).run()


class _NothingToImport(Exception):
    """There is no conversation in the files."""


class _Import:
    """One import: a first pass over the files learns what belongs together, a second one writes."""

    def __init__(
        self,
        files: Sequence[InputFile],
        landing: str | Path | Folder,
        options: ImportOptions,
        say: Say,
        unread: int,
    ) -> None:
        self._files, self._options, self._say = files, options, say
        self._times = TimeRules(zone_of(options.timezone))
        self._rules = LandingRules(
            options.max_event_bytes,
            timedelta(days=options.late_limit_days),
            timedelta(minutes=5),
            b"only to check",
        )
        names = sorted({file.format for file in files})
        self._out = DayFiles(landing, f"import-{'-'.join(names)}-{_digest(files, options)}")
        self.report = ImportReport(
            files=len(files), formats=Counter(file.format for file in files), unread_files=unread
        )
        self._scope = f"{options.origin}/" if options.origin else ""
        self._personas: set[str] = set()
        self._calendar = Calendar(options)
        self._signals: dict[str, set[str]] = defaultdict(set)

    def run(self) -> ImportReport:
        """Import all files."""
        groups = self._survey()
        report = self.report
        with suppress(_NothingToImport), self._out:
            for chat, place, records in groups.whole(self._pieces()):
                self._put_chat(chat, place, records)
            if not report.events:
                raise _NothingToImport  # so that nothing is published
            report.days = self._out.days
        report.files_written = self._out.files_written
        return report

    def _survey(self) -> Groups:
        """The first pass: which pieces are one conversation, when the first begins and the last ends, and which
        signals each set records at all: only there does a response without one say anything."""
        pieces = Pieces()
        first: datetime | None = None
        last: datetime | None = None
        for number, file in enumerate(self._files):
            if file.format == EVENTS:
                continue
            for position, record, _ in file.records(self._options.max_line_bytes):
                if position % (4 * _PROGRESS_LINES) == 0:
                    self._say(f"{file.label}: {position:,} lines looked through")
                if record is None:
                    continue
                with suppress(NotAChat):  # counted with its reason in the second pass
                    for chat in self._chats(file, record, self._source(file, position)):
                        pieces.meet(chat, number)
                        known = chat.known_start
                        if known is not None:
                            first, last = (
                                min(first or known, known),
                                max(last or known, chat.known_end or known),
                            )
                        self._signals[chat.dataset].update(_signals_in(chat))
        self._calendar = Calendar(self._options, first, last)
        self.report.ids_in_files = len(pieces.ids_in_files)
        return pieces.joined()

    def _pieces(self) -> Iterator[tuple[Chat, Place]]:
        """The second pass: each piece with its place; refused lines and single events are written on the way."""
        report = self.report
        for place, file in enumerate(self._files, 1):
            before = report.lines
            for number, record, reason in file.records(self._options.max_line_bytes):
                report.lines += 1
                if report.lines % _PROGRESS_LINES == 0:
                    self._say(f"{report.lines:,} lines, {sum(report.events.values()):,} events")
                try:
                    if record is None:
                        raise NotAChat(str(reason))
                    if file.format == EVENTS:
                        self._put_landing_event(record)
                        continue
                    source = self._source(file, number)
                    chats = self._chats(file, record, source)
                except NotAChat as error:
                    self._reject(file.label, number, str(error))
                    continue
                report.unusable_times += source.unusable_times
                report.guessed_dates += source.has_guessed_dates
                if len(chats) == 1:
                    chats = [replace(chats[0], skipped=source.skipped)]
                else:
                    report.skipped_messages.update(source.skipped)
                    report.without_chat += not chats
                for chat in chats:
                    yield chat, Place(file.label, number, self._scope)
            self._say(f"{place}/{len(self._files)} {file.label}: {report.lines - before:,} lines")

    def _source(self, file: InputFile, line: int) -> Source:
        return Source(file.label, line, self._times, self._options.assistant, file.owner)

    def _chats(self, file: InputFile, record: Any, source: Source) -> list[Chat]:
        """The chats of a record, with ids as the options have them."""
        chats = [self._identified(chat, file) for chat in file.reader.chats_of(record, source)]
        for chat in chats:
            _check_ids(chat)
        return chats

    def _identified(self, chat: Chat, file: InputFile) -> Chat:
        """The chat with its ids in the name space that the options say."""
        prefixes = [self._options.origin] if self._options.origin else []
        scope = [*prefixes, file.label] if self._options.separate_files else prefixes
        if not scope:
            return chat
        persona = chat.persona
        return replace(
            chat,
            conversation_id=_scoped(scope, chat.conversation_id),
            user_id=_scoped(prefixes, chat.user_id),
            owner=_scoped(prefixes, chat.owner),
            persona=persona and replace(persona, character_id=str(_scoped(prefixes, persona.character_id))),
        )

    def _put_chat(self, chat: Chat, place: Place, records: int) -> None:
        report = self.report
        events = list(
            chat_events(chat, self._calendar, _in_order(self._signals[chat.dataset] | _signals_in(chat)))
        )
        if any(
            len(json.dumps(event, ensure_ascii=False).encode()) > self._options.max_event_bytes
            for event in events
        ):
            self._reject(place.file, place.line, "too_large")
            report.continued += records - 1
            return
        report.conversations += 1
        report.continued += records - 1
        report.skipped_messages.update(chat.skipped)
        self._put_persona(chat.persona, chat.dataset)
        for event in events:
            self._put_event(event)
        missing = {
            "times": not chat.has_message_times,
            "user": chat.user_id is None,
            "model": chat.model is None and any(not m.model for m in chat.messages if m.role == "character"),
            "start": chat.known_start is None,
        }
        report.synthetic.update([name for name, is_missing in missing.items() if is_missing])
        report.moved += any("time_shift_seconds" in event["payload"] for event in events)

    def _put_persona(self, persona: Persona | None, dataset: str) -> None:
        if persona is None or persona.character_id in self._personas:
            return
        self._personas.add(persona.character_id)
        self.report.characters += 1
        self._put_event(persona_event(persona, dataset, self._calendar.earliest_day))

    def _put_event(self, event: dict[str, Any]) -> None:
        """Write an event to the day it is received on: the UTC date of its time."""
        self.report.events[event["event_type"]] += 1
        self._out.put(date.fromisoformat(event["event_ts"][:10]), event)

    def _put_landing_event(self, record: dict[str, Any]) -> None:
        day, line = checked_event(record, self._rules, self._options.origin)
        self.report.events[line["event_type"]] += 1
        self.report.single_events += 1
        self._out.put(day, line)

    def _reject(self, label: str, line: int, reason: str) -> None:
        self.report.rejected[reason] += 1
        day = self._calendar.earliest_day
        moment = f"{day.isoformat()}T12:00:00+00:00"
        note = {
            "event_type": IMPORT_REJECTED, "received_ts": moment, "origin_file": label, "origin_line": line,
            "reason": reason,
        }  # fmt: skip
        self._out.put(day, note)


def _check_ids(chat: Chat) -> None:
    """Refuse what landing would refuse."""
    ids = {"conversation_id": chat.conversation_id, "user_id": chat.user_id}
    if chat.persona is not None:
        ids["character_id"] = chat.persona.character_id
    for name, value in ids.items():
        if value is not None and len(value) > _LONGEST_ID:
            raise NotAChat(f"too_long:{name}")


def _scoped(scope: Sequence[str], name: str | None) -> str | None:
    return None if name is None else "/".join([*scope, name])


def _signals_in(chat: Chat) -> set[str]:
    thumbs = THUMBS if any(message.thumb is not None for message in chat.messages) else ()
    return {*thumbs, *([REGENERATED] if any(message.is_replaced for message in chat.messages) else [])}


def _in_order(signals: set[str]) -> list[str]:
    return [name for name in (*THUMBS, REGENERATED) if name in signals]


def _digest(files: Sequence[InputFile], options: ImportOptions) -> str:
    """Names an import by where its files lie: other files of the same names do not overwrite what it landed."""
    paths = [str(file.path.resolve()) for file in files]
    text = json.dumps([paths, [str(option) for option in astuple(options)]])
    return hashlib.sha256(text.encode()).hexdigest()[:10]
