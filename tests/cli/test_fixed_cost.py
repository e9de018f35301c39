"""What a command needs before it begins: one that only reads the lake loads no engine, no model and no registry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from infra.settings import load_settings
from tests.conftest import REPOSITORY, migrated

# Each takes half a second or more to import; a registry that is not there takes ten seconds to make.
HEAVY = (
    "pyspark",
    "torch",
    "transformers",
    "mlflow",
    "great_expectations",
    "scipy",
    "sklearn",
    "airflow",
    "datasets",
)
COMMANDS = (
    ("plan",), ("plan", "--days", "2026-11-20", "--stage", "curation"), ("tables",), ("tables", "curation.samples"),
    ("sql", "SELECT count(*) FROM ops.runs"), ("experiment", "list"), ("readout", "exp-001"), ("outcomes", "t1"),
    ("lineage",), ("lineage", "reward-pointwise@candidate"), ("preferences", "list"),
    ("erase", "nobody", "--dry-run"), ("--version",), ("run", "preherding.score", "--days", "2026-11-20"),
)  # fmt: skip

RUN = """
import json, sys
from typer.testing import CliRunner
from cli.main import app
told = {}
for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, words)
    told[" ".join(words)] = (done.exit_code, [name for name in json.loads(sys.argv[2]) if name in sys.modules])
print(json.dumps(told))
"""


def test_commands_that_read_load_nothing_heavy(tmp_path: Path) -> None:
    migrated(load_settings(home=tmp_path))
    (tmp_path / "flywheel.toml").write_text('[preherding]\nscore_model = "reward-pointwise@candidate"\n')
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(COMMANDS), json.dumps(HEAVY)],
        capture_output=True, text=True, check=True, cwd=REPOSITORY, env={"FLYWHEEL_HOME": str(tmp_path)},
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    assert {words: heavy for words, (_, heavy) in told.items() if heavy} == {}
    assert told["erase nobody --dry-run"][0] == 3, "nobody was found"
    assert told["plan"][0] == 0
    assert told["run preherding.score --days 2026-11-20"][0] == 1, (
        "the model does not exist: told before Spark starts"
    )
    assert not (tmp_path / ".flywheel" / "mlflow.db").exists(), "who only asks makes no registry"
