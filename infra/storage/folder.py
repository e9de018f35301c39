"""A folder of the lake, on the local disk or in an object store: every file of the lake is opened through one.

Local places go straight to the operating system, because fsspec's local file system neither flushes to the disk nor
keeps times to the nanosecond. All others go through fsspec.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from infra.errors import SettingsError
from infra.storage.local import Draft, create_file, write_file

Options = tuple[tuple[str, str], ...]
"""Names and values as delta-rs has them (`aws_endpoint_url`), sorted; never a secret."""

_BUFFER_BYTES: Final = 1 << 20
_MARK: Final = "://"
_FILE: Final = "file"
_CREATES_EXCLUSIVELY: Final = frozenset({"memory", "s3"})
"""Schemes whose fsspec file system refuses to create what exists; others would overwrite in silence."""

_FSSPEC_NAMES: Final = {"aws_endpoint_url": "endpoint_url"}


def is_uri(place: str) -> bool:
    """Whether the place is a URI and not a path."""
    return _MARK in place


def local_path(place: str) -> Path | None:
    """The path of a place on the local disk (a path or a `file://` URI), None for any other.

    Raises:
        SettingsError: a `file://` URI that is not absolute.
    """
    if not is_uri(place):
        return Path(place)
    scheme, _, path = place.partition(_MARK)
    if scheme != _FILE:
        return None
    if not path.startswith("/"):
        raise SettingsError(f"{place} names a host", setting="lake", hint="Write file:///absolute/path.")
    return Path(path)


def uri_of(place: str) -> str:
    """The place as a URI."""
    return place if is_uri(place) else f"{_FILE}{_MARK}{place}"


@dataclass(frozen=True)
class Entry:
    """A file or folder of a listing.

    Attributes:
        name: relative to the folder that was listed, with forward slashes.
        size: bytes of a file, 0 of a folder.
        modified_ns: nanoseconds since 1970, 0 where the store keeps none.
    """

    name: str
    is_folder: bool
    size: int
    modified_ns: int


class Upload:
    """A file of an object store while it is written: it is kept in an unnamed local file until it is published.

    A put to an object store is atomic: the file is there whole, or as it was before.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self.out: BinaryIO = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115

    def content(self) -> bytes:
        """All that was written so far."""
        self.out.seek(0)
        content = self.out.read()
        self.out.seek(0, os.SEEK_END)
        return content

    def publish(self) -> None:
        """Put the file into the store."""
        try:
            self.out.flush()
            self.out.seek(0)
            system, place = self._folder._remote(self._name)
            # The file has no name of its own: only this process could open it.
            system.put_file(f"/dev/fd/{self.out.fileno()}", place)
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget what was written."""
        self.out.close()


@dataclass(frozen=True)
class Folder:
    """A folder by path or URI. `name` below is a path relative to it with forward slashes, empty for the folder itself.

    A local folder can be given to `pathlib.Path`; any other refuses, so that a URI never becomes a path.
    """

    uri: str
    options: Options = ()

    def __str__(self) -> str:
        return self.uri

    def __fspath__(self) -> str:
        return str(self.on_disk("this works on a local folder only"))

    @property
    def path(self) -> Path | None:
        """Where it lies on the local disk, None in an object store."""
        return local_path(self.uri)

    def on_disk(self, why: str) -> Path:
        """Where it lies on the local disk.

        Raises:
            SettingsError: it does not; `why` says what needs it.
        """
        path = self.path
        if path is None:
            raise SettingsError(
                why,
                setting="lake.root",
                hint=f"{self.uri} is not a local folder: use one, and copy it to the store.",
            )
        return path

    def at(self, name: str) -> Folder:
        """A folder in this one."""
        return Folder(f"{self.uri.rstrip('/')}/{name}", self.options) if name else self

    def entries(self, name: str = "") -> list[Entry]:
        """Files and folders directly in a folder, by name; none when it does not exist."""
        path = self.path
        if path is not None:
            try:
                with os.scandir(path / name) as entries:
                    return sorted(filter(None, map(_local_entry, entries)), key=lambda entry: entry.name)
            except FileNotFoundError:
                return []
        system, place = self._remote(name)
        try:
            listed = system.ls(place, detail=True)
        except FileNotFoundError:
            return []
        return sorted(_remote_entries(listed, place), key=lambda entry: entry.name)

    def walk(self, name: str = "") -> Iterator[str]:
        """Names of all files under a folder, at any depth."""
        for entry in self.entries(name):
            full = f"{name}/{entry.name}" if name else entry.name
            if entry.is_folder:
                yield from self.walk(full)
            else:
                yield full

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """Size in bytes of each file, None where there is none. A store is asked once a folder, not once a file."""
        path = self.path
        if path is not None:
            return [_size(path / name) for name in names]
        folders = {name.rpartition("/")[0] for name in names}
        listed = {
            f"{folder}/{entry.name}" if folder else entry.name: entry.size
            for folder in folders
            for entry in self.entries(folder)
            if not entry.is_folder
        }
        return [listed.get(name) for name in names]

    def open(self, name: str) -> BinaryIO:
        """A file's bytes as a stream that can seek.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = self.path
        if path is not None:
            return (path / name).open("rb", _BUFFER_BYTES)
        system, place = self._remote(name)
        return cast(BinaryIO, system.open(place, "rb"))

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = self.path
        if path is not None:
            return (path / name).read_bytes()
        system, place = self._remote(name)
        return bytes(system.cat_file(place))

    def read_if_there(self, name: str) -> bytes | None:
        """A file's bytes, None where there is none."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def draft(self, name: str) -> Draft | Upload:
        """A file to write, which appears at `publish`, whole; its folder is made."""
        path = self.path
        return Upload(self, name) if path is None else Draft(path / name)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A stream whose bytes become the file when the block ends without an error, and never otherwise."""
        draft = self.draft(name)
        try:
            yield draft.out
        except BaseException:
            draft.discard()
            raise
        draft.publish()

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Replace a file whole, or leave it as it was.

        Args:
            durable: False does not wait for a local disk: after a power cut the file may be empty or not there.
        """
        path = self.path
        if path is not None:
            write_file(path / name, content, durable=durable)
            return
        system, place = self._remote(name)
        system.pipe_file(place, content)

    def create(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Make a file whole, if there is none of that name. Of several at once, one succeeds.

        Args:
            durable: as of `write`.

        Raises:
            FileExistsError: there is one.
            SettingsError: the store is not known to create exclusively.
        """
        path = self.path
        if path is not None:
            create_file(path / name, content, durable=durable)
            return
        scheme = self.uri.partition(_MARK)[0]
        if scheme not in _CREATES_EXCLUSIVELY:
            raise SettingsError(
                f"{scheme}:// cannot create a file exclusively, so locks would not work",
                setting="lake.root",
                hint=f"Use a local folder or one of {', '.join(sorted(_CREATES_EXCLUSIVELY))}.",
            )
        system, place = self._remote(name)
        system.pipe_file(place, content, mode="create")

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        path = self.path
        if path is not None:
            (path / name).unlink(missing_ok=True)
            return
        system, place = self._remote(name)
        try:
            system.rm_file(place)
        except FileNotFoundError:
            return

    def delete_folder(self, name: str) -> None:
        """Delete a folder with all that is in it; one that is not there is no error."""
        path = self.path
        if path is not None:
            if (path / name).is_dir():
                shutil.rmtree(path / name)
            return
        system, place = self._remote(name)
        if self.entries(name):
            system.rm(place, recursive=True)

    def arrow(self) -> tuple[Any, str]:
        """A `pyarrow.fs.FileSystem`, and what to put before a name relative to this folder."""
        import pyarrow.fs as pafs

        path = self.path
        if path is not None:
            return pafs.LocalFileSystem(), f"{path}/"
        system, place = self._remote("")
        return pafs.PyFileSystem(pafs.FSSpecHandler(system)), f"{place}/"

    def _remote(self, name: str) -> tuple[Any, str]:
        """fsspec's file system and the place in it. Listings are never cached: other processes write too."""
        from fsspec.core import url_to_fs

        options = _fsspec_options(self.uri, self.options)
        try:
            system, root = url_to_fs(self.uri, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise SettingsError(
                f"{self.uri} cannot be opened: {error}", setting="lake.root",
                hint="Use a local folder, or install the file system that the message names.",
            ) from None  # fmt: skip
        root = str(root).rstrip("/")
        return system, f"{root}/{name}" if name else root


def folder(place: str | Path | Folder) -> Folder:
    """The folder of a path or URI, without options; a folder as it is."""
    return place if isinstance(place, Folder) else Folder(str(place).rstrip("/") or "/")


def options_of(settings: Mapping[str, str]) -> Options:
    """Options as they can be hashed and sent to other processes."""
    return tuple(sorted(settings.items()))


def _fsspec_options(uri: str, options: Options) -> dict[str, Any]:
    """The options under the names of fsspec's S3 file system; credentials come from the environment."""
    if not uri.startswith("s3://"):
        return {}
    translated: dict[str, Any] = {_FSSPEC_NAMES[key]: value for key, value in options if key in _FSSPEC_NAMES}
    region = dict(options).get("aws_region")
    return translated | ({"client_kwargs": {"region_name": region}} if region else {})


def _local_entry(entry: os.DirEntry[str]) -> Entry | None:
    try:
        state = entry.stat()
    except FileNotFoundError:  # removed since it was listed, or a link to nothing
        return None
    is_folder = entry.is_dir()
    return Entry(entry.name, is_folder, 0 if is_folder else state.st_size, state.st_mtime_ns)


def _remote_entries(listed: Sequence[Mapping[str, Any]], place: str) -> Iterator[Entry]:
    for info in listed:
        name = str(info["name"]).rstrip("/").removeprefix(f"{place}/")
        if not name or "/" in name:  # the folder itself, as stores with folder markers list it
            continue
        is_folder = info["type"] == "directory"
        yield Entry(name, is_folder, 0 if is_folder else int(info["size"] or 0), _modified_ns(info))


def _modified_ns(info: Mapping[str, Any]) -> int:
    for key in ("LastModified", "last_modified", "mtime", "created"):
        moment = info.get(key)
        if moment is not None:
            seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
            return round(seconds * 1_000_000_000)
    return 0


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
