"""Tells of which format each input file is, by its first records, before anything is imported."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from infra.errors import InputDamaged, SettingsError
from infra.records import BOM, Record, opened, read_records
from jobs.traffic.importers import whatsapp
from jobs.traffic.importers.chat import ImportOptions, NotAChat, Source
from jobs.traffic.importers.formats import AUTO, FORMATS, OTHERS, WHATSAPP, Format, formats_of
from jobs.traffic.importers.parquet_rows import parquet_records

PARQUET = ".parquet"
_FIRST_RECORDS = 50
_FIRST_BYTES = 1 << 16
_MAX_EXPANSION = 200
_DOCUMENT_LINES = 10
# Reasons of lines that hold no JSON at all: nothing but such lines is no file of records.
_NO_JSON = ("malformed_json", "not_an_object", "empty_line", "cut_off")


class InputFile(NamedTuple):
    """A file to import, its name in quarantine, its format, and the user whose export it is, where that is said."""

    path: Path
    label: str
    format: str
    owner: str | None = None

    @property
    def reader(self) -> Format:
        """How its records are read."""
        return FORMATS[self.format]

    def records(self, max_bytes: int) -> Iterator[tuple[int, Any, str | None]]:
        """Number, record or reason of each record. A text file is one record: the list of its lines.

        Raises:
            InputDamaged: the file is cut short or is no UTF-8.
        """
        if self.format == WHATSAPP:
            yield 1, text_lines(self.path, max_bytes), None
            return
        if self.reader.speakers_of is not None:
            max_bytes *= _DOCUMENT_LINES
        for record in _records(self.path, max_bytes):
            yield record.number, record.value, record.reason


@dataclass(frozen=True)
class _Seen:
    """What a file looks like: formats, or something else; whether it holds any record."""

    formats: Sequence[str] = ()
    holds_records: bool = False


def detected(
    files: Sequence[tuple[Path, str]], format: str, options: ImportOptions
) -> tuple[list[InputFile], int]:
    """The files with their formats, and how many of a folder are of none.

    Raises:
        SettingsError: a file is of another format than the one given, or of none that is known; or it is a chat among
            people, and nobody said who is the assistant.
        InputDamaged: a file is no UTF-8 text or its compression is damaged.
    """
    known: list[InputFile] = []
    unread = 0
    for path, label in files:
        seen = _seen(path, options.max_line_bytes)
        name = _format_of(label, seen, format)
        if name is None and len(files) > 1:
            unread += 1
        elif name is None:
            raise _unknown(label, path)
        else:
            known.append(InputFile(path, label, name, FORMATS[name].owner_of(path)))
    if not known:
        raise _unknown(files[0][1], files[0][0])
    _check_assistant(known, options)
    return known, unread


def text_lines(path: Path, max_bytes: int) -> list[str]:
    """The lines of a text file in UTF-8.

    Raises:
        InputDamaged: it is no UTF-8, or too long.
    """
    with path.open("rb") as source, opened(source, path.name, path.stat().st_size, _MAX_EXPANSION) as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputDamaged(
            f"{path.name} is a text of more than {max_bytes // 1_000_000} MB",
            hint="Cut it into several files.",
        )
    try:
        return content.removeprefix(BOM).decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise InputDamaged(
            f"{path.name} is not UTF-8 text", hint="Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"
        ) from None


def _seen(path: Path, max_bytes: int) -> _Seen:
    if _is_whatsapp(path):
        return _Seen((WHATSAPP,), True)
    records = list(islice(_records(path, _most(path, max_bytes)), _FIRST_RECORDS))
    holds = any(record.reason not in _NO_JSON for record in records)
    found = (formats_of(record.value) for record in records if record.value is not None)
    return _Seen(next((names for names in found if names), ()), holds)


def _records(path: Path, max_bytes: int) -> Iterator[Record]:
    return parquet_records(path, max_bytes) if path.name.endswith(PARQUET) else read_records(path, max_bytes)


def _most(path: Path, max_bytes: int) -> int:
    """How long a record may be: an export in one JSON document holds all chats of an account."""
    return max_bytes * (_DOCUMENT_LINES if path.name.endswith((".json", ".json.gz")) else 1)


def _is_whatsapp(path: Path) -> bool:
    try:
        with (
            path.open("rb") as source,
            opened(source, path.name, path.stat().st_size, _MAX_EXPANSION) as stream,
        ):
            start = stream.read(_FIRST_BYTES)
    except (EOFError, OSError, zlib.error):
        return False  # the reader of records says what is wrong with it
    return whatsapp.is_export(start.removeprefix(BOM).decode(errors="replace").splitlines()[:20])


def _format_of(label: str, seen: _Seen, format: str) -> str | None:
    """The format to read a file as; None if it is of none.

    Raises:
        SettingsError: it looks like something else than what it was said to be, or like no chats.
    """
    if format in seen.formats:
        return format
    other = next((name for name in seen.formats if name in OTHERS), None)
    if other is not None:
        raise SettingsError(
            f"{label} looks like {other}, not like chats", setting="format", hint=OTHERS[other]
        )
    if format == AUTO:
        return seen.formats[0] if seen.formats else None
    if not seen.formats:
        # Lines that are of no format are refused one by one, with their reasons; a text without JSON is no log.
        is_text = label.endswith((".txt", ".txt.gz")) and not seen.holds_records
        return None if is_text or format == WHATSAPP else format
    name = seen.formats[0]
    raise SettingsError(
        f"{label} is {FORMATS[name].title}, not {FORMATS[format].title}: nothing was imported",
        setting="format",
        hint=f"Use --format {name}, or --format auto.",
    )


def _unknown(label: str, path: Path) -> SettingsError:
    if not path.stat().st_size:
        return SettingsError(
            f"{label} is empty: nothing was imported", setting="PATH", hint="Export it again."
        )
    return SettingsError(
        f"{label} is of no format that is known: nothing was imported",
        setting="format",
        hint=f"Known: {', '.join(FORMATS)}. docs/importers.md shows what each looks like.",
    )


def _check_assistant(files: Sequence[InputFile], options: ImportOptions) -> None:
    """Refuse chats among people if nobody said who of them is the assistant."""
    if options.assistant is not None:
        return
    for file in files:
        if (count := file.reader.speakers_of) is not None:
            people = sum(_people(file, count, options))
            raise SettingsError(
                f"{file.label} is {file.reader.title} of {people} people: nothing was imported",
                setting="assistant",
                hint="Say who of them is the assistant: --assistant NAME, with a name or an id as in the file.",
            )


def _people(file: InputFile, count: Callable[[Any, Source], int], options: ImportOptions) -> Iterator[int]:
    for number, record, _ in file.records(options.max_line_bytes):
        if record is not None:
            try:
                yield count(record, Source(file.label, number))
            except NotAChat:
                continue
