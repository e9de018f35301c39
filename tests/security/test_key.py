"""A lake knows its key: with another one, or without one, nothing is made, hashed or erased."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.errors import FlywheelError, KeyMismatch, SettingsError
from infra.ids import pseudonym
from infra.lake import Lake
from infra.lake.facts import LAKE_FACTS, fingerprint, record, user_key
from infra.lake.migrate import migrate
from infra.settings import Settings, load_settings
from jobs.maintenance.erasure import erase
from jobs.maintenance.key_check import check_key
from tests.conftest import DAY, put, settings_for

ANOTHER = "another key, long enough"
VARIABLE = "FLYWHEEL_SECRETS__USER_KEY"
USERS = ("alice", "bob")


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """A lake with a landed file of two users, and their events."""
    migrate(settings)
    lake = Lake.of(settings)
    key = settings.user_key()
    folder = Path(lake.landing) / f"received_ds={DAY}"
    folder.mkdir(parents=True)
    lines = [
        {"event_id": user, "event_type": "message", "event_ts": f"{DAY}T10:00:00Z", "source": "user",
         "user_id": user, "conversation_id": f"c-{user}", "character_id": "ch", "payload": {"text": "hello"}}
        for user in USERS
    ]  # fmt: skip
    text = "".join(json.dumps(line | {"received_ts": f"{DAY}T10:00:01Z"}) + "\n" for line in lines)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    moment = datetime(2026, 11, 20, 10, tzinfo=UTC)
    put(lake, "traffic.events", [
        {"event_id": user, "event_type": "message", "source": "user", "user_id": pseudonym(user, key),
         "source_file": f"received_ds={DAY}/a.jsonl.gz", "line": number, "event_ts": moment, "received_ts": moment,
         "received_ds": DAY}
        for number, user in enumerate(USERS, start=1)
    ])  # fmt: skip
    return lake


def stored_key(settings: Settings) -> Path:
    return settings.home / ".flywheel" / "user_key"


def lost(settings: Settings, _: pytest.MonkeyPatch) -> None:
    stored_key(settings).unlink()


def foreign(settings: Settings, _: pytest.MonkeyPatch) -> None:
    stored_key(settings).write_text("f" * 64)


def foreign_in_environment(_: Settings, patch: pytest.MonkeyPatch) -> None:
    patch.setenv(VARIABLE, ANOTHER)


def emptied(settings: Settings, _: pytest.MonkeyPatch) -> None:
    stored_key(settings).write_bytes(b"")


def empty_in_environment(_: Settings, patch: pytest.MonkeyPatch) -> None:
    patch.setenv(VARIABLE, "")


def short(settings: Settings, _: pytest.MonkeyPatch) -> None:
    stored_key(settings).write_text("hush")


def readable_by_others(settings: Settings, _: pytest.MonkeyPatch) -> None:
    stored_key(settings).chmod(0o640)


FAULTS = [lost, foreign, foreign_in_environment, emptied, empty_in_environment, short, readable_by_others]


@pytest.mark.parametrize("fault", FAULTS)
def test_without_the_lakes_key_nothing_starts(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Settings, pytest.MonkeyPatch], None],
) -> None:  # fmt: skip
    before = files(settings)
    fault(settings, monkeypatch)
    spoiled = files(settings)
    reloaded = load_settings(home=settings.home)
    for command in (
        user_key,
        migrate,
        lambda s: list(erase(s, ["alice"])),
        lambda s: list(erase(s, ["alice"], True)),
    ):
        with pytest.raises((KeyMismatch, SettingsError)) as raised:
            command(reloaded)
        message = str(raised.value)
        assert "hush" not in message
        assert ANOTHER not in message
        assert "user_key" in message, "it says which setting"
    assert files(settings) == spoiled, "nothing was made or changed"
    assert {name for name in before if "user_key" not in name} == {n for n in spoiled if "user_key" not in n}


def files(settings: Settings) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in settings.home.rglob("*") if path.is_file()}


def test_a_key_in_the_settings_file_is_refused_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "flywheel.toml").write_text(f'[secrets]\nuser_key = "{ANOTHER}"\n')
    with pytest.raises(SettingsError, match="holds secrets") as raised:
        load_settings(home=tmp_path)
    assert ANOTHER not in str(raised.value)


def test_a_new_lake_gets_a_key_and_an_empty_one_may_take_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path)
    migrate(settings)
    assert json.loads(Path(Lake.of(settings).curated, LAKE_FACTS).read_text())[
        "user_key_fingerprint"
    ] == fingerprint(settings.user_key())
    assert user_key(settings) == settings.user_key()
    monkeypatch.setenv(VARIABLE, ANOTHER)
    elsewhere = settings_for(tmp_path / "elsewhere")
    migrate(elsewhere)
    assert user_key(elsewhere) == ANOTHER.encode()
    assert not stored_key(elsewhere).exists()


def forget_key(lake: Lake) -> None:
    """The lake as it was before lakes recorded their key."""
    path = Path(lake.curated, LAKE_FACTS)
    path.write_text(json.dumps({"split": json.loads(path.read_text())["split"]}))


def migrate_as_the_command_does(settings: Settings) -> None:
    check_key(settings)
    migrate(settings, key_fits=True)


def test_the_key_of_an_old_lake_is_recorded_after_it_was_checked(lake: Lake, settings: Settings) -> None:
    forget_key(lake)
    with pytest.raises(KeyMismatch, match="does not record"):
        user_key(settings)
    with pytest.raises(KeyMismatch, match="does not record"):
        record(settings, lake)
    migrate_as_the_command_does(settings)
    assert user_key(settings) == settings.user_key()


@pytest.mark.parametrize("fault", [lost, foreign, foreign_in_environment])
def test_a_foreign_key_of_an_old_lake_is_not_recorded(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    forget_key(lake)
    fault(settings, monkeypatch)
    before = files(settings)
    with pytest.raises(KeyMismatch, match=r"there is no key|none of 2 landed users"):
        migrate_as_the_command_does(load_settings(home=settings.home))
    assert files(settings) == before


def test_without_landed_lines_somebody_must_say_that_the_key_is_right(lake: Lake, settings: Settings) -> None:
    forget_key(lake)
    for path in Path(lake.landing).rglob("*.gz"):
        path.unlink()
    with pytest.raises(KeyMismatch, match="--trust-key"):
        check_key(settings)
    migrate(settings, key_fits=True)  # what --trust-key does
    assert user_key(settings) == settings.user_key()


def test_a_damaged_landed_file_proves_nothing(lake: Lake, settings: Settings) -> None:
    forget_key(lake)
    (path,) = Path(lake.landing).rglob("*.gz")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(FlywheelError, match="no landed line is left"):
        check_key(settings)


def test_erasure_finds_its_users_and_says_when_lines_are_left(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.errors import ErasureFailed
    from jobs.maintenance import erasure

    real = erasure.erase_lines
    with monkeypatch.context() as patch:
        # A rewrite that changes nothing: the count after it tells.
        patch.setattr(erasure, "erase_lines", lambda *args, dry_run=False: real(*args[:3], dry_run=True))
        with pytest.raises(ErasureFailed, match="1 line\\(s\\)"):
            list(erase(settings, ["alice"]))
    done = list(erase(settings, ["alice"]))
    assert {place.place: place.rows.total() for place in done if place.rows} == {
        "landing": 1,
        "traffic.events": 1,
    }
