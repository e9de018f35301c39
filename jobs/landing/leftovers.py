"""Finds what erased users left in a landing zone where landing does not read: listed for a person, never changed.

Files that are being written, hidden, nested or misnamed belong to whoever delivers them, so that nothing is rewritten
under a writer's hands. A file that cannot be searched is listed too.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.storage import Folder
from jobs.landing.erase import Theirs
from jobs.landing.zone import KNOWN_SUFFIXES, landing_days, landing_files

_PIECE: Final = 1 << 20
_OVERLAP: Final = 1 << 12
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_DELETE: Final = "delete it, or have its writer finish it and erase again"


def leftovers(root: Folder, zones: Collection[str], theirs: Theirs, max_expansion: int) -> Iterator[str]:
    """One line for each file with the users' ids, or that cannot be searched: where it is, why, and what to do.

    Args:
        zones: names of folders of other zones in this one.
        max_expansion: how many times its size a compressed file is read.
    """
    landed = {file.name for day in landing_days(root) for file in landing_files(root, day)}
    for name in root.walk():
        if name.partition("/")[0] in zones:
            continue
        if name in landed:
            yield from _other_names(root, name)
            if name.endswith(KNOWN_SUFFIXES):
                continue
        try:
            with root.open(name) as source:
                why = _searched(source, theirs, max_expansion)
        except OSError as error:
            why = f"it cannot be opened ({type(error).__name__})"
        if why:
            yield f"{_shown(root, name, theirs)}: landing does not read it, and {why}: {_DELETE}"


def _other_names(root: Folder, name: str) -> Iterator[str]:
    """A landed file that has another name outside: a copy of the old content stays there."""
    if root.path is None:
        return
    path = root.path / name
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        yield f"{target}: the landed {name} was a link to it: delete their lines there, or the file"
    elif path.stat().st_nlink > 1:
        yield f"{name}: the file has a second name (a hard link) elsewhere: find it by its inode and delete it"


def _shown(root: Folder, name: str, theirs: Theirs) -> str:
    """The path, without an id in it: what is listed is kept."""
    for user in sorted(theirs.users, key=len, reverse=True):
        name = name.replace(user, "<id>")
    return f"{root.uri}/{name}"


def _searched(source: BinaryIO, theirs: Theirs, max_expansion: int) -> str | None:
    """Why the file must be looked at, None if it holds no id."""
    head = source.read(4)
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if head.startswith(_GZIP):
        return _in_pieces(_unzipped(source, max(size, _PIECE) * max_expansion), theirs)
    if head == _PARQUET:
        try:
            table = pq.ParquetFile(source).read()
        except (OSError, pa.ArrowException):
            return "it is damaged, so that it cannot be searched"
        text = "\n".join(str(row) for column in table.columns for row in column)
        return _in_pieces(iter([text.encode(errors="replace")]), theirs)
    return _in_pieces(iter(lambda: source.read(_PIECE), b""), theirs)


def _in_pieces(pieces: Iterator[bytes], theirs: Theirs) -> str | None:
    before = b""
    try:
        for piece in pieces:
            window = before + piece
            if theirs.mentioned(window):
                return "it holds an id of an erased user"
            if b"\0" in piece:
                return "it is of a kind that cannot be searched"
            before = window[-_OVERLAP:]
    except (EOFError, zlib.error):
        return "it is damaged or expands too far, so that it cannot be searched"
    return None


def _unzipped(source: BinaryIO, most: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    while piece := source.read(_PIECE):
        while piece:
            out = inflate.decompress(piece, _PIECE)
            most -= len(out)
            if most < 0:
                raise EOFError
            yield out
            piece = inflate.unconsumed_tail or (b"" if not inflate.eof else inflate.unused_data)
            if inflate.eof and piece:
                inflate = zlib.decompressobj(wbits=31)
