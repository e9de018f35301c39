"""A definition is checked before anything starts, and does not change once an experiment has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import DefinitionRefused, ExperimentUnknown
from infra.lake import Lake, ledger
from infra.sandbox import SandboxSettings
from infra.sandbox.experiments import declaration
from infra.settings import Settings
from jobs.experiments import COVARIATES
from jobs.experiments.definition import DefinitionVersions, declare, definition, definitions, read_definition
from tests.conftest import put
from tests.jobs.experiments.conftest import START, date_of, declared

BEFORE = START - timedelta(days=1)


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "one.toml"
    path.write_text(text)
    return path


def test_the_sandbox_writes_a_definition_that_is_accepted(tmp_path: Path) -> None:
    settings = SandboxSettings()
    one = read_definition(file(tmp_path, declaration(settings)))
    assert (one.window_days, one.test_arms, one.start_ds) == (7, ("test",), settings.start)
    assert settings.experiment is not None
    assert dict(one.shares) == settings.experiment.shares


@pytest.mark.parametrize(
    ("change", "setting", "told"),
    [
        ({"shares": {"control": 0.6, "test": 0.6}}, "shares", "more than 1"),
        ({"shares": {"control": 0.1}}, "shares", "at least one test arm"),
        ({"shares": {"control": 0.1, "test": 0.0}}, "shares", "above 0"),
        ({"control_arm": "old"}, "control_arm", "not an arm"),
        ({"end_ds": START - timedelta(days=1)}, "end_ds", "ends before it starts"),
        ({"metrics": ("clicks",)}, "metrics", "not one of breadth"),
        ({"winsor_quantile": 0.2}, "winsor_quantile", "greater than 0.5"),
        ({"segments": ("age",)}, "segments.0", "locale"),
        ({"several_arms": "last_arm"}, "several_arms", "'drop' or 'first_arm'"),
        ({"arms": ("a",)}, "arms", "not permitted"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: dict[str, Any], setting: str, told: str) -> None:
    known = declared().model_dump() | change
    shares = known.pop("shares")
    lines = [f"{name} = {toml(value)}" for name, value in known.items()]
    lines += ["[shares]", *(f"{arm} = {share}" for arm, share in shares.items())]
    with pytest.raises(DefinitionRefused) as caught:
        read_definition(file(tmp_path, "\n".join(lines)))
    assert caught.value.setting == setting
    assert told in str(caught.value)
    assert "one.toml" in str(caught.value)


def toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, tuple | list) else str(value)


def test_declared_again_changed_before_the_start_and_refused_after_it(settings: Settings, lake: Lake) -> None:
    assert declare(settings, declared(), today=BEFORE) == "declared"
    version = lake.version("experiments.definitions")
    assert declare(settings, declared(), today=START).startswith("already declared")
    assert lake.version("experiments.definitions") == version
    assert declare(settings, declared(title="Another"), today=BEFORE) == "definition updated"
    assert definition(lake, "x").title == "Another"
    for changed in (declared(title="Late"), declared(title="Another", shares={"test": 0.1, "control": 0.1})):
        with pytest.raises(DefinitionRefused, match=r"cannot change its (title|order of arms).*2026-03-02"):
            declare(settings, changed, today=START)
    with pytest.raises(DefinitionRefused, match="same salt as x"):
        declare(settings, declared(experiment_id="y"), today=BEFORE)
    with pytest.raises(DefinitionRefused, match="maximum is 28"):
        declare(settings, declared(end_ds=START + timedelta(days=40)), today=BEFORE)
    assert declare(settings, declared(experiment_id="y", salt="y"), today=BEFORE) == "declared"
    # The version of a definition is the one that brought it, whatever is declared later.
    versions = DefinitionVersions(lake, lake.version("experiments.definitions"))
    assert versions.of("x") < versions.of("y") == versions.latest
    assert definitions(lake, versions.of("x")).keys() == {"x"}
    assert definitions(lake, versions.of("x"))["x"] == versions.in_force["x"]
    with pytest.raises(ExperimentUnknown, match=r"no experiment 'z'.*Available: x, y"):
        definition(lake, "z")


def test_an_exposed_user_starts_an_experiment_and_days_that_ran_are_run_again(
    settings: Settings, lake: Lake
) -> None:
    row = {"run_id": "r", "job": COVARIATES.name, "table_name": COVARIATES.closing_table, "ds": date_of(0)}
    moment = ledger.now()
    row |= {"started_ts": moment, "ended_ts": moment, "state": "succeeded", "content_hash": "0:0"}
    put(lake, "ops.runs", [row])
    assert "1 day(s) that were run before are stale" in declare(settings, declared(), today=BEFORE)
    assert [(mark.job, mark.ds) for mark in ledger.open_marks(lake)] == [(COVARIATES.name, date_of(0))]
    put(lake, "experiments.assignments", [{"experiment_id": "x", "user_id": "u", "ds": date_of(0)}])
    with pytest.raises(DefinitionRefused, match="1 users were exposed"):
        declare(settings, declared(title="Late"), today=BEFORE)
