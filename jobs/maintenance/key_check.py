"""Checks the key of a lake that was filled before lakes recorded theirs: against lines that are still landed."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from infra.errors import KeyMismatch, LandingFileBroken
from infra.lake import Lake
from infra.lake.facts import has_rows, key_is_recorded
from infra.settings import Settings
from jobs.landing.zone import LandingFile, landing_files
from jobs.traffic.land import landing_rules
from jobs.traffic.parse import parse_file

_EVENTS = "traffic.events"
_ROWS, _FILES, _LINES = 20_000, 5, 2_000

Hashes = dict[int, str]
"""Line of a file to the hash of its user in `traffic.events`."""


def check_key(settings: Settings) -> None:
    """Raise an error unless the settings' key is the lake's. Checks nothing if the lake is new or records its key.

    One landed line whose user has the hash that `traffic.events` has proves the key.

    Raises:
        KeyMismatch: the key is missing or another one, or no landed line is left to check it with.
        SettingsError: the key is too short, or others may read its file.
    """
    lake = Lake.of(settings)
    if key_is_recorded(lake) or not has_rows(lake):
        return
    rules = landing_rules(settings, settings.user_key())
    compared = 0
    for file, hashes in _landed(lake):
        try:
            for landed in parse_file(file, rules):
                if landed.line > _LINES:
                    break
                if landed.event is None or landed.event.user_id is None or landed.line not in hashes:
                    continue
                compared += 1
                if landed.event.user_id == hashes[landed.line]:
                    return
        except LandingFileBroken:
            continue  # another one will do
    if compared:
        raise KeyMismatch(
            f"{settings.user_key_place} is not the key that the lake was filled with: it gives none of {compared} "
            "landed users the hash that they have",
            table=_EVENTS, setting="secrets.user_key", hint=f"Nothing was changed. {settings.user_key_remedy}",
        )  # fmt: skip
    raise KeyMismatch(
        "the lake has rows, does not record its key, and no landed line is left to check the key with",
        table=_EVENTS, setting="secrets.user_key",
        hint="If you are sure that it is the right key, run: flywheel migrate --trust-key",
    )  # fmt: skip


def _landed(lake: Lake) -> list[tuple[LandingFile, Hashes]]:
    """Landed files that are still there, with the hashes of their lines: the newest files of a sample of events."""
    columns = ["source_file", "line", "user_id", "received_ds"]
    sample = lake.open(_EVENTS).to_pyarrow_dataset().head(_ROWS, columns=columns).to_pylist()
    hashes: dict[tuple[date, str], Hashes] = defaultdict(dict)
    for row in sample:
        if row["user_id"]:
            hashes[row["received_ds"], row["source_file"]][row["line"]] = row["user_id"]
    files: list[tuple[LandingFile, Hashes]] = []
    for (day, name), of_file in sorted(hashes.items(), reverse=True):
        if len(files) == _FILES:
            break
        files += [(file, of_file) for file in landing_files(lake.landing, day) if file.name == name]
    return files
