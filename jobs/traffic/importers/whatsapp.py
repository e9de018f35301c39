"""Imports WhatsApp's text export: a line for each message, and more lines where its text has them.

Both orders of day and month are read, 12 and 24 hours, with and without brackets. What WhatsApp says itself, and files
that were left out, are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from jobs.traffic.importers.chat import Chat, Source
from jobs.traffic.importers.people import Said, conversations, speakers
from jobs.traffic.importers.times import UnreadableTime

# Marks of direction that WhatsApp writes around names, numbers and its own words.
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"))
_SPACES = {ord(space): " " for space in "\u00a0\u202f\u2009"}
_HEAD = re.compile(
    r"\[?(?P<first>\d{1,4})(?P<sign>[./-])(?P<second>\d{1,2})[./-](?P<third>\d{2,4}),? (?:(?:klo|um|à|at) )?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<seconds>\d{2}))?(?: ?(?P<half>[AaPp])\.? ?[Mm]\.?)?"
    r"(?:\] ?| [-–] )"
)
_SPEAKER = re.compile(r"(?P<speaker>[^:]{1,100}): ?")
_LEFT_OUT = re.compile(r"<[^<>]{1,80}>|(?:image|video|audio|sticker|GIF|document|Contact card) omitted")
_DELETED = (
    "This message was deleted",
    "This message was deleted.",
    "You deleted this message",
    "You deleted this message.",
)
_ATTACHED = re.compile(r"[^\n]{1,200} \((?:file attached|Datei angehängt|archivo adjunto|fichier joint)\)")
_EDITED = re.compile(r" ?<This message was edited>\Z")
_MARK = "\u200e"


class _Head(NamedTuple):
    """The beginning of a message: three numbers of its date in the order of the file, and its time."""

    date: tuple[int, int, int]
    sign: str
    time: tuple[int, int, int]
    is_half_day: bool


@dataclass(frozen=True)
class _Line:
    """What follows the head of a message, line by line, and whether its text is WhatsApp's own."""

    head: _Head
    rest: list[str]
    is_marked: bool


def is_export(lines: Iterable[str]) -> bool:
    """Whether lines are of a WhatsApp export: the first one that is not blank begins with a date and a time."""
    first = next((line for line in lines if line.translate(_MARKS).strip()), "")
    return _HEAD.match(_plain(first)) is not None


def chats_of(lines: Sequence[str], source: Source) -> Iterator[Chat]:
    """The conversation of each person in the chat with the assistant.

    Raises:
        NotAChat: `no_assistant`; `no_messages`.
    """
    yield from conversations(_said_in(lines, source), None, "whatsapp", source)


def speakers_of(lines: Sequence[str], source: Source) -> int:
    """How many people speak in the chat."""
    return speakers(_said_in(lines, source))


def _said_in(lines: Sequence[str], source: Source) -> list[Said]:
    found = _messages(lines)
    order = _date_order([line.head for line in found], source)
    return [said for line in found if (said := _said(line, order, source)) is not None]


def _messages(lines: Sequence[str]) -> list[_Line]:
    """The messages, each with all its lines."""
    found: list[_Line] = []
    for line in lines:
        plain = _plain(line)
        head = _HEAD.match(plain)
        if head is not None:
            found.append(_Line(_head(head), [plain[head.end() :]], _is_marked(line)))
        elif found:
            found[-1].rest.append(line.translate(_MARKS))
    return found


def _plain(line: str) -> str:
    """The line without marks of direction, and with blanks of one kind up to the end of its date."""
    text = line.translate(_MARKS)
    return text[:40].translate(_SPACES) + text[40:]


def _is_marked(line: str) -> bool:
    """Whether the text after the speaker begins with WhatsApp's mark: then it is WhatsApp's own."""
    _, colon, text = line.partition(": ")
    return bool(colon) and text.startswith(_MARK)


def _head(match: re.Match[str]) -> _Head:
    hour = int(match["hour"])
    half = (match["half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    date = (int(match["first"]), int(match["second"]), int(match["third"]))
    return _Head(date, match["sign"], (hour, int(match["minute"]), int(match["seconds"] or 0)), bool(half))


def _date_order(heads: Sequence[_Head], source: Source) -> str:
    """`ymd`, `dmy` or `mdy`: the order in which all dates exist, else the one in which they never go back.

    Where both fit, 12 hours with slashes are read as American; it is said that this was a guess.
    """
    if any(head.date[0] > 31 for head in heads):
        return "ymd"
    if any(head.date[0] > 12 for head in heads) or any(head.sign == "." for head in heads):
        return "dmy"
    if any(head.date[1] > 12 for head in heads):
        return "mdy"
    runs = {order: _goes_forward(heads, order) for order in ("dmy", "mdy")}
    if runs["dmy"] != runs["mdy"]:
        return "dmy" if runs["dmy"] else "mdy"
    if any(head.date[0] != head.date[1] for head in heads):
        source.has_guessed_dates = True
    return "mdy" if heads and all(head.is_half_day and head.sign == "/" for head in heads) else "dmy"


def _goes_forward(heads: Sequence[_Head], order: str) -> bool:
    dates = [_date(head, order) for head in heads]
    return dates == sorted(dates)


def _date(head: _Head, order: str) -> tuple[int, int, int]:
    """Year, month and day."""
    places = dict(zip(order, head.date, strict=True))
    year = places["y"]
    return (year + 2000 if year < 100 else year, places["m"], places["d"])


def _said(line: _Line, order: str, source: Source) -> Said | None:
    speaker = _SPEAKER.match(line.rest[0])
    # Quotes stand in what WhatsApp says itself: Ann changed the subject to "Plan: B".
    if speaker is None or '"' in speaker["speaker"] or "“" in speaker["speaker"]:
        source.skipped["system"] += 1
        return None
    text = "\n".join([line.rest[0][speaker.end() :], *line.rest[1:]])
    if _LEFT_OUT.fullmatch(text.strip()):
        source.skipped["attachment"] += 1
        return None
    if text.strip() in _DELETED:
        source.skipped["deleted"] += 1
        return None
    if line.is_marked:
        is_file = "omitted" in text or text.startswith("<")
        source.skipped["attachment" if is_file else "system"] += 1
        return None
    if attached := _ATTACHED.match(text):
        source.skipped["attachment"] += 1
        text = text[attached.end() :].lstrip("\n")
    text = _EDITED.sub("", text).strip()
    if not text:
        source.skipped["no_text"] += 1
        return None
    name = speaker["speaker"].strip()
    return Said(speaker=name, names=(), text=text, at=_moment(line.head, order, source))


def _moment(head: _Head, order: str, source: Source) -> datetime | None:
    try:
        moment = source.times.read(datetime(*_date(head, order), *head.time))
    except (ValueError, UnreadableTime):
        moment = None
    if moment is None:
        source.unusable_times += 1
    return moment
