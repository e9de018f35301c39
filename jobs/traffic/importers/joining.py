"""Puts the pieces of a conversation together that a log keeps in several records.

Pieces belong together if they have the same id, or if the messages of one begin with all messages of another: a
gateway logs the history of a chat again with each request. Users are never mixed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from jobs.traffic.importers.chat import Chat, Message

_LONGEST_WINDOW = 200
_FEWEST_REPEATED = 2  # so many messages at the end of one piece and the beginning of the next are one history


class Pieces:
    """Learns in a first pass which pieces of an import are one conversation. Keeps hashes of them, no text.

    Pieces are known by their place in the import, counted from 0.

    Attributes:
        ids_in_files: hashes of ids that stand in more than one file.
    """

    def __init__(self) -> None:
        self.ids_in_files: set[int] = set()
        self._count = 0
        self._parents: dict[int, int] = {}
        self._first: dict[int, int] = {}
        self._file_of: dict[int, int] = {}
        self._user_of: dict[int, int] = {}
        self._renamed: dict[int, str] = {}
        self._open: list[_Open] = []

    def meet(self, chat: Chat, file: int) -> None:
        """Take notice of the next piece."""
        place = self._count
        self._count += 1
        if chat.conversation_id is not None:
            self._meet_id(place, chat, file)
        if chat.conversation_id is None or chat.is_request_id:
            self._open.append(_Open.of(chat, place, file))

    def _meet_id(self, place: int, chat: Chat, file: int) -> None:
        key = _digest("id", str(chat.conversation_id))
        if chat.user_id is not None:
            user = _digest("user", chat.user_id)
            if self._user_of.setdefault(key, user) != user:
                # Two users cannot share a conversation: the second has one of their own.
                self._renamed[place] = f"{chat.conversation_id}/{user:016x}"
                key = _digest("id", self._renamed[place])
        first = self._first.setdefault(key, place)
        if first != place:
            self._join(first, place)
        if self._file_of.setdefault(key, file) != file:
            self.ids_in_files.add(key)

    def joined(self) -> Groups:
        """Which pieces belong together, after all were met."""
        self._join_by_history()
        members: dict[int, list[int]] = defaultdict(list)
        for place in self._parents:
            members[self._root(place)].append(place)
        group_of = {place: min(places) for places in members.values() if len(places) > 1 for place in places}
        return Groups(group_of, Counter(group_of.values()), self._renamed)

    def _join_by_history(self) -> None:
        """Join each piece to the one whose messages it begins with: the longest such one.

        Two strangers may begin alike. So where the user is not known, a piece is continued once, and only in a file
        that repeats histories at all.
        """
        repeating = self._files_that_repeat()
        free: dict[int, list[int]] = defaultdict(list)
        continued: dict[int, int] = {}
        for piece in sorted(self._open, key=lambda piece: (len(piece.histories), piece.place)):
            may_join = piece.is_known or piece.file in repeating
            for end in reversed(range(len(piece.histories) - 1 if may_join else 0)):
                history = piece.histories[end]
                if free.get(history):
                    continued[history] = free[history].pop()
                elif history not in continued or not piece.is_known or end < piece.first_answer:
                    continue
                self._join(continued[history], piece.place)
                break
            free[piece.histories[-1]].append(piece.place)

    def _files_that_repeat(self) -> set[int]:
        """The files in which most pieces with several answers begin with all messages of a piece of their own.

        A gateway logs each request of a chat. In other logs such a beginning is chance: a greeting and its answer.
        """
        left = Counter(piece.histories[-1] for piece in self._open)
        longer: Counter[int] = Counter()
        repeated: Counter[int] = Counter()
        for piece in self._open:
            if piece.answers > 1:
                longer[piece.file] += 1
                begun = next(
                    (history for history in reversed(piece.histories[:-1]) if left[history] > 0), None
                )
                if begun is not None:
                    left[begun] -= 1
                    repeated[piece.file] += 1
        return {piece.file for piece in self._open if 2 * repeated[piece.file] >= longer[piece.file]}

    def _join(self, one: int, other: int) -> None:
        self._parents.setdefault(one, one)
        self._parents.setdefault(other, other)
        low, high = sorted((self._root(one), self._root(other)))
        self._parents[high] = low

    def _root(self, place: int) -> int:
        while (parent := self._parents.get(place, place)) != place:
            self._parents[place] = self._parents.get(parent, parent)
            place = parent
        return place


class _Open(NamedTuple):
    """A piece that may continue another.

    Attributes:
        file: number of its file.
        is_known: whether its user is known.
        answers, first_answer: how many it has, and which of its messages is the first.
        histories: a hash of each beginning of its messages.
    """

    place: int
    file: int
    is_known: bool
    answers: int
    first_answer: int
    histories: list[int]

    @classmethod
    def of(cls, chat: Chat, place: int, file: int) -> _Open:
        answers = [n for n, message in enumerate(chat.messages) if message.role == "character"]
        histories = _histories(chat.messages, _digest("user", chat.user_id or ""))
        return cls(
            place,
            file,
            chat.user_id is not None,
            len(answers),
            min(answers, default=len(histories)),
            histories,
        )


class Place(NamedTuple):
    """Where a piece stands, and what comes before the ids that it is given."""

    file: str
    line: int
    scope: str = ""


@dataclass(frozen=True)
class Groups:
    """Which pieces are one conversation.

    Attributes:
        group_of: the first piece of the conversation that a piece is of, if it has more than one.
        sizes: pieces of each such conversation, by its first.
        renamed: other ids, by piece.
    """

    group_of: dict[int, int]
    sizes: Counter[int]
    renamed: dict[int, str]

    def whole(self, pieces: Iterable[tuple[Chat, Place]]) -> Iterator[tuple[Chat, Place, int]]:
        """Each conversation once, with an id, the place of its first piece and the number of its records.

        Args:
            pieces: all pieces again, in the order of the first pass.
        """
        waiting: dict[int, list[Chat]] = defaultdict(list)
        lines: dict[int, dict[Place, None]] = defaultdict(dict)  # in their order
        names = _Names()
        for n, (chat, place) in enumerate(pieces):
            if n in self.renamed:
                chat = replace(chat, conversation_id=self.renamed[n])
            group = self.group_of.get(n)
            if group is None:
                yield names.named(chat, chat, place), place, 1
                continue
            lines[group][place] = None
            waiting[group].append(chat)
            if len(waiting[group]) == self.sizes[group]:
                chats = waiting.pop(group)
                # The first request of a conversation stays its shortest piece, however long its log grows.
                shortest = min(chats, key=lambda piece: len(piece.messages))
                first, *more = lines.pop(group)
                yield names.named(merged(chats), shortest, first), first, 1 + len(more)


class _Names:
    """Gives ids to conversations without one.

    They depend on the name of the file and on what was said first, and when; not on where the file lies, nor on the
    line: logs grow and move. Equal conversations are numbered, in the order of the import.
    """

    def __init__(self) -> None:
        self._given: Counter[int] = Counter()

    def named(self, chat: Chat, first: Chat, place: Place) -> Chat:
        if chat.conversation_id is not None:
            return chat
        file = place.file.rpartition("/")[2]
        seed = _digest("chat", place.scope, file, first.user_id or "", str(first.known_start))
        digest = _histories(first.messages, seed)[-1]
        self._given[digest] += 1
        again = f"-{self._given[digest]}" if self._given[digest] > 1 else ""
        return replace(chat, conversation_id=f"{place.scope}chat-{digest:016x}{again}")


def merged(pieces: Sequence[Chat]) -> Chat:
    """One conversation of its pieces, in the order of their times where all have one.

    What a piece repeats of those before it is taken once. A last response that differs took the place of the one
    before.
    """
    name = next((piece.conversation_id for piece in pieces if piece.conversation_id is not None), None)
    starts = [piece.known_start for piece in pieces]
    order = list(range(len(pieces)))
    known = [start for start in starts if start is not None]
    if len(known) == len(pieces):
        order.sort(key=known.__getitem__)
    whole = _Whole(pieces[order[0]])
    for place in order[1:]:
        whole.add(pieces[place])
    return replace(whole.chat(), conversation_id=name)


class _Whole:
    """Grows a conversation by its pieces."""

    def __init__(self, first: Chat) -> None:
        self._first = first
        self._ended_at = first.ended_at
        self._messages = list(_timed(first, 0))
        self._standing = [n for n, message in enumerate(self._messages) if not message.is_replaced]
        self._skipped = Counter(first.skipped)
        self._unusable_times = first.unusable_times
        self._fields = dict(first.fields)
        self._user_id, self._persona, self._language = first.user_id, first.persona, first.language

    def add(self, piece: Chat) -> None:
        """Add what is new in the next piece."""
        self._user_id = self._user_id or piece.user_id
        self._persona = self._persona or piece.persona
        more = piece.messages
        shared = self._common(more)
        if shared == len(more):
            return  # it says nothing new: a request that was logged twice
        is_history = shared > 0
        shared = shared or self._overlap(more)
        new = _timed(piece, shared)[shared:]
        last = self._messages[-1]
        if is_history and shared == len(self._standing) - 1 and last.role == new[0].role == "character":
            self._messages[-1] = replace(last, is_replaced=True)
            self._standing.pop()
        self._standing += [n for n, message in enumerate(new, len(self._messages)) if not message.is_replaced]
        self._messages += new
        # What a history left out, each request repeats.
        self._skipped = (
            self._skipped | Counter(piece.skipped) if is_history else self._skipped + Counter(piece.skipped)
        )
        self._unusable_times += piece.unusable_times
        self._fields = {**piece.fields, **self._fields}
        self._language = self._language or piece.language
        self._ended_at = None

    def chat(self) -> Chat:
        """The conversation so far."""
        return replace(
            self._first,
            messages=tuple(self._messages),
            user_id=self._user_id,
            persona=self._persona,
            language=self._language,
            ended_at=self._ended_at,
            fields=self._fields,
            skipped=self._skipped,
            unusable_times=self._unusable_times,
        )

    def _common(self, more: Sequence[Message]) -> int:
        """How many messages both begin with."""
        count = 0
        for place, message in zip(self._standing, more, strict=False):
            if not _same(self._messages[place], message):
                break
            count += 1
        return count

    def _overlap(self, more: Sequence[Message]) -> int:
        """How many messages end one and begin the other, where only the last messages of a history are logged."""
        said = [self._messages[n] for n in self._standing[-len(more) :]]
        for count in range(min(len(said), len(more), _LONGEST_WINDOW), _FEWEST_REPEATED - 1, -1):
            if all(_same(one, other) for one, other in zip(said[-count:], more, strict=False)):
                return count
        return 0


def _same(one: Message, other: Message) -> bool:
    return one.role == other.role and one.text == other.text


def _timed(piece: Chat, shared: int) -> list[Message]:
    """The messages of a piece, those that are new in it with the times and the model of their request."""
    messages = list(piece.messages)
    new = range(shared, len(messages))
    asked = max((n for n in new if messages[n].role == "user"), default=None)
    for n in new:
        message = messages[n]
        own: datetime | None = message.at
        if own is None and n == asked:
            own = piece.started_at
        elif own is None and n == len(messages) - 1 and message.role == "character":
            own = piece.ended_at
        model = (message.model or piece.model) if message.role == "character" else None
        messages[n] = replace(message, at=own, model=model)
    return messages


def _histories(messages: Sequence[Message], seed: int) -> list[int]:
    """A hash of each beginning of the messages."""
    histories = []
    for message in messages:
        seed = _digest(str(seed), message.role, message.text)
        histories.append(seed)
    return histories


def _digest(*parts: str) -> int:
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
