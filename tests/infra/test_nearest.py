"""Whoever mistypes a name is told the name that they may have meant, in every place that knows the names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.contracts import contract, table_names, view_query
from infra.errors import FlywheelError
from infra.nearest import did_you_mean, nearest
from infra.settings import load_settings
from jobs.declaration import job
from jobs.stage import jobs_of


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("curation.sample", "curation.samples"), ("sampels", "curation.samples"), ("turns", "traffic.turns"),
        ("curation.turns", "traffic.turns"), ("TRAFFIC.EVENT", "traffic.events"), ("ops.run", "ops.runs"),
    ],
)  # fmt: skip
def test_the_name_that_was_meant_is_near(word: str, meant: str) -> None:
    assert nearest(word, table_names())[0] == meant


def test_nothing_is_near_nonsense() -> None:
    assert nearest("zzzzqqqq", table_names()) == []
    assert did_you_mean("zzzzqqqq", table_names(), "See: x") == "See: x"
    assert nearest("a" * 10_000_000, table_names()) == []


@pytest.mark.parametrize(
    ("ask", "word", "meant"),
    [
        (contract, "curation.smaples", "curation.samples"), (view_query, "views.funnel_daily", "views.daily_funnel"),
        (view_query, "views.dayly_funnel", "views.daily_funnel"), (job, "curation.screens", "curation.screen"),
        (lambda name: jobs_of([name]), "curaton", "curation"),
        (lambda name: jobs_of([name]), "screen", "curation.screen"),
    ],
)  # fmt: skip
def test_tables_views_jobs_and_stages(ask: Callable[[str], object], word: str, meant: str) -> None:
    with pytest.raises(FlywheelError) as told:
        ask(word)
    assert meant in str(told.value)
    assert len(str(told.value)) < 250


@pytest.mark.parametrize(
    ("toml", "meant"),
    [("[sampling]\nsampel_share = 0.1\n", "sampling.sample_share"), ("[samplng]\nseed = 1\n", "sampling")],
)
def test_settings_of_the_file(tmp_path: Path, toml: str, meant: str) -> None:
    (tmp_path / "flywheel.toml").write_text(toml)
    with pytest.raises(FlywheelError) as told:
        load_settings(home=tmp_path)
    assert f"Did you mean {meant}" in str(told.value)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("FLYWHEEL_SAMPLING__SAMPEL_SHARE", "FLYWHEEL_SAMPLING__SAMPLE_SHARE"),
        ("FLYWHEEL_SAMPLNG__SAMPLE_SHARE", "FLYWHEEL_SAMPLING__"),
    ],
)
def test_settings_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "0.1")
    with pytest.raises(FlywheelError) as told:
        load_settings(home=tmp_path)
    assert meant.partition("__")[0].removeprefix("FLYWHEEL_").lower() in str(told.value)
    assert "Did you mean" in str(told.value)
