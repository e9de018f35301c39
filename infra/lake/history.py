"""Forgets a table's history: deletes the log of all versions but some, after an erasure.

A log outlives the rows. Its commits and checkpoints hold the least and greatest ids of files that are gone, and the
conditions by which rows were deleted. Delta's own clean-up goes by age, and would also delete the log of versions in
use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from infra.lake.places import Lake

_LOG: Final = "_delta_log"
_VERSIONED: Final = re.compile(r"(\d{20})\..+")
_CHECK_SUM: Final = re.compile(r"(^|/)\.[^/]+\.crc$")  # Hadoop's, of blocks of bytes: they name nobody
_HINT: Final = "_last_checkpoint"


def forget(lake: Lake, table: str, kept: Collection[int]) -> None:
    """Delete the log of every version but the latest and `kept`, which stay readable.

    Each of these gets a checkpoint, which lists its files only. Its commit stays as a file, because engines look for
    it, and says what was done and when. The caller holds the table's lock, and has vacuumed the other versions. A kill
    leaves a log that can be read.

    Raises:
        VersionGone, DeltaError: a version to be kept cannot be read; nothing was deleted.
    """
    stay = {*kept, lake.version(table)}
    log = lake.folder(table).at(_LOG)
    for version in sorted(stay):  # the latest last: `_last_checkpoint` names it
        lake.open(table, version).create_checkpoint()
    for version in stay:
        name = f"{version:020d}.json"
        if (content := log.read_if_there(name)) is not None and (bare := _bare(content)) != content:
            # First the check sum that Hadoop may have left: of another content, it would refuse the file.
            log.delete(f".{name}.crc")
            log.write(name, bare)
    for entry in log.entries():
        if not entry.is_folder and not _stays(entry.name, stay):
            log.delete(entry.name)


def _bare(content: bytes) -> bytes:
    """A commit without its actions, which the checkpoint has, and without the condition that it was made by."""
    info: dict[str, Any] = {}
    for line in content.splitlines():
        info = json.loads(line).get("commitInfo") or info
    kept_info = {key: info[key] for key in ("timestamp", "operation", "engineInfo") if key in info}
    return json.dumps({"commitInfo": kept_info}, separators=(",", ":")).encode() + b"\n"


def _stays(name: str, versions: Collection[int]) -> bool:
    if name == _HINT:
        return True
    match = _VERSIONED.fullmatch(name)
    if match is None or int(match[1]) not in versions:
        return False
    return name.endswith(".json") or ".checkpoint." in name


def strangers(lake: Lake, table: str, kept: Collection[int]) -> Iterator[str]:
    """Files in the table's folder that belong to none of the versions, nor to the log: names relative to the folder.

    A vacuum leaves what begins with `_` or `.`.
    """
    known: set[str] = set()
    folder = lake.folder(table)
    for version in {*kept, lake.version(table)}:
        known |= set(_files(lake, table, version))
    for name in folder.walk():
        if name not in known and not _is_log(name) and not _CHECK_SUM.search(name):
            yield name


def _files(lake: Lake, table: str, version: int) -> Iterator[str]:
    from urllib.parse import unquote

    import pyarrow as pa

    for path in pa.table(lake.open(table, version).get_add_actions(flatten=True))["path"].to_pylist():
        yield unquote(path)


def _is_log(name: str) -> bool:
    place, _, file = name.rpartition("/")
    return place == _LOG and (file == _HINT or bool(_VERSIONED.fullmatch(file)))
