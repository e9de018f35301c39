"""The user's cache, for what is made once and can be made again, such as converted networks and fitted models."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from infra import progress
from infra.storage import new_folder, write_file

_SEAL = ".seal.json"
_checked: set[tuple[str, int]] = set()


def user_cache() -> Path:
    """`characterflywheel` under `$XDG_CACHE_HOME`, or under `~/.cache`; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "characterflywheel"


def sealed_folder(folder: Path, make: Callable[[Path], None], what: str) -> Path:
    """The folder, which `make` fills if it is not there, or if its files are not those that `make` wrote.

    It is written aside and renamed: of two processes that make it at once, both read what the faster one made. A
    process checks the hashes once.

    Args:
        what: its content, for the message that it is made again.
    """
    seal = folder / _SEAL
    if folder.exists():
        key = str(folder), seal.stat().st_mtime_ns if seal.exists() else 0
        if key in _checked:
            return folder
        if _is_whole(folder):
            _checked.add(key)
            return folder
        progress.show(f"The cached {what} in {folder} is damaged or of an older version. It is made again.")
        shutil.rmtree(folder, ignore_errors=True)
    with new_folder(folder) as draft:
        make(draft)
        write_file(draft / _SEAL, json.dumps(_hashes(draft), indent=1, sort_keys=True))
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        sealed = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        return bool(sealed) and sealed == _hashes(folder)
    except (OSError, ValueError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by its name in the folder."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _SEAL:
            with path.open("rb") as stream:
                hashes[path.relative_to(folder).as_posix()] = hashlib.file_digest(
                    stream, "sha256"
                ).hexdigest()
    return hashes
