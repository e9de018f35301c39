"""A user leaves every table that knows users, each file on the disk and the landed lines: two users, no JVM.

tests/e2e/test_erasure.py does it to a lake that the jobs filled, with models on it, kills and late events.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infra.contracts import contract, table_names
from infra.errors import LockHeld
from infra.ids import pseudonym
from infra.lake import Lake
from infra.lake.locks import hold
from infra.settings import Settings
from jobs.maintenance.erasure import columns_of, erase
from tests.conftest import DAY, put

LEAVES, STAYS = "user-who-leaves", "user-who-stays"
TABLES = [name for name in table_names() if columns_of(name)]
# What the tables' CHECKs ask for.
VALUES = {
    "winner": "a", "mode": "static", "split": "train", "verdict": "pass", "decision": "approve", "source": "user",
    "event_type": "message", "tenure": "new", "kept": True, "pre_days_engaged": 0, "days_engaged": 0,
}  # fmt: skip
OUTCOMES = {"curation.outcomes": "eligible", "curation.sample_outcomes": "selected"}


def row_of(table: str, user: str, key: str) -> dict[str, Any]:
    """A row that is the user's by every column that can say so, with their words in every text column."""
    owned = dict.fromkeys(("user_id", "creator_id"), pseudonym(user, key))
    owned |= {
        name: f"{name} of {user}" for name in ("turn_id", "conversation_id", "character_id", "text_hash")
    }
    words = {
        c.name: f"{c.name}: words of {user}" for c in contract(table).columns if c.pii in ("raw", "redacted")
    }
    return {**words, **VALUES, "outcome": OUTCOMES.get(table, "x"), **owned}


@pytest.fixture
def landed(settings: Settings, lake: Lake) -> Path:
    """Both users' rows in every table, and a landed file with a line of each."""
    key = settings.user_key()
    for table in TABLES:
        put(lake, table, [row_of(table, user, key) for user in (LEAVES, STAYS)])
    path = Path(lake.landing) / f"received_ds={DAY}" / "a.jsonl.gz"
    path.parent.mkdir(parents=True)
    lines = [
        {"event_id": user, "event_type": "message", "user_id": user, "payload": {"text": f"words of {user}"}}
        for user in (LEAVES, STAYS)
    ]
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


def on_disk(lake: Lake) -> str:
    """Everything in every file of the tables: of all versions, and the log."""
    texts = []
    for root in (lake.curated, lake.restricted):
        for path in Path(root).rglob("*"):
            if path.suffix == ".parquet" and "_delta_log" not in path.parts:
                texts.append(str(pq.read_table(path).to_pylist()))
            elif path.suffix == ".json":
                texts.append(path.read_text())
    return "\n".join(texts)


def rows(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    return {table: lake.open(table).to_pyarrow_table().to_pylist() for table in TABLES}


def test_one_user_leaves_every_table_and_file_and_the_other_stays(
    settings: Settings, lake: Lake, landed: Path
) -> None:
    done = {one.place: one.rows.total() for one in erase(settings, [LEAVES])}
    assert done == dict.fromkeys(TABLES, 1) | {"landing": 1, "landing/preferences": 0}
    left = on_disk(lake)
    assert f"words of {LEAVES}" not in left
    assert f"words of {STAYS}" in left
    for table, remaining in rows(lake).items():
        assert [row["run_id"] for row in remaining] == ["x"], table
        assert LEAVES not in str(remaining), table
        assert pseudonym(LEAVES, settings.user_key()) not in str(remaining), table
    assert gzip.decompress(landed.read_bytes()).split(b"\n")[0] == b'{"event_type": "erased"}'
    assert f"words of {STAYS}".encode() in gzip.decompress(landed.read_bytes())
    certificates = lake.open("ops.erasures").to_pyarrow_table().to_pylist()
    assert {row["table_name"] for row in certificates} == {*TABLES, "landing", "landing/preferences"}
    assert {row["user_id"] for row in certificates} == {pseudonym(LEAVES, settings.user_key())}


def test_a_dry_run_counts_the_same_and_changes_nothing(settings: Settings, lake: Lake, landed: Path) -> None:
    before, file = rows(lake), landed.read_bytes()
    would = {one.place: one.rows.total() for one in erase(settings, [LEAVES, "nobody"], dry_run=True)}
    assert would == dict.fromkeys(TABLES, 1) | {"landing": 1, "landing/preferences": 0}
    assert (rows(lake), landed.read_bytes()) == (before, file)
    assert lake.open("ops.erasures").to_pyarrow_table().num_rows == 0


def test_while_a_job_writes_a_table_nothing_is_begun(settings: Settings, lake: Lake, landed: Path) -> None:
    before, file = rows(lake), landed.read_bytes()
    with hold(lake.locks, ["curation.pruned"], "a-job", 60), pytest.raises(LockHeld, match="a-job"):
        list(erase(settings, [LEAVES]))
    assert (rows(lake), landed.read_bytes()) == (before, file)
