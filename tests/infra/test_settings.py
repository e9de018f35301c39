"""Settings: typed, layered, and wrong ones fail before anything starts."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from infra.errors import SettingsError
from infra.settings import load_settings, parse_day, parse_days


def test_environment_wins_over_toml_wins_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    (tmp_path / "flywheel.toml").write_text('[landing]\nlate_limit_days = 7\n[spark]\nmaster = "local[1]"\n')
    monkeypatch.setenv("FLYWHEEL_SPARK__MASTER", "local[2]")
    settings = load_settings()
    assert (settings.landing.late_limit_days, settings.spark.master) == (7, "local[2]")
    assert settings.landing.future_tolerance_seconds == 300


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[landing]\nlate_limit_days = -1\n", "landing.late_limit_days"),
        ("[landing]\nlate_limit_dais = 1\n", "landing.late_limit_dais"),
        ("[nonsense]\nx = 1\n", "nonsense"),
        ("[landing\n", "flywheel.toml"),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, named: str
) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    (tmp_path / "flywheel.toml").write_text(toml)
    with pytest.raises(SettingsError, match=named):
        load_settings()


def test_the_user_key_is_made_once_for_its_owner_only_and_never_printed(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    key = settings.user_key(create=True)
    assert key == load_settings(home=tmp_path).user_key()
    assert len(key) == 64
    assert stat.S_IMODE((tmp_path / ".flywheel" / "user_key").stat().st_mode) == 0o600
    given = load_settings(home=tmp_path, secrets={"user_key": "hush-hush-hush-hush"})
    assert given.user_key() == b"hush-hush-hush-hush"
    assert "hush" not in repr(given) + str(given.model_dump())


def test_days() -> None:
    assert parse_days("2026-11-30..2026-12-01") == (date(2026, 11, 30), date(2026, 12, 1))
    assert parse_days("2026-11-30") == (date(2026, 11, 30),)
    for wrong in ("yesterday", "2026-12-01..2026-11-30", ""):
        with pytest.raises(SettingsError):
            parse_days(wrong)


def test_light_modules_import_neither_spark_nor_torch() -> None:
    code = (
        "import sys, infra.settings, infra.spark, infra.write, infra.write.quality, jobs.declaration, jobs.runner\n"
        "from jobs.declaration import all_jobs\nassert all_jobs()\n"
        "bad = {'pyspark', 'torch', 'faiss', 'great_expectations', 'transformers'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_hash_of_single_settings_minds_only_those(tmp_path: Path) -> None:
    names = ["diversity", "sampling.first_turn_floor"]
    plain = load_settings(home=tmp_path).hash_of(names)
    assert load_settings(home=tmp_path, sampling={"sample_share": {"train": 0.5}}).hash_of(names) == plain
    assert load_settings(home=tmp_path, sampling={"first_turn_floor": 0.2}).hash_of(names) != plain
    assert load_settings(home=tmp_path, diversity={"probes": 3}).hash_of(names) != plain


@pytest.mark.parametrize("text", ["2024-09-23", "240923", "20240923", " 240923 "])
def test_a_day_is_read_as_people_and_as_batches_write_it(text: str) -> None:
    assert parse_day(text) == date(2024, 9, 23)
    assert parse_days(text) == (date(2024, 9, 23),)
    assert parse_days(f"{text}..2024-09-24") == (date(2024, 9, 23), date(2024, 9, 24))


@pytest.mark.parametrize(
    "text", ["240931", "24092", "２４０９２３", "abcdef", "-10923", "", "24-09-23", "2024-9-23"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    for read in (parse_day, parse_days):
        with pytest.raises(SettingsError, match="Write 2026-11-20"):
            read(text)
