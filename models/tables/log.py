"""Read a Delta log directly when deltalake cannot: reader features by version, and which versions are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from infra.storage import Folder

_LOG_FILE: Final = re.compile(r"(\d{20})\.(json|checkpoint(?:\..*)?\.parquet)")
_SHOWN_RANGES: Final = 10
COLUMN_MAPPING: Final = "delta.columnMapping.mode"
"""Table property: anything but `none` gives the columns other names in the files."""


def _log(folder: Folder) -> tuple[dict[int, str], set[int]]:
    """The table's commits by number, and the numbers of its checkpoints."""
    commits: dict[int, str] = {}
    checkpoints = set()
    for entry in folder.entries("_delta_log"):
        if match := _LOG_FILE.fullmatch(entry.name):
            if match[2] == "json":
                commits[int(match[1])] = f"_delta_log/{entry.name}"
            else:
                checkpoints.add(int(match[1]))
    return commits, checkpoints


def _actions(folder: Folder, name: str) -> Iterator[dict[str, Any]]:
    for line in folder.read(name).decode().splitlines():
        with suppress(ValueError):  # the last line of a truncated commit
            yield json.loads(line)


def protocols(folder: Folder) -> Iterator[tuple[int, set[str]]]:
    """Number and required features of each commit that requires some, latest first.

    Features are the log's reader features, `columnMapping`, and `reader version N` for N above 3.
    """
    commits, _ = _log(folder)
    for number in sorted(commits, reverse=True):
        features: set[str] = set()
        for action in _actions(folder, commits[number]):
            protocol, metadata = action.get("protocol") or {}, action.get("metaData") or {}
            features.update(protocol.get("readerFeatures") or ())
            if int(protocol.get("minReaderVersion", 1)) > 3:
                features.add(f"reader version {protocol['minReaderVersion']}")
            if (metadata.get("configuration") or {}).get(COLUMN_MAPPING, "none") != "none":
                features.add("columnMapping")
        if features:
            yield number, features


def versions_left(folder: Folder) -> list[int]:
    """Versions whose log and files all exist, in rising order.

    It lists the table's folder and reads the whole log, so use it for error messages and housekeeping only.
    """
    commits, checkpoints = _log(folder)
    files = set(folder.walk())
    readable, can_replay = [], False
    for number in range(max([*commits, *checkpoints], default=-1) + 1):
        can_replay = number in checkpoints or (number in commits and (can_replay or number == 0))
        if can_replay:
            readable.append(number)
    broken = list(_broken(folder, commits, files))
    return [n for n in readable if not any(first <= n < end for first, end in broken)]


def _broken(folder: Folder, commits: Mapping[int, str], files: set[str]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of versions that contain a missing file."""
    added_in: dict[str, int] = {}
    for number in sorted(commits):
        for action in _actions(folder, commits[number]):
            if added := action.get("add"):
                added_in.setdefault(unquote(added["path"]), number)
            elif removed := action.get("remove"):
                path = unquote(removed["path"])
                # A file added before the log begins belongs to every version from 0 on.
                first = added_in.pop(path, 0)
                if path not in files:
                    yield first, number
    yield from ((first, max(commits) + 1) for path, first in added_in.items() if path not in files)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers as text such as `0, 3..7`; only the latest ranges if there are many."""
    merged: list[list[int]] = []
    for number in numbers:
        if merged and number == merged[-1][1] + 1:
            merged[-1][1] = number
        else:
            merged.append([number, number])
    shown = [f"{first}" if first == last else f"{first}..{last}" for first, last in merged[-_SHOWN_RANGES:]]
    return ", ".join([*(["..."] if len(merged) > _SHOWN_RANGES else []), *shown])
