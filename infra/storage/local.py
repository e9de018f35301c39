"""Local files and folders that appear whole: written under another name, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

_SETTLED_SECONDS: Final = 5
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EACCES})
_TAKEN: Final = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


class Draft:
    """A local file while it is written: `publish` gives it its name, `discard` removes it.

    The draft lies beside the file and is locked while its writer lives. What a killed writer left is removed by the
    next writer of the same file.

    Args:
        path: the file's final place; its folder is made.
        mode: permissions; None keeps those of the file that is replaced, or follows the umask.
    """

    def __init__(self, path: Path, mode: int | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        self._path = path
        self._draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
        if mode is None:
            with suppress(FileNotFoundError):
                mode = stat.S_IMODE(path.stat().st_mode)
        # Never more than it is to have, not even before its mode is set: who opens a file early may read it later.
        descriptor = os.open(self._draft, flags, 0o666 if mode is None else mode)
        self.out: BinaryIO = cast(BinaryIO, os.fdopen(descriptor, "w+b"))
        with suppress(OSError):  # a file system without locks: then drafts of dead writers stay
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if mode is not None:
            os.fchmod(descriptor, mode)

    def content(self) -> bytes:
        """All that was written so far."""
        self.out.seek(0)
        content = self.out.read()
        self.out.seek(0, os.SEEK_END)
        return content

    def publish(self, *, exclusive: bool = False, durable: bool = True) -> None:
        """Flush the file to the disk and give it its name.

        Args:
            exclusive: refuse to replace a file.
            durable: False does not wait for the disk: after a power cut the file may be empty or not there.

        Raises:
            FileExistsError: `exclusive`, and the name is taken.
            OSError: the disk is full or failed; the name is as it was.
        """
        try:
            self.out.flush()
            if durable:
                os.fsync(self.out.fileno())
            if exclusive:
                _link(self._draft, self._path)
            else:
                self._draft.replace(self._path)
        except BaseException:
            self.discard()
            raise
        self.discard()
        if durable:
            _flush_folder(self._path.parent)

    def discard(self) -> None:
        """Remove the draft."""
        # First the name, then the lock.
        self._draft.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk is reported by the write that met it
            self.out.close()


@contextmanager
def replacing(path: Path, *, mode: int | None = None, durable: bool = True) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file when the block ends without an error, and never otherwise."""
    draft = Draft(path, mode)
    try:
        yield draft.out
    except BaseException:
        draft.discard()
        raise
    draft.publish(durable=durable)


def write_file(path: Path, content: bytes | str, *, mode: int | None = None, durable: bool = True) -> None:
    """Replace a file whole, or leave it as it was; text is written in UTF-8."""
    with replacing(path, mode=mode, durable=durable) as out:
        out.write(content.encode() if isinstance(content, str) else content)


def create_file(path: Path, content: bytes | str, *, mode: int | None = None, durable: bool = True) -> None:
    """Make a file whole, if there is none of that name. Of several at once, one succeeds.

    Raises:
        FileExistsError: there is one.
    """
    draft = Draft(path, mode)
    try:
        draft.out.write(content.encode() if isinstance(content, str) else content)
    except BaseException:
        draft.discard()
        raise
    draft.publish(exclusive=True, durable=durable)


def publish(draft: Path, to: Path) -> None:
    """Give a finished file or folder its name: a file replaces another, a folder an empty folder only.

    Raises:
        OSError: the name of a folder is taken.
    """
    for path in draft.rglob("*") if draft.is_dir() else [draft]:
        if path.is_file() and not path.is_symlink():
            _flush(path)
    draft.replace(to)
    _flush_folder(to.parent)


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A private folder to fill, which takes the name `path` when the block ends without an error.

    If another process made the folder meanwhile, theirs stays and this one is removed.

    Args:
        replace: remove an older folder of that name first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    draft.mkdir(mode=0o700)
    try:
        yield draft
        if replace:
            shutil.rmtree(path, ignore_errors=True)
        try:
            publish(draft, path)
        except OSError as error:
            if error.errno not in _TAKEN or not path.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def locked(path: Path) -> IO[str] | None:
    """The file, locked until it is closed or its process ends; None when another holds it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _sweep(path: Path) -> None:
    """Remove drafts of the file whose writer is dead: nobody holds their lock."""
    prefix = f".{path.name}."
    with os.scandir(path.parent) as entries:
        drafts = [Path(e.path) for e in entries if e.name.startswith(prefix) and e.name.endswith(".tmp")]
    for draft in drafts:
        with suppress(OSError):
            # A young draft may not be locked yet.
            if time.time() - draft.stat().st_mtime > _SETTLED_SECONDS and (lock := locked(draft)) is not None:
                draft.unlink()
                lock.close()


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links: exclusive all the same, but a reader may see it half written.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, stat.S_IMODE(draft.stat().st_mode))
        with os.fdopen(descriptor, "wb") as out:
            out.write(draft.read_bytes())
            out.flush()
            os.fsync(out.fileno())


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    """Make names in the folder last; some file systems cannot, and need not."""
    with suppress(OSError):
        _flush(path)
