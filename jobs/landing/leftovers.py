"""Finds what erased users left in a landing zone where landing does not read: listed for a person, never changed.

Files that are being written, hidden, nested or misnamed belong to whoever delivers them, so that nothing is rewritten
under a writer's hands. A file that cannot be searched is listed too.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.storage import Folder
from jobs.landing.erase import Theirs, as_json
from jobs.landing.zone import KNOWN_SUFFIXES, LandingFile, has_too_many_rows, landing_days, landing_files

_PIECE: Final = 1 << 20
_OVERLAP: Final = 1 << 12
_ROWS: Final = 512
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_DELETE: Final = "delete it, or have its writer finish it and erase again"


def leftovers(root: Folder, zones: Collection[str], theirs: Theirs, max_expansion: int) -> Iterator[str]:
    """One line for each file with the users' ids, or that cannot be searched: where it is, why, and what to do.

    Args:
        zones: names of folders of other zones in this one.
        max_expansion: how many times its size a compressed file is read.
    """
    landed = {file.name: file for day in landing_days(root) for file in landing_files(root, day)}
    for name in _walk(root, zones):
        file = landed.get(name)
        if file is not None:
            yield from _other_names(root, name, theirs)
        if file is not None and name.endswith(KNOWN_SUFFIXES) and not _is_refused(file):
            continue
        if why := _looked_at(root, name, theirs, max_expansion):
            yield f"{_shown(root, name, theirs)}: landing does not read it, and {why}: {_DELETE}"


def _walk(root: Folder, zones: Collection[str], name: str = "") -> Iterator[str]:
    """All files, but what links to folders lead to: a link may lead back."""
    for entry in root.entries(name):
        full = f"{name}/{entry.name}" if name else entry.name
        if not entry.is_folder or (root.path is not None and (root.path / full).is_symlink()):
            yield full
        elif full not in zones:
            yield from _walk(root, zones, full)


def _is_refused(file: LandingFile) -> bool:
    """Whether landing refuses the file as a whole."""
    if not file.name.endswith(".parquet"):
        return False
    try:
        with file.folder.open(file.name) as source:
            return has_too_many_rows(pq.read_metadata(source), file.size)
    except (OSError, pa.ArrowException):
        return False  # damaged: erasing its lines says so


def _looked_at(root: Folder, name: str, theirs: Theirs, max_expansion: int) -> str | None:
    """Why a person must look at the file, None if it holds no id."""
    path = None if root.path is None else root.path / name
    if path is not None and not path.is_file():
        # Of a pipe, reading would not end.
        return "it is a link to a folder, which is not searched" if path.is_dir() else "it is no file"
    try:
        with root.open(name) as source:
            return _searched(source, theirs, max_expansion)
    except OSError as error:
        return f"it cannot be opened ({type(error).__name__})"


def _other_names(root: Folder, name: str, theirs: Theirs) -> Iterator[str]:
    """A landed file that has another name outside: a copy of the old content stays there."""
    if root.path is None:
        return
    path = root.path / name
    if path.is_symlink():
        target, name = _masked(os.path.realpath(path), theirs), _masked(name, theirs)
        yield f"{target}: the landed {name} was a link to it: delete their lines there, or the file"
    elif path.stat().st_nlink > 1:
        yield (
            f"{_masked(name, theirs)}: the file has a second name (a hard link) elsewhere: find it by its inode and "
            "delete it"
        )


def _shown(root: Folder, name: str, theirs: Theirs) -> str:
    return f"{root.uri}/{_masked(name, theirs)}"


def _masked(path: str, theirs: Theirs) -> str:
    """The path, without an id in it: what is listed is kept."""
    for user in sorted(theirs.users, key=len, reverse=True):
        path = path.replace(user, "<id>")
    return path


def _searched(source: BinaryIO, theirs: Theirs, max_expansion: int) -> str | None:
    """Why the file must be looked at, None if it holds no id."""
    head = source.read(4)
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if head.startswith(_GZIP):
        return _in_pieces(_unzipped(source, max(size, _PIECE) * max_expansion), theirs)
    if head == _PARQUET:
        return _in_pieces(_rows(source, max(size, _PIECE) * max_expansion), theirs)
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
    except (EOFError, OSError, zlib.error, pa.ArrowException, ValueError, OverflowError):
        return "it is damaged or expands too far, so that it cannot be searched"
    return None


def _rows(source: BinaryIO, most: int) -> Iterator[bytes]:
    for batch in pq.ParquetFile(source).iter_batches(batch_size=_ROWS):
        text = as_json(batch)
        most -= len(text)
        if most < 0:
            raise EOFError
        yield text


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
