"""Erases users' lines from landed files. Each becomes a tombstone, so that all other lines keep their numbers.

Line numbers must not change, because rows of the lake refer to files by line.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.ids import IdKind, id_of
from infra.records import NotText, cut, opened, refusal_of
from jobs.landing.lines import ERASED
from jobs.landing.zone import (
    KNOWN_SUFFIXES,
    UNDECODABLE,
    UNREADABLE,
    LandingFile,
    broken,
    has_too_many_rows,
    iter_rows,
    not_text,
    python_values,
)

_TOMBSTONE = json.dumps({"event_type": ERASED}).encode()
_THEIR_IDS: Mapping[str, IdKind] = {"conversation_id": "conversation", "turn_id": "turn"}
_WORD = re.compile(rb"""[^\s",;|\\]+""")
# Between two quotes, inside or outside of them: a line that was cut off may begin within a string.
_BETWEEN_QUOTES = re.compile(rb'(?:[^"\\]++|\\.)++', re.DOTALL)
_LONGEST_ID_BYTES = 2_048
_BUFFER_BYTES, _ANY_SIZE = 1 << 20, 1 << 62


@dataclass(frozen=True)
class Theirs:
    """The ids that identify the users' lines. Each mapping leads to the keyed hash of the user.

    Attributes:
        users: ids as the product writes them.
        conversations, turns, characters: ids in the lake that belong to the users.
        key: the key by which the lake hashes the ids of lines; None if it holds them as they were written.
    """

    users: Mapping[str, str]
    conversations: Mapping[str, str]
    turns: Mapping[str, str]
    characters: Mapping[str, str]
    key: bytes | None = None

    def owner(self, record: Mapping[str, Any]) -> str | None:
        """The user who owns the line, None if none of them. A line with another user's id is that user's."""
        payload = record.get("payload")
        if isinstance(payload, str):  # Parquet holds it as text
            payload = refusal_of(payload.encode())[0]
        if isinstance(payload, dict) and (creator := _lookup(self.users, payload.get("creator_id"))):
            return creator
        if record.get("event_type") == "character_update" and (
            creator := self._owner_of("character", record.get("character_id"))
        ):
            return creator
        user = record.get("user_id")
        if isinstance(user, str) and user:
            return self.users.get(user)
        owners = (self._owner_of(kind, record.get(name)) for name, kind in _THEIR_IDS.items())
        if owner_hash := next((owned for owned in owners if owned), None):
            return owner_hash
        # Nobody's line: theirs if it names them anywhere, such as in a field of another name.
        return None if record.get("event_type") == "character_update" else self._named(record)

    def _named(self, value: object, field: str = "") -> str | None:
        """The user whose id is a whole value anywhere in a record."""
        if isinstance(value, Mapping):
            return next(
                (who for name, inner in value.items() if (who := self._named(inner, str(name)))), None
            )
        if isinstance(value, list):
            return next((who for inner in value if (who := self._named(inner, field))), None)
        is_number = isinstance(value, int) and not isinstance(value, bool) and field.lower().endswith("id")
        if not is_number and not isinstance(value, str):
            return None
        text = str(value)
        return self.users.get(text) or self._owner_by_talk(text)

    def _owner_by_talk(self, given: str) -> str | None:
        """The user whose conversation or turn has the id."""
        return self._owner_of("conversation", given) or self._owner_of("turn", given)

    def _owner_of(self, kind: IdKind, given: object) -> str | None:
        """The user to whom the id of a line belongs."""
        if not (isinstance(given, str) and given):
            return None
        known = {"conversation": self.conversations, "turn": self.turns}.get(kind, self.characters)
        return known.get(given) or (None if self.key is None else known.get(id_of(kind, given, self.key)))

    @cached_property
    def _spellings(self) -> dict[bytes, str]:
        """The ids as bytes, plain and JSON-escaped, to search unreadable lines for."""
        return {
            text.encode(errors="surrogatepass"): who
            for user, who in self.users.items()
            for text in (user, json.dumps(user)[1:-1], json.dumps(user, ensure_ascii=False)[1:-1])
        }

    def may_own(self, line: bytes) -> bool:
        """Whether the line must be parsed: False, quickly, where the lake knows nothing of the users nor the line."""
        if self.conversations or self.turns or self.characters:
            return True
        # An escape can spell an id in yet another way.
        return b"\\u" in line or b"\\/" in line or any(spelling in line for spelling in self._spellings)

    def mentioned(self, content: bytes) -> str | None:
        """The user named in the bytes of an unreadable line, or whose conversation or turn is, if any."""
        if who := next((who for spelling, who in self._spellings.items() if spelling in content), None):
            return who
        if not (self.conversations or self.turns):
            return None
        # They are many, and where the lake knows them by a hash, no spelling is known: looked up word by word.
        texts = dict.fromkeys(_possible_ids(content))
        return next((who for text in texts if (who := self._owner_by_talk(text))), None)

    @property
    def longest(self) -> int:
        """Bytes of the longest spelling."""
        tokens = _LONGEST_ID_BYTES if self.conversations or self.turns else 1
        return max([tokens, *map(len, self._spellings)])


def erase_lines(
    file: LandingFile, theirs: Theirs, max_line_bytes: int, dry_run: bool = False
) -> Counter[str]:
    """Replace the users' lines of a file by tombstones, all or none. Returns the count by user.

    A line that is unreadable or too long belongs to a user if it contains one of the user's ids.

    Raises:
        LandingFileBroken: the file is damaged, so the owners of its lines are unknown. It was not changed.
    """
    try:
        if file.name.endswith(".parquet"):
            return _erase_rows(file, theirs, dry_run)
        owners = _owners_by_line(file, theirs, max_line_bytes)
        if owners and not dry_run:
            _replace(file, lambda out: _copy_lines(file, out, owners))
    except NotText as kind:
        if not file.name.endswith(KNOWN_SUFFIXES):
            return Counter()  # landing reads nothing of it, and `leftovers` lists it if it names a user
        raise not_text(file, str(kind)) from None
    except (EOFError, OSError, zlib.error, pa.ArrowException) as error:
        raise broken(file, f"is truncated or damaged ({type(error).__name__})") from None
    return Counter(owners.values())


def _possible_ids(content: bytes) -> Iterator[str]:
    """The words of an unreadable line, what stands around a `=` in them, and what stands between two quotes."""
    for word in _WORD.findall(content):
        text = word.decode(errors="surrogateescape")
        yield text
        if "=" in text:
            yield text.partition("=")[2]
            yield from text.split("=")
    yield from _between_quotes(content)


def _between_quotes(content: bytes) -> Iterator[str]:
    """What stands between two quotes: as it is and unescaped, also in JSON within a string."""
    for piece in _BETWEEN_QUOTES.findall(content):
        text = piece.decode(errors="surrogateescape")
        if len(piece) <= _LONGEST_ID_BYTES:
            yield text
        if "\\" in text:
            try:
                text = json.loads(f'"{text}"', strict=False)
            except ValueError:
                continue
            if len(text) <= _LONGEST_ID_BYTES:
                yield text
            if '"' in text:  # it ends: each level has fewer backslashes
                yield from _between_quotes(text.encode(errors="surrogatepass"))


def _lookup(known: Mapping[str, str], value: object) -> str | None:
    return known.get(value) if isinstance(value, str) else None


def _owners_by_line(file: LandingFile, theirs: Theirs, max_line_bytes: int) -> dict[int, str]:
    """The users' lines: line number to user."""
    owners: dict[int, str] = {}
    for number, pieces in _pieces_by_line(file, max_line_bytes + 2):
        line, rest = _begin(pieces, max_line_bytes)
        if rest is None:
            record, _ = refusal_of(line) if theirs.may_own(line) else ({}, None)
            who = theirs.mentioned(line) if record is None else theirs.owner(record)
        else:
            who, window = theirs.mentioned(line), line
            while rest is not None:
                window = window[-theirs.longest :] + rest
                who, rest = who or theirs.mentioned(window), next(pieces, None)
        if who:
            owners[number] = who
    return owners


def _begin(pieces: Iterator[bytes], most: int) -> tuple[bytes, bytes | None]:
    """The first bytes of a line, and the piece with which it gets too long; None if it does not."""
    line = next(pieces, b"")
    for piece in pieces:
        if len(line) + len(piece) > most:
            return line, piece
        line += piece
    return line, None


def _pieces_by_line(file: LandingFile, piece_bytes: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Each line by its number, as an iterator of pieces, in bounded memory."""
    with _opened(file) as stream:
        for number, pieces in groupby(cut(stream, piece_bytes), key=itemgetter(0)):
            yield number, (piece for _, piece, is_line in pieces if is_line)


def _copy_lines(file: LandingFile, out: BinaryIO, owners: Mapping[int, str]) -> None:
    replaced = 0
    with _opened(file) as stream:
        for number, piece, is_line in cut(stream, _BUFFER_BYTES):
            if not is_line or number not in owners:
                out.write(piece)
            elif number != replaced:
                out.write(_TOMBSTONE)
                replaced = number


@contextmanager
def _opened(file: LandingFile) -> Iterator[io.BufferedReader]:
    with file.folder.open(file.name) as source, opened(source, file.name, file.size, None) as stream:
        yield stream


def _erase_rows(file: LandingFile, theirs: Theirs, dry_run: bool) -> Counter[str]:
    with file.folder.open(file.name) as source:
        if has_too_many_rows(pq.read_metadata(source), file.size):
            return Counter()  # landing reads nothing of it, and `leftovers` lists it
        table = pq.ParquetFile(source).read()  # also where two columns have one name
    # Read as landing does: a string that is not UTF-8 stays bytes and does not spoil the other rows.
    owners = [
        _owner_in(table, place, theirs) if row.content is None else theirs.owner(_decoded(row.content))
        for place, row in enumerate(iter_rows(file, _ANY_SIZE))
    ]
    counted = Counter(who for who in owners if who)
    if counted and not dry_run:
        keep = pa.array([None if who else row for row, who in enumerate(owners)], pa.int64())
        erased = pa.array([who is not None for who in owners])
        columns = [column.take(keep) for column in table.columns]
        schema = table.schema
        if (place := schema.get_field_index("event_type")) >= 0:
            columns[place] = pc.if_else(erased, ERASED, columns[place].cast(pa.string()))
            schema = schema.set(place, pa.field("event_type", pa.string()))
        schema = pa.schema([field.with_nullable(True) for field in schema])
        _replace(file, lambda out: pq.write_table(pa.Table.from_arrays(columns, schema=schema), out))
    return counted


def _owner_in(table: pa.Table, row: int, theirs: Theirs) -> str | None:
    """The user named anywhere in a row whose columns cannot be told apart."""
    for batch in table.slice(row, 1).to_batches():
        for place in range(batch.num_columns):
            with suppress(ValueError):  # one bad value does not hide the others
                if who := theirs.mentioned(as_json(batch.select([place]))):
                    return who
    return None


def as_json(batch: pa.RecordBatch) -> bytes:
    """The values of all columns, also nested ones, in a form that `Theirs.mentioned` can split into ids.

    Raises:
        ValueError: a value cannot be read, so it may hold an id.
    """
    columns = [python_values(column) for column in batch.columns]
    return json.dumps(columns, default=_text, ensure_ascii=False).encode(errors="replace")


def _text(value: object) -> str:
    if value is UNDECODABLE or value is UNREADABLE:
        raise ValueError("a value cannot be read")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _decoded(content: object) -> dict[str, Any]:
    """The columns as text. Any of them can name a user, in a row that is nobody's."""
    columns = cast(Mapping[str, Any], content)
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in columns.items()
        if value is not None
    }


def _replace(file: LandingFile, write: Callable[[BinaryIO], None]) -> None:
    """Write a new file, then replace the old one by it."""
    with file.folder.replacing(file.name) as out:
        if file.name.endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed:
                write(cast(BinaryIO, packed))
        else:
            write(out)
