"""`flywheel pull`: the same bytes each time, whole or not at all, with a card that tells the truth."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset, load_from_disk
from deltalake import DeltaTable
from typer.testing import CliRunner, Result

from cli.main import app
from infra.errors import PullRefused, SnapshotRefused
from infra.lake import Lake
from infra.settings import Settings
from models.pull.pull import Kind, pull
from models.tables.opened import open_snapshot
from tests.conftest import put
from tests.models.tables.lakes import SAMPLES, write

MARKUP = "</script>|`x`\n# head"
ROWS = pa.table(
    {
        "turn_id": ["t1", "t2", "t3"],
        "user_id": ["u1", "u1", "u2"],
        "split": ["train", "train", "evaluation"],
        "locale": [MARKUP, None, "en-US"],
        "context": ["{}", "line \u2028 end \x85 \n next", "ü\u0000"],
        "weight": [1.0, float("nan"), 2.5],
        "ds": [date(2026, 11, 20)] * 3,
    }
)


@pytest.fixture
def filled(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FLYWHEEL_HOME", str(settings.home))
    write(settings, ROWS, partition_by=["ds"])
    return settings


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["pull", *map(str, words)])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def card(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "card.json").read_text(), parse_constant=pytest.fail)
    return found


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "hf"])
def test_the_same_pull_gives_the_same_bytes_and_again_changes_nothing(
    filled: Settings, tmp_path: Path, kind: Kind
) -> None:
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    for folder in (one, two):
        assert run(SAMPLES, "--split", "train", "--to", kind, "--out", folder).exit_code == 0
    assert contents(one) == contents(two)
    before = {path: path.stat().st_mtime_ns for path in one.rglob("*")}
    again = run(f"{SAMPLES}@0", "--split", "train", "--to", kind, "--out", one)
    assert "Unchanged" in again.output
    assert {path: path.stat().st_mtime_ns for path in one.rglob("*")} == before
    rows = (
        load_from_disk(str(one))
        if kind == "hf"
        else load_dataset(str(one), split="train", cache_dir=str(tmp_path / "c"))
    )
    assert (rows["turn_id"][:], rows["context"][1]) == (["t1", "t2"], ROWS["context"][1].as_py())


@pytest.mark.parametrize("split", ["train", ""])
def test_pandas_pyarrow_and_datasets_read_a_pulled_folder(
    filled: Settings, tmp_path: Path, split: str
) -> None:
    """The card lay in the way: readers of folders take every file for rows."""
    for kind in ("parquet", "jsonl"):
        folder = tmp_path / kind
        done = run(SAMPLES, *(("--split", split) if split else ()), "--to", kind, "--out", folder)
        assert str(folder / "data") in done.output
        read = load_dataset(str(folder), split=split or "rows", cache_dir=str(tmp_path / "c"))
        found = pads.dataset(folder / "data", format="parquet" if kind == "parquet" else "json").to_table()
        assert found["turn_id"].to_pylist() == read["turn_id"][:]
        assert "DIR/data" in (folder / "README.md").read_text()
    frame = pd.read_parquet(tmp_path / "parquet" / "data")
    assert frame["turn_id"].tolist() == found["turn_id"].to_pylist()


def test_the_card_says_what_was_pulled(filled: Settings, tmp_path: Path) -> None:
    done = run(
        SAMPLES, "--where", "weight > 1", "--columns", "turn_id, locale,user_id", "--out", tmp_path / "p"
    )
    assert done.exit_code == 0, done.output
    found = card(tmp_path / "p")
    assert (found["table"], found["version"], found["where"], found["rows"], found["users"]) == (
        SAMPLES,
        0,
        "weight > 1",
        2,
        2,
    )
    assert found["levels"]["locale"] == {"(none)": 1, "en-US": 1}
    assert [one["name"] for one in found["columns"]] == ["turn_id", "locale", "user_id"]
    comment = "Table 1, one dimension with language."
    wanted = {"name": "locale", "type": "string", "nulls": 1, "pii": "none", "comment": comment}
    assert found["columns"][1] == wanted
    assert found["filter_hash"] == open_snapshot(filled, SAMPLES, where="weight > 1").snapshot.filter_hash
    text = (tmp_path / "p" / "README.md").read_text()
    assert filled.handoff.licence in text
    assert "pseudonymous, not anonymous" in text
    table = pq.read_table(next((tmp_path / "p" / "data").iterdir()))
    assert (table.column_names, table["turn_id"].to_pylist()) == (
        ["turn_id", "locale", "user_id"],
        ["t2", "t3"],
    )


def test_text_from_users_cannot_break_out_of_the_card(filled: Settings, tmp_path: Path) -> None:
    assert run(SAMPLES, "--where", f"locale = '{MARKUP}'", "--out", tmp_path / "p").exit_code == 0
    text = (tmp_path / "p" / "README.md").read_text()
    assert "&lt;/script&gt;&#124;&#96;x&#96; # head 1" in text
    assert "</script>" not in text
    assert "\n# head" not in text


def test_json_lines_are_one_row_each_and_hold_no_nan(filled: Settings, tmp_path: Path) -> None:
    assert run(SAMPLES, "--to", "jsonl", "--out", tmp_path / "p").exit_code == 0
    text = next((tmp_path / "p" / "data").iterdir()).read_text()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert [row["weight"] for row in rows] == [1.0, None, 2.5]
    assert rows[1]["context"] == ROWS["context"][1].as_py()
    assert (rows[0]["ds"], rows[1]["locale"]) == ("2026-11-20", None)
    assert card(tmp_path / "p")["notes"] == [
        "1 floating-point values that JSON cannot represent (NaN, infinity) are null."
    ]


def test_nothing_selected_is_said_and_still_has_its_schema(filled: Settings, tmp_path: Path) -> None:
    done = run(SAMPLES, "--where", "turn_id = 'none'", "--out", tmp_path / "p")
    assert (done.exit_code, "No row matched" in done.output) == (0, True)
    assert pq.read_table(next((tmp_path / "p" / "data").iterdir())).schema.names == ROWS.schema.names


@pytest.mark.parametrize(
    "other",
    [["--split", "train"], ["--where", "turn_id = 't1'"], ["--to", "jsonl"], ["--columns", "turn_id"]],
)
def test_another_pull_in_the_folder_is_refused(filled: Settings, tmp_path: Path, other: list[str]) -> None:
    assert run(SAMPLES, "--out", tmp_path / "p").exit_code == 0
    before = contents(tmp_path / "p")
    refused = run(SAMPLES, *other, "--out", tmp_path / "p")
    assert isinstance(refused.exception, PullRefused)
    assert contents(tmp_path / "p") == before


def test_a_later_version_damage_and_strangers_are_told_apart(filled: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert run(SAMPLES, "--out", folder).exit_code == 0
    write(filled, ROWS, partition_by=["ds"])
    with pytest.raises(
        PullRefused, match=r"holds another pull \(curation\.samples@0\); it differs in version"
    ):
        pull(open_snapshot(filled, SAMPLES), "parquet", folder, filled.handoff.licence)
    file = next((folder / "data").iterdir())
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(PullRefused, match="1 files changed, 0 missing"):
        pull(open_snapshot(filled, f"{SAMPLES}@0"), "parquet", folder, filled.handoff.licence)
    file.unlink()
    with pytest.raises(PullRefused, match="0 files changed, 1 missing"):
        pull(open_snapshot(filled, f"{SAMPLES}@0"), "parquet", folder, filled.handoff.licence)
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "notes.txt").write_text("mine")
    with pytest.raises(PullRefused, match="was not created by a pull"):
        pull(open_snapshot(filled, SAMPLES), "parquet", tmp_path / "q", filled.handoff.licence)


def test_a_killed_pull_leaves_no_half_folder_and_its_rest_is_swept(filled: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    opened = open_snapshot(filled, SAMPLES)
    child = os.fork()
    if child == 0:
        pull(opened, "jsonl", folder, "none", lambda rows: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    (rest,) = tmp_path.glob(".p.partial-*")
    assert not folder.exists()
    os.utime(rest, (time.time() - 3_600,) * 2)
    assert pull(opened, "jsonl", folder, "none").rows == 3
    assert [
        path.name for path in tmp_path.iterdir() if path.name.endswith("p") or "partial" in path.name
    ] == ["p"]


def test_raw_text_is_pulled_on_demand_only_and_on_record(
    settings: Settings, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(settings.home))
    put(lake, "traffic.quarantine", [{"source_file": "f"}])
    asked = ("traffic.quarantine", "--out", tmp_path / "p")
    assert isinstance(run(*asked).exception, SnapshotRefused)
    assert isinstance(run(*asked, "--raw").exception, PullRefused)
    assert DeltaTable(lake.path("ops.raw_reads")).count() == 0
    assert run(*asked, "--raw", "--reader", "ann").exit_code == 0
    (read,) = DeltaTable(lake.path("ops.raw_reads")).to_pyarrow_table().to_pylist()
    assert (read["reader"], read["turn_id"].startswith("traffic.quarantine@1 ")) == ("ann", True)
    assert "RAW TEXT" in (tmp_path / "p" / "README.md").read_text()
    assert (tmp_path / "p").stat().st_mode & 0o077 == 0
