"""What a lake was filled with and cannot change, in `_lake.json`: the split of its users, the key of its hashes, and
whether ids from outside are hashed.

The key itself is never stored here, only its fingerprint: a keyed hash of a constant. With another key every user
would look new: nobody could be erased, and a day that is landed again would conflict with itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra.errors import KeyMismatch, MigrationRefused
from infra.ids import IdKind, id_of
from infra.lake.places import Lake
from infra.settings import Settings

LAKE_FACTS = "_lake.json"
_SPLIT, _KEY, _IDS = "split", "user_key_fingerprint", "ids"
_KEYED, _AS_WRITTEN = "keyed", "as written"
_HASHED = b"characterflywheel: the key of this lake"
# Tables whose rows hold keyed hashes as soon as anything has landed, and the columns of ids from outside.
_FILLED_FIRST: Mapping[str, Sequence[str]] = {
    "traffic.events": ("event_id", "conversation_id"),
    "annotation.preferences": ("pair_id",),
}
_KEYED_ID = r"^(?:e|c|p)_[0-9a-f]{32}$"


def fingerprint(key: bytes) -> str:
    """What a lake keeps of its key."""
    return hmac.new(key, _HASHED, hashlib.sha256).hexdigest()[:32]


def user_key(settings: Settings) -> bytes:
    """The key of the lake's keyed hashes (user ids, text hashes).

    Raises:
        KeyMismatch: the key that the settings give is missing, or is not the one that the lake was filled with.
        SettingsError: the key is too short, or others may read its file.
    """
    return _matching(settings, Lake.of(settings))


def _matching(settings: Settings, lake: Lake) -> bytes:
    recorded = _facts(lake).get(_KEY)
    if recorded is None:
        raise KeyMismatch("the lake does not record which key it uses", hint="Run: flywheel migrate")
    key = settings.user_key()
    if not hmac.compare_digest(fingerprint(key), recorded):
        raise KeyMismatch(
            f"{settings.user_key_place} is not the key that the lake at {lake.root} was filled with",
            setting="secrets.user_key", hint=f"Nothing was done. {settings.user_key_remedy}",
        )  # fmt: skip
    return key


def record(settings: Settings, lake: Lake, key_fits: bool = False) -> None:
    """Record split and key of a new lake; check both of a lake that has them. Only a lake without rows gets a new key.

    Args:
        key_fits: the caller has checked that the key is the one of the lake's rows.

    Raises:
        MigrationRefused: the settings have another split.
        KeyMismatch: the key is missing or another one; or the lake has rows, and `key_fits` is not set.
    """
    facts = _facts(lake)
    split = settings.split.model_dump(mode="json")
    if _SPLIT in facts and facts[_SPLIT] != split:
        raise MigrationRefused(
            "the split cannot change once the lake has data: evaluation users would become training users",
            setting="split",
            hint=f"Restore the values in {lake.root}/{LAKE_FACTS}, or create another lake (lake.root).",
        )
    if _KEY in facts:
        _matching(settings, lake)
        if _IDS not in facts:
            _write(lake, {**facts, _IDS: _rule_of_rows(lake)})
        return
    is_filled = has_rows(lake)
    if is_filled and not key_fits:
        raise KeyMismatch(
            "the lake has rows and does not record which key they were hashed with",
            hint="Run: flywheel migrate. It checks the key against landed files and records it.",
        )
    known = {
        _SPLIT: split,
        _KEY: fingerprint(settings.user_key(create=not is_filled)),
        _IDS: _rule_of_rows(lake),
    }
    if facts:
        _write(lake, known)
        return
    try:
        lake.root.create(LAKE_FACTS, _content(known))
    except FileExistsError:  # another migration was faster
        record(settings, lake, key_fits)


def key_is_recorded(lake: Lake) -> bool:
    """Whether the lake knows its key."""
    return _KEY in _facts(lake)


def ids_are_keyed(lake: Lake) -> bool:
    """Whether ids that come from outside are hashed (infra/ids.py).

    In a lake that was filled before that rule they stay as they were written: with another id, an event that is landed
    again would be another event. If the entry was lost, the rows tell.
    """
    recorded = _facts(lake).get(_IDS)
    return _holds_keyed_ids(lake) if recorded is None else recorded == _KEYED


def id_in_lake(settings: Settings, kind: IdKind, given: str) -> str:
    """The id by which the lake knows what the product calls `given`.

    Raises:
        KeyMismatch, SettingsError: as `user_key`.
    """
    return id_of(kind, given, user_key(settings)) if ids_are_keyed(Lake.of(settings)) else given


def has_rows(lake: Lake) -> bool:
    """Whether anything has landed."""
    return any(lake.exists(name) and lake.open(name).file_uris() for name in _FILLED_FIRST)


def _rule_of_rows(lake: Lake) -> str:
    return _KEYED if not has_rows(lake) or _holds_keyed_ids(lake) else _AS_WRITTEN


def _holds_keyed_ids(lake: Lake) -> bool:
    """Whether an id in the lake is a keyed hash."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return any(
        pc.any(pc.match_substring_regex(column.cast(pa.string()), _KEYED_ID)).as_py()
        for name, columns in _FILLED_FIRST.items()
        if lake.exists(name)
        for batch in lake.open(name).to_pyarrow_dataset().to_batches(columns=[*columns])
        for column in batch.columns
    )


def _write(lake: Lake, known: dict[str, Any]) -> None:
    lake.root.write(LAKE_FACTS, _content(known))


def _content(known: dict[str, Any]) -> bytes:
    return f"{json.dumps(known, indent=1)}\n".encode()


def _facts(lake: Lake) -> dict[str, Any]:
    stored = lake.root.read_if_there(LAKE_FACTS)
    facts: dict[str, Any] = {} if stored is None else json.loads(stored)
    return facts
