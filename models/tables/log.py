"""What a Delta log says where its reader gives up: features by version, and which versions are still whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from infra.storage import Folder

_LOG_FILE: Final = re.compile(r"(\d{20})\.(json|checkpoint(?:\..*)?\.parquet)$")
_SHOWN_RANGES: Final = 10
COLUMN_MAPPING: Final = "delta.columnMapping.mode"
"""Table property: anything but `none` gives the columns other names in the files."""


def _log(folder: Folder) -> tuple[dict[int, str], set[int]]:
    """The table's commits by number, and the numbers of its checkpoints."""
    commits: dict[int, str] = {}
    checkpoints = set()
    for entry in folder.entries("_delta_log"):
        if match := _LOG_FILE.search(entry.name):
            if match[2] == "json":
                commits[int(match[1])] = f"_delta_log/{entry.name}"
            else:
                checkpoints.add(int(match[1]))
    return commits, checkpoints


def _actions(folder: Folder, name: str) -> Iterator[dict[str, Any]]:
    for line in folder.read(name).decode().splitlines():
        with suppress(ValueError):  # a commit that is cut off holds no action there
            yield json.loads(line)


def protocols(folder: Folder) -> Iterator[tuple[int, set[str]]]:
    """What a reader must know, by each commit that says so, the latest first: reader features, column mapping, and a
    reader version above 3."""
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
    """Versions whose log and files are all still there, rising.

    Costs a listing of the table's folder and a reading of its log: for error messages and housekeeping.
    """
    commits, checkpoints = _log(folder)
    there = set(folder.walk())
    readable, linked = [], False
    for number in range(max([*commits, *checkpoints], default=-1) + 1):
        linked = number in checkpoints or (number in commits and (linked or number == 0))
        if linked:
            readable.append(number)
    broken = list(_broken(folder, commits, there))
    return [n for n in readable if not any(first <= n < end for first, end in broken)]


def _broken(folder: Folder, commits: Mapping[int, str], there: set[str]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of versions that hold a file which is gone."""
    born: dict[str, int] = {}
    for number in sorted(commits):
        for action in _actions(folder, commits[number]):
            if added := action.get("add"):
                born.setdefault(unquote(added["path"]), number)
            elif removed := action.get("remove"):
                path = unquote(removed["path"])
                # Added before the log begins: then it was there from the first version on.
                first = born.pop(path, 0)
                if path not in there:
                    yield first, number
    yield from ((first, max(commits) + 1) for path, first in born.items() if path not in there)


def ranges(numbers: Sequence[int]) -> str:
    """`0, 3..7`; of many ranges the latest."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [f"{first}" if first == last else f"{first}..{last}" for first, last in ranges[-_SHOWN_RANGES:]]
    return ", ".join([*(["..."] if len(ranges) > _SHOWN_RANGES else []), *shown])
