"""Rows of a snapshot as files that need no lake: Parquet, JSON lines or a saved `datasets` folder, with their card.

A folder is written aside and renamed when it is whole, so what stands under its name is complete. The same pull again
gives the same bytes; any other is refused, and so is one whose files changed.
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

from infra.errors import DiskFull, InputDamaged, PullRefused
from models.pull.card import Tally, card, readme
from models.pull.formats import WRITERS, loading
from models.tables.opened import Opened
from models.tables.scratch import Scratch

Kind = Literal["parquet", "jsonl", "hf"]
CARD: Final = "card.json"
README: Final = "README.md"
_SAME: Final = ("table", "version", "where", "split", "files_hash", "kind", "identity", "licence")


@dataclass(frozen=True)
class Pulled:
    """A folder of pulled rows.

    Attributes:
        unchanged: it was there already, whole and the same.
        files: of data, without the card.
        size: their bytes.
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
    """Write the rows to `folder` with their card, or find that they are there already.

    Args:
        licence: statement for the card.
        progress: told how many rows are written so far.

    Raises:
        PullRefused: the folder holds something else, or files that are not as its card says; nothing was changed.
        DiskFull: the disk filled up; nothing was left behind.
        SnapshotRefused: a column of a type that the format does not know.
        InputDamaged: a file of the table cannot be read.
    """
    asked = _asked(opened, kind, licence)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _found(folder, asked)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Scratch(folder.parent, f".{folder.name}.partial-", private=asked["root"] == "restricted")
        try:
            made = _write(opened, kind, scratch.path, asked, progress)
            scratch.move(folder)
        finally:
            scratch.remove()
    except OSError as error:
        raise _unwritable(folder, error) from None
    return _pulled(folder, made, unchanged=False)


def _asked(opened: Opened, kind: Kind, licence: str) -> dict[str, Any]:
    """What makes two pulls the same, as far as it is known before reading."""
    made = card(opened.snapshot, opened.schema, Tally(), licence)
    return {**made, "kind": kind, "identity": opened.identity}


def _write(
    opened: Opened, kind: Kind, folder: Path, asked: dict[str, Any], progress: Callable[[int], None]
) -> dict[str, Any]:
    tally = Tally()

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in opened.batches():
            tally.add(batch)
            yield batch
            progress(tally.rows)

    notes = WRITERS[kind](opened, counted(), folder)
    if tally.rows != opened.snapshot.rows:
        raise InputDamaged(
            f"{tally.rows} rows were read where {opened.snapshot.rows} had been counted",
            table=opened.snapshot.table,
            hint="Its files changed while they were read: pull again.",
        )
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
    made = {
        **card(opened.snapshot, opened.schema, tally, asked["licence"]),
        "kind": kind,
        "identity": opened.identity,
        "notes": notes if tally.rows else [*notes, "No row was selected: the files are empty."],
        "files": files,
    }
    code, data_files = loading(kind, opened.snapshot.split)
    _text(folder / README, readme(made, code, data_files))
    _text(folder / CARD, json.dumps(made, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return made


def _found(folder: Path, asked: dict[str, Any]) -> Pulled:
    """The same pull, whole, or a refusal that says what stands there."""
    try:
        there = json.loads((folder / CARD).read_text(encoding="utf-8"))
        differing = [name for name in _SAME if there[name] != asked[name]]
        files = {name: (one["bytes"], one["sha256"]) for name, one in there["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PullRefused(
            f"{folder} is not empty and holds no pull", hint="Give another --out; nothing in it was changed."
        ) from None
    if differing:
        raise PullRefused(
            f"{folder} holds another pull ({there['table']}@{there['version']}); it differs in {', '.join(differing)}",
            table=asked["table"],
            hint=f"Give another --out, or name the version: {there['table']}@{there['version']}.",
        )
    on_disk = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (CARD, README)
    }
    changed = [name for name in files.keys() & on_disk if not _is(folder / name, *files[name])]
    if changed or files.keys() - on_disk:
        raise PullRefused(
            f"{folder} is not as its card says: {len(changed)} files changed, {len(files.keys() - on_disk)} missing",
            table=asked["table"],
            hint="Delete the folder and pull again.",
        )
    return _pulled(folder, there, unchanged=True)


def _pulled(folder: Path, made: dict[str, Any], unchanged: bool) -> Pulled:
    size = sum(one["bytes"] for one in made["files"].values())
    return Pulled(folder, made["rows"], len(made["files"]), size, unchanged)


def _is(path: Path, size: int, digest: str) -> bool:
    return path.stat().st_size == size and _hash(path) == digest


def _hash(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _unwritable(folder: Path, error: OSError) -> DiskFull | PullRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            "the disk filled up while pulling", hint="Give an --out with more room: nothing was left behind."
        )
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return PullRefused(
            f"{folder} was made by somebody else meanwhile", hint="See what it is, and pull again."
        )
    return PullRefused(
        f"{folder} cannot be written: {error.strerror}", hint="Give an --out that you may write."
    )
