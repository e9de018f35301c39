"""From a model to the landing files and back; vacuuming spares what a registered model stands on."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from cli.main import app
from infra.errors import RegistryUnavailable, VersionGone
from infra.lake import Lake, ledger
from infra.settings import Settings, load_settings
from jobs.maintenance.lineage import of_model, of_table
from jobs.maintenance.vacuum import vacuum
from models.registry.register import Lineage, register
from models.tables.opened import open_snapshot
from tests.conftest import DAY, migrated, put, with_registry
from tests.models.registry.test_register import PROBE, classifier

PAIRS, SAMPLES, TURNS, EVENTS = (
    "annotation.preferences",
    "curation.samples",
    "traffic.turns",
    "traffic.events",
)
BEFORE = DAY - timedelta(days=1)


def ran(
    lake: Lake, job: str, table: str, day: date, version: int, reads: dict[str, int], **more: Any
) -> None:
    """A successful run in the ledger."""
    moment = datetime(2026, 11, 21, 1, version, tzinfo=UTC)
    inputs = {"days": day.isoformat(), "content": {}, "versions": reads}
    row = {
        "run_id": f"{job}-{day}-{version}", "job": job, "table_name": table, "ds": day, "started_ts": moment,
        "ended_ts": moment, "state": "succeeded", "output_version": version, "input_versions": ledger.as_json(inputs),
    }  # fmt: skip
    ledger.append(lake, "ops.runs", [row | more], f"{job}-{table}-{day}-{version}")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("lineage")
    settings = with_registry(load_settings(home=home, maintenance={"keep_deleted_hours": 0}))
    migrated(settings)
    lake = Lake.of(settings)
    for day, file in ((BEFORE, "received_ds=a/one.jsonl"), (DAY, "received_ds=b/two.jsonl")):
        put(lake, EVENTS, [{"event_id": file, "event_type": "message", "source": "user", "source_file": file,
                            "ds": day, "received_ds": DAY}])  # fmt: skip
        ran(lake, "traffic.land", EVENTS, day, lake.version(EVENTS), {})
        put(lake, TURNS, [{"turn_id": str(day), "split": "train", "ds": day}])
        ran(lake, "traffic.turns", TURNS, day, lake.version(TURNS), {EVENTS: lake.version(EVENTS)})
    put(lake, SAMPLES, [{"dataset_id": "d", "turn_id": "t", "split": "train", "ds": DAY, "weight": 1.0}])
    reads = {TURNS: lake.version(TURNS)}
    ran(lake, "curation.sample", SAMPLES, DAY, lake.version(SAMPLES), reads, scope="d")
    for n in range(2):
        put(lake, PAIRS, [{"pair_id": f"p{n}", "annotator_id": "a", "winner": "a", "mode": "static",
                           "split": "train", "response_a": "x", "response_b": "y", "ds": DAY}])  # fmt: skip
        ran(lake, "annotation.preferences", PAIRS, DAY, lake.version(PAIRS), {})
    zone = Path(lake.landing_of("landing/preferences")) / f"received_ds={DAY}"
    zone.mkdir(parents=True)
    (zone / "judged.jsonl").write_text("{}\n")
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def registered(settings: Settings, folder: Path) -> dict[str, int]:
    """Two models on pairs and one on samples; gives the versions that they stand on."""
    lake = Lake.of(settings)
    pinned = {PAIRS: lake.version(PAIRS) - 1, SAMPLES: lake.version(SAMPLES)}
    for name, table, parents in (("rm", PAIRS, ()), ("signal", SAMPLES, ()), ("policy", "", ("rm/1",))):
        read = (open_snapshot(settings, f"{table}@{pinned[table]}", split="train").snapshot,) if table else ()
        made = Lineage(read, "tiny", "b", "t", 1, {"name": name}, parents)
        register(settings, name, folder, made, {}, PROBE)
    return pinned


def flywheel(settings: Settings, *arguments: str) -> str:
    done = CliRunner().invoke(
        app, list(arguments), env={"FLYWHEEL_HOME": str(settings.home), "COLUMNS": "400"}
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_a_model_to_tables_and_files(settings: Settings, registered: dict[str, int]) -> None:
    found = of_model(settings, "signal@candidate")
    [samples] = found.sources
    [turns] = samples.made_from
    [events] = turns.made_from
    [zone] = events.made_from
    assert [s.name for s in (samples, turns, events, zone)] == [SAMPLES, TURNS, EVENTS, "landing"]
    # The sample's window is one day: the other day's file is none of its sources.
    assert zone.files == ("received_ds=b/two.jsonl",)
    told = flywheel(settings, "lineage", "rm@candidate")
    assert "judged.jsonl" in told
    assert f"{PAIRS}@{registered[PAIRS]}: 1 rows of train" in told
    assert "code: " in told
    short = flywheel(settings, "lineage", "signal@candidate", "--short").splitlines()
    assert (
        f"{SAMPLES}@{registered[SAMPLES]}: 1 rows of train; built from {EVENTS}, {TURNS}; 1 landed file(s)"
        in short[1]
    )
    as_json = json.loads(flywheel(settings, "lineage", "policy/1", "--format", "json"))
    assert [parent["model"]["named"] for parent in as_json["parents"]] == ["rm/1"]
    assert "signal/1" in flywheel(settings, "lineage")


def test_a_form_that_is_asked_for_is_given(settings: Settings, registered: dict[str, int]) -> None:
    """CSV was JSON: a spreadsheet opened it as one cell."""
    rows = list(
        csv.DictReader(io.StringIO(flywheel(settings, "lineage", "signal@candidate", "--format", "csv")))
    )
    assert [(row["source"], row["depth"]) for row in rows] == [
        (SAMPLES, "1"), (TURNS, "2"), (EVENTS, "3"), ("landing", "4"),
    ]  # fmt: skip
    assert rows[-1]["file"] == "received_ds=b/two.jsonl"
    rows = list(csv.DictReader(io.StringIO(flywheel(settings, "lineage", PAIRS, "--format", "csv"))))
    assert {row["model"] for row in rows} == {"rm/1", "policy/1"}
    done = CliRunner().invoke(
        app, ["lineage", "rm/1", "--short", "--format", "json"], env={"FLYWHEEL_HOME": str(settings.home)}
    )
    assert done.exit_code == 2


@pytest.mark.parametrize("name", ["singal@candidate", "reward-pointwse/1"])
def test_an_unknown_model_is_told_with_those_that_are_near(
    settings: Settings, registered: dict[str, int], name: str
) -> None:
    done = CliRunner().invoke(app, ["lineage", name], env={"FLYWHEEL_HOME": str(settings.home)})
    assert done.exit_code == 1
    assert ("Did you mean signal?" in str(done.exception)) == name.startswith("singal")


def test_from_a_table_to_the_models_that_came_from_it(settings: Settings, registered: dict[str, int]) -> None:
    assert [one.model.named for one in of_table(settings, PAIRS, registered[PAIRS])] == ["policy/1", "rm/1"]
    assert of_table(settings, PAIRS, 999) == []
    [through] = of_table(settings, EVENTS, Lake.of(settings).version(EVENTS))
    assert through.model.named == "signal/1"
    assert [way.split("@")[0] for way in through.through] == [EVENTS, TURNS, SAMPLES]
    told = flywheel(settings, "lineage", f"{PAIRS}@{registered[PAIRS]}")
    assert "policy/1" in told
    assert "rm/1" in told


def test_vacuuming_spares_what_models_stand_on_and_nothing_else(
    settings: Settings, registered: dict[str, int]
) -> None:
    lake, pinned = Lake.of(settings), registered[PAIRS]
    # Three rewrites: only the latest version and the pinned one are in use afterwards.
    for _ in range(2):
        write_deltalake(lake.open(PAIRS), lake.open(PAIRS).to_pyarrow_table(), mode="overwrite")
    unpinned = lake.version(PAIRS) - 1
    orphan = Path(lake.path(PAIRS)) / f"ds={DAY}" / "part-of-a-killed-writer.parquet"
    orphan.write_bytes(b"half")
    told = flywheel(settings, "vacuum", PAIRS, "--dry-run", "--format", "json")
    assert "rm/1" in json.loads(told)[0]["spared versions"]
    assert open_snapshot(settings, f"{PAIRS}@{unpinned}").snapshot.rows == 2
    [done] = list(vacuum(settings, [PAIRS]))
    assert (done.spared, done.gone) == ({pinned: ["rm/1"]}, ())
    assert done.files > 0
    assert not orphan.exists()
    read = open_snapshot(settings, f"{PAIRS}@{pinned}", split="train")
    assert [row for batch in read.batches() for row in batch.column("pair_id").to_pylist()] == ["p0"]
    assert open_snapshot(settings, PAIRS).snapshot.rows == 2
    with pytest.raises(VersionGone):
        open_snapshot(settings, f"{PAIRS}@{unpinned}").snapshot  # noqa: B018
    assert of_model(settings, "rm/1").gone == ()


def test_nothing_is_vacuumed_when_the_registry_does_not_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = settings.model_copy(
        update={"tracking": settings.tracking.model_copy(update={"uri": "http://127.0.0.1:9"})}
    )
    lake = Lake.of(settings)
    write_deltalake(lake.open(TURNS), lake.open(TURNS).to_pyarrow_table(), mode="overwrite")
    before = sorted(Path(lake.path(TURNS)).rglob("*.parquet"))
    with pytest.raises(RegistryUnavailable):
        list(vacuum(away))
    assert sorted(Path(lake.path(TURNS)).rglob("*.parquet")) == before
    [done] = list(vacuum(settings, [TURNS]))
    assert done.files > 0


def test_nothing_of_a_tree_is_cut_off_at_80_columns(settings: Settings, registered: dict[str, int]) -> None:
    done = CliRunner().invoke(
        app, ["lineage", "rm@candidate"], env={"FLYWHEEL_HOME": str(settings.home), "COLUMNS": "80"}
    )
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    told = "".join(line.strip(" │├└─") for line in lines)
    commit = next(line for line in lines if "code: " in line).partition("code: ")[2].split()[0]
    assert len(commit) >= 12
    assert "filter " in told
    assert "judged.jsonl" in told
