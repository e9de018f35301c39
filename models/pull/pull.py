"""Write the rows of a snapshot to files that need no lake: Parquet, JSON lines or a saved `datasets` folder.

The files are written to a temporary folder, which is renamed when it is complete. The same pull again writes the same
bytes. A folder that holds another pull, or files that changed, is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from infra.errors import DiskFull, InputDamaged, PullRefused, is_disk_full
from models.pull.card import Tally, card, readme
from models.pull.formats import WRITERS, loading
from models.tables.opened import Opened
from models.tables.scratch import Scratch

Kind = Literal["parquet", "jsonl", "hf"]
CARD: Final = "card.json"
README: Final = "README.md"
_IDENTITY_FIELDS: Final = ("table", "version", "where", "split", "files_hash", "kind", "identity", "licence")


@dataclass(frozen=True)
class Pulled:
    """A folder of pulled rows.

    Attributes:
        unchanged: True if the folder held the same complete pull already.
        files: number of data files, without the card.
        size: bytes of the data files.
    """

    folder: Path
    rows: int
    files: int
    size: int
    unchanged: bool


def pull(
    opened: Opened,
    kind: Kind,
    folder: Path,
    licence: str,
    progress: Callable[[int], None] = lambda rows: None,
) -> Pulled:
    """Write the rows and their card to `folder`, unless it holds the same pull already.

    Args:
        licence: statement for the card.
        progress: called with the number of rows written so far.

    Raises:
        PullRefused: the folder holds something else, or its files do not match its card; nothing was changed.
        DiskFull: the disk filled up; nothing was left behind.
        SnapshotRefused: a column of a type that the format does not know.
        InputDamaged: a file of the table cannot be read.
    """
    expected = _expected_card(opened, kind, licence)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _existing(folder, expected)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Scratch(folder.parent, f".{folder.name}.partial-", private=expected["root"] == "restricted")
        try:
            written = _write(opened, kind, scratch.path, expected, progress)
            scratch.move(folder)
        finally:
            scratch.remove()
    except OSError as error:
        raise _write_error(folder, error) from None
    return _pulled(folder, written, unchanged=False)


def _expected_card(opened: Opened, kind: Kind, licence: str) -> dict[str, Any]:
    """The part of the card that is known before the rows are read; two pulls are the same if it is equal."""
    without_rows = card(opened.snapshot, opened.schema, Tally(), licence)
    return {**without_rows, "kind": kind, "identity": opened.identity}


def _write(
    opened: Opened, kind: Kind, folder: Path, expected: dict[str, Any], progress: Callable[[int], None]
) -> dict[str, Any]:
    tally = Tally()

    def counted_batches() -> Iterator[pa.RecordBatch]:
        for batch in opened.batches():
            tally.add(batch)
            yield batch
            progress(tally.rows)

    notes = WRITERS[kind](opened, counted_batches(), folder)
    if tally.rows != opened.snapshot.rows:
        raise InputDamaged(
            f"{tally.rows} rows were read, but {opened.snapshot.rows} were expected",
            table=opened.snapshot.table,
            hint="The table's files changed during the pull. Pull again.",
        )
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
    contents = {
        **card(opened.snapshot, opened.schema, tally, expected["licence"]),
        "kind": kind,
        "identity": opened.identity,
        "notes": notes if tally.rows else [*notes, "No row was selected: the files are empty."],
        "files": files,
    }
    code, data_files = loading(kind, opened.snapshot.split)
    _write_text(folder / README, readme(contents, code, data_files))
    _write_text(folder / CARD, json.dumps(contents, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return contents


def _existing(folder: Path, expected: dict[str, Any]) -> Pulled:
    """The pull that the folder holds already. Raises PullRefused if it holds another, or is incomplete."""
    try:
        existing = json.loads((folder / CARD).read_text(encoding="utf-8"))
        differing = [name for name in _IDENTITY_FIELDS if existing[name] != expected[name]]
        files = {name: (file["bytes"], file["sha256"]) for name, file in existing["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PullRefused(
            f"{folder} is not empty and was not created by a pull",
            hint="Give another --out; nothing in it was changed.",
        ) from None
    if differing:
        existing_version = f"{existing['table']}@{existing['version']}"
        raise PullRefused(
            f"{folder} holds another pull ({existing_version}); it differs in {', '.join(differing)}",
            table=expected["table"],
            hint=f"Give another --out, or name the version: {existing_version}.",
        )
    on_disk = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (CARD, README)
    }
    changed = [name for name in files.keys() & on_disk if not _matches(folder / name, *files[name])]
    if changed or files.keys() - on_disk:
        raise PullRefused(
            f"{folder} does not match its card: {len(changed)} files changed, {len(files.keys() - on_disk)} missing",
            table=expected["table"],
            hint="Delete the folder and pull again.",
        )
    return _pulled(folder, existing, unchanged=True)


def _pulled(folder: Path, contents: dict[str, Any], unchanged: bool) -> Pulled:
    size = sum(file["bytes"] for file in contents["files"].values())
    return Pulled(folder, contents["rows"], len(contents["files"]), size, unchanged)


def _matches(path: Path, size: int, digest: str) -> bool:
    return path.stat().st_size == size and _hash(path) == digest


def _hash(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_error(folder: Path, error: OSError) -> DiskFull | PullRefused:
    if is_disk_full(error):
        return DiskFull(
            "the disk filled up while pulling",
            hint="Nothing was left behind. Give an --out with more disk space.",
        )
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return PullRefused(
            f"another process created {folder} meanwhile", hint="Check what it holds, and pull again."
        )
    return PullRefused(
        f"{folder} cannot be written: {error.strerror}", hint="Give an --out that you can write to."
    )
