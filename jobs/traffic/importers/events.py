"""Converts one conversation of a log to events of the landing contract. Deterministic; invented values are flagged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, groupby, pairwise
from typing import Any, NamedTuple

from jobs.traffic.importers.chat import Chat, ImportOptions, Message, Persona

UNKNOWN_MODEL = "unknown"
THUMBS = ("thumb_up", "thumb_down")
REGENERATED = "regenerated"
_DAY_SECONDS = 86_400
# Seconds between messages of an invented time line: the pace of a chat, and never long enough to end a session.
_SHORTEST_STEP, _LONGEST_STEP = 15, 75
_LONG_SILENCE = 3_600.0
_ROUNDING = timedelta(milliseconds=1)
_REACTION_DELAY = timedelta(seconds=2)


@dataclass(frozen=True)
class Calendar:
    """Places conversations on the days of an import. `first` and `last` are the earliest and latest known times."""

    options: ImportOptions
    first: datetime | None = None
    last: datetime | None = None

    @property
    def earliest_day(self) -> date:
        """The first day that any event can fall on."""
        if self.options.real_times == "keep" and self.first is not None:
            return min(self.options.start, self.first.date())
        return self.options.start

    def times(self, chat: Chat) -> list[datetime]:
        """When each message of the conversation happens."""
        offsets = self._fitted(self._offsets(chat))
        start = self._start(chat, offsets[-1])
        return [start + timedelta(seconds=offset) for offset in offsets]

    def _fitted(self, offsets: list[float]) -> list[float]:
        """Seconds of a conversation of years, in as many days as there are: its long silences become shorter.

        Silences under an hour stay as they are, as far as there is room.
        """
        room = self.options.days * _DAY_SECONDS - 60.0
        if self.options.real_times == "keep" or offsets[-1] <= min(room, _DAY_SECONDS):
            return offsets
        gaps = [after - before for before, after in pairwise(offsets)]
        beyond = sum(gap - _LONG_SILENCE for gap in gaps if gap > _LONG_SILENCE)
        spare = room - (offsets[-1] - beyond)
        share = min(1.0, max(0.0, spare / beyond)) if beyond else 1.0
        shorter = (
            gap if gap < _LONG_SILENCE else _LONG_SILENCE + (gap - _LONG_SILENCE) * share for gap in gaps
        )
        fitted = list(accumulate(shorter, initial=0.0))
        squeeze = min(1.0, room / fitted[-1])
        return [round(offset * squeeze, 6) for offset in fitted]

    def _offsets(self, chat: Chat) -> list[float]:
        """Seconds from the first message to each."""
        count, known = len(chat.messages), chat.known_start
        if known is not None and any(chat.known_times):
            return self._around(chat, known)
        if chat.started_at and chat.ended_at and count > 1 and chat.ended_at > chat.started_at:
            step = (chat.ended_at - chat.started_at).total_seconds() / (count - 1)
            return [step * n for n in range(count)]
        steps = [0.0]
        for n in range(1, count):
            steps.append(steps[-1] + self._step(chat, n))
        squeeze = min(1.0, (_DAY_SECONDS - 60) / steps[-1]) if steps[-1] else 1.0
        return [round(step * squeeze, 3) for step in steps]

    def _around(self, chat: Chat, start: datetime) -> list[float]:
        """Known times, and between them the pace of a chat as far as there is room."""
        known = [None if moment is None else (moment - start).total_seconds() for moment in chat.known_times]
        ahead = _next_known(chat.messages, known)
        offsets: list[float] = []
        for n, (message, own) in enumerate(zip(chat.messages, known, strict=True)):
            last = offsets[-1] if offsets else 0.0
            following, gap = ahead[n]
            if own is None:
                step = self._step(chat, n) if n else 0.0
                own = last + (step if following is None else min(step, (following - last) / gap))
            elif message.is_replaced and following is not None and own >= following:
                # The response that stands comes last, also where it is the older one.
                own = last + (following - last) / 2
            offsets.append(round(max(last, own), 6))
        return offsets

    def _step(self, chat: Chat, n: int) -> float:
        span = _LONGEST_STEP - _SHORTEST_STEP
        return _SHORTEST_STEP + draw(self.options.seed, str(chat.conversation_id), f"step{n}") * span

    def _start(self, chat: Chat, seconds: float) -> datetime:
        options, known = self.options, chat.known_start
        range_start = datetime.combine(options.start, time(), UTC)
        if known is not None and self.first is not None and self.last is not None:
            if options.real_times == "keep":
                return known
            if (self.last.date() - self.first.date()).days < options.days:
                return known + (range_start - datetime.combine(self.first.date(), time(), UTC))
            room = options.days * _DAY_SECONDS
            share = (known - self.first) / (self.last - self.first)
            return range_start + timedelta(seconds=max(0.0, min(share * room, room - seconds - 60)))
        day = int(draw(options.seed, str(chat.conversation_id), "day") * options.days)
        seconds_left = max(0.0, _DAY_SECONDS - 30 - seconds)
        moment = int(draw(options.seed, str(chat.conversation_id), "time") * seconds_left)
        return range_start + timedelta(days=day, seconds=moment)


def _next_known(messages: Sequence[Message], known: Sequence[float | None]) -> list[tuple[float | None, int]]:
    """For each message the next known time of one that stands, and how many steps lead there from the one before."""
    ahead: list[tuple[float | None, int]] = []
    following: tuple[float | None, int] = (None, 1)
    for message, own in zip(reversed(messages), reversed(known), strict=True):
        ahead.append((following[0], following[1] + 1))
        following = (own, 1) if own is not None and not message.is_replaced else ahead[-1]
    return ahead[::-1]


def draw(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.blake2b("\x1f".join((str(seed), *names)).encode("utf-8", "surrogatepass"), digest_size=7)
    return int.from_bytes(digest.digest(), "big") / 2**56


def chat_events(chat: Chat, calendar: Calendar, signals: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The events of a conversation in order.

    Consecutive messages of the character become one response, joined by a newline; a thumb becomes a reaction to it. A
    replaced response is a response of its own, followed by a regeneration. `signals` names the reactions that the log
    records: each response carries it, so that silence about a response can be told from a log that knows no reactions.
    What was invented is flagged in each payload: `is_synthetic_time`, `is_synthetic_user`, `is_synthetic_model`.
    """
    options = calendar.options
    shared = {
        "source": "user",
        "user_id": _user(chat, options),
        "conversation_id": chat.conversation_id,
        "character_id": chat.persona.character_id if chat.persona else None,
        "locale": chat.language,
    }
    marks: dict[str, Any] = {"dataset": chat.dataset}
    if chat.user_id is None:
        marks["is_synthetic_user"] = True
    times, known = calendar.times(chat), chat.known_start
    shift = times[0] - known if known is not None else timedelta()
    placed = [
        # A time is the log's own if it was moved with its whole conversation, or not at all.
        _Placed(message, moment, number, own is None or abs(moment - own - shift) > _ROUNDING)
        for number, (message, moment, own) in enumerate(
            zip(chat.messages, times, chat.known_times, strict=True)
        )
    ]
    if shift:
        marks["time_shift_seconds"] = round(shift.total_seconds(), 3)
    logged = {"logged_signals": [*signals]} if signals else {}
    about_chat = _about_chat(chat)
    for is_response, group in groupby(placed, key=_block):
        block = list(group)
        if is_response:
            yield from _response(chat, block, shared, {**marks, **logged, **about_chat})
            about_chat = {}
            if block[-1].message.is_replaced:
                yield _regeneration(chat, block[-1], placed, shared, marks)
            continue
        for said in block:
            payload = {"text": said.message.text, **said.flags(marks), **about_chat, **said.message.fields}
            yield _event("message", _name(chat, said.number, "message"), said.at, shared, payload)
            about_chat = {}


class _Placed(NamedTuple):
    """A message with its time, its number in the conversation, and whether the time was invented."""

    message: Message
    at: datetime
    number: int
    is_invented: bool

    def flags(self, marks: dict[str, Any]) -> dict[str, Any]:
        return {**marks, "is_synthetic_time": True} if self.is_invented else marks


def _block(placed: _Placed) -> int:
    """0 for a message of the user; equal and not 0 for messages that are one response."""
    if placed.message.role == "user":
        return 0
    return placed.number + 2 if placed.message.is_replaced else 1


def persona_event(persona: Persona, dataset: str, day: date) -> dict[str, Any]:
    """The character as it was when the import's first day began."""
    payload = {
        "name": persona.name,
        "traits": list(persona.traits),
        "instructions": persona.instructions,
        "state": "published",
        "dataset": dataset,
        "is_synthetic_time": True,
    }
    moment = datetime.combine(day, time(), UTC)
    shared = {"source": "user", "character_id": persona.character_id}
    return _event("character_update", f"{persona.character_id}:character", moment, shared, payload)


def _response(
    chat: Chat, block: list[_Placed], shared: dict[str, Any], marks: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    last = block[-1]
    marks = last.flags(marks)
    model = last.message.model or chat.model
    turn = {**shared, "turn_id": _name(chat, last.number), "model_version": model or UNKNOWN_MODEL}
    fields: dict[str, Any] = {}
    for part in block:
        fields.update(part.message.fields)
    payload = {"text": "\n".join(part.message.text for part in block), **marks, **fields}
    if model is None:
        payload["is_synthetic_model"] = True
    yield _event("response", _name(chat, last.number, "response"), last.at, turn, payload)
    flags = {name: value for name, value in marks.items() if name.startswith("is_") or name == "dataset"}
    for part in block:
        if part.message.thumb is None:
            continue
        reaction = {"reaction": THUMBS[0] if part.message.thumb else THUMBS[1], **flags}
        # A thumb has no time of its own in any log format read here.
        reaction["is_synthetic_time"] = True
        event_id = _name(chat, part.number, "reaction")
        yield _event("reaction", event_id, last.at + _REACTION_DELAY, turn, reaction)


def _regeneration(
    chat: Chat, replaced: _Placed, placed: list[_Placed], shared: dict[str, Any], marks: dict[str, Any]
) -> dict[str, Any]:
    """That the user asked for another response: between the replaced one and the next. No log has its time."""
    following = placed[replaced.number + 1].at if replaced.number + 1 < len(placed) else replaced.at
    moment = min(replaced.at + _REACTION_DELAY, max(replaced.at, following))
    turn = {**shared, "turn_id": _name(chat, replaced.number)}
    payload = {**marks, "is_synthetic_time": True}
    return _event("regenerate", _name(chat, replaced.number, "regenerate"), moment, turn, payload)


def _about_chat(chat: Chat) -> dict[str, Any]:
    """Facts about the conversation as a whole. They go into the payload of its first event."""
    session = {
        name: value.isoformat()
        for name, value in (("started_at", chat.started_at), ("ended_at", chat.ended_at))
        if value is not None
    }
    return {**chat.fields, **({"logged_session": session} if session else {})}


def _name(chat: Chat, number: int, *kind: str) -> str:
    """Id of a message: padded, because events of one instant are ordered by id."""
    return ":".join((str(chat.conversation_id), f"{number:05d}", *kind))


def _user(chat: Chat, options: ImportOptions) -> str:
    """The id that the log gives, as it stands there, so that an erasure finds it; else an invented one."""
    if chat.user_id is not None:
        return chat.user_id
    if chat.owner is not None:
        return f"synthetic/owner/{hashlib.sha256(chat.owner.encode()).hexdigest()[:12]}"
    number = int(draw(options.seed, str(chat.conversation_id), "user") * options.users_per_language)
    return f"synthetic/{chat.language or 'und'}/{number}"


def _event(
    kind: str, event_id: str, moment: datetime, shared: dict[str, Any], payload: dict[str, Any]
) -> dict[str, Any]:
    text = moment.isoformat()
    return {
        "event_id": event_id,
        "event_ts": text,
        "received_ts": text,
        "event_type": kind,
        **shared,
        "payload": payload,
    }
