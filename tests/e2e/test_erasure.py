"""A user leaves a filled lake: from every table, every file on the disk, the landed files, and for good."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.errors import ContractError, ErasureFailed, LockHeld, VersionGone
from infra.locks import hold
from jobs.declaration import all_jobs
from jobs.maintenance import erasure
from jobs.maintenance.erasure import KEPT, columns_of, erase
from jobs.plan import Plan
from jobs.runner import run_stale
from jobs.traffic.parse import ERASED_USER, pseudonym
from models.datasets import open_snapshot
from models.registry import Lineage, register
from tests.e2e.conftest import DAYS, Crash, Product
from tests.models.test_registry import PROBE, classifier

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("product")]
SAMPLES, SCREENED, TURNS = "curation.samples", "curation.screened", "traffic.turns"


def landed(product: Product) -> Iterator[tuple[Path, list[bytes]]]:
    for path in sorted(Path(product.lake.landing).rglob("*.jsonl.gz")):
        yield path, gzip.decompress(path.read_bytes()).split(b"\n")


def somebody(product: Product) -> str:
    """The product's id of the user with most sampled turns."""
    sampled = product.lake.open(SAMPLES).to_pyarrow_table().column("user_id").to_pylist()
    wanted = max(sorted(set(sampled)), key=sampled.count)
    known = {
        str(record["user_id"])
        for _, lines in landed(product)
        for line in lines
        if b'"user_id"' in line and (record := readable(line)) and record.get("user_id")
    }
    return next(user for user in known if pseudonym(user, product.settings.user_key()) == wanted)


def readable(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from words(one)


def on_disk(product: Product) -> str:
    """Every text in every file of the lake: Parquet of all versions, logs, landed lines."""
    found = []
    for root in {product.lake.curated, product.lake.restricted}:
        for path in Path(root).rglob("*"):
            if path.suffix == ".parquet" and "_delta_log" not in path.parts:
                if not {"erasures", "raw_reads"} & set(path.parts):
                    found += [text for row in pq.read_table(path).to_pylist() for text in words(row)]
            elif path.suffix == ".json" and path.is_file():
                found.append(path.read_text(errors="replace"))
    found += [line.decode(errors="replace") for _, lines in landed(product) for line in lines]
    return "\n".join(found)


def others(product: Product, table: str, who: str) -> list[str]:
    return [row for row in product.rows(table) if who not in row]


@pytest.fixture
def victim(copied: Callable[[], Product], tmp_path: Path) -> Product:
    """A copy with a model on the sampled rows, and one on a version that holds nobody's."""
    product = copied()
    # What lands on later days is nothing to this test.
    for zone in sorted(Path(product.lake.landing).rglob("received_ds=*")):
        if zone.name.partition("=")[2] not in map(str, DAYS):
            shutil.rmtree(zone)
    folder, empty = classifier(tmp_path), open_snapshot(product.settings, f"{SAMPLES}@0", raw=True).snapshot
    for name, snapshot, parents in (
        ("touched", open_snapshot(product.settings, SAMPLES, split="train").snapshot, ()),
        ("child", empty, ("touched/1",)),
        ("clean", empty, ()),
    ):
        register(
            product.settings,
            name,
            folder,
            Lineage((snapshot,), "b", "b", "t", 1, {"n": name}, parents),
            {},
            PROBE,
        )
    return product


def test_every_table_is_erased_from_or_said_to_be_kept() -> None:
    """A table that is new and has a column of users is found by it; one that hides them in another name fails here."""
    from infra.contracts import contract, table_names

    for name in table_names():
        named = {column.name for column in contract(name).columns if column.pii == "pseudonym"}
        assert not named - {"user_id", "creator_id", "annotator_id"}, name
        assert columns_of(name) or name in KEPT or not named & {"user_id", "creator_id"}, name
        assert columns_of(name) or name in KEPT or "turn_id" not in contract(name).column_names, name


def test_a_user_leaves_every_file_and_the_lake_stands(
    victim: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, user = victim.lake, somebody(victim)
    who = pseudonym(user, victim.settings.user_key())
    theirs = [row for row in lake.open(TURNS).to_pyarrow_table().to_pylist() if row["user_id"] == who]
    everybody = [row for row in lake.open(TURNS).to_pyarrow_table().to_pylist() if row["user_id"] != who]
    said = {
        text
        for row in theirs
        for text in (row["user_message"], row["response"])
        if text
        and len(text) > 30
        and not any(text in (one["user_message"] or "") + one["response"] for one in everybody)
    }
    turns = {row["turn_id"] for row in theirs}
    assert len(said) > 3
    assert sum(text in on_disk(victim) for text in said) == len(said)
    tables = [table for job in all_jobs() for table in job.writes]
    before = {table: others(victim, table, who) for table in tables}
    pinned = lake.version(SAMPLES)
    files = list(landed(victim))

    asked = ["erase", "--from", "-", "--dry-run", "--format", "json"]
    at = {"FLYWHEEL_HOME": str(victim.settings.home)}
    told = CliRunner().invoke(app, asked, input=f"{user}\n\n{user}\nnobody\n", env=at)
    assert told.exit_code == 0, told.output
    would = {row["place"]: row["rows"] for row in json.loads(told.stdout)}
    assert would[TURNS] == len(theirs)
    assert user not in told.output
    assert "1 of 2 id(s) name nobody" in told.output
    assert {table: others(victim, table, who) for table in tables} == before

    # Killed at every table, and called again: nothing is forgotten.
    real = erasure._Erasure._vacuum
    for table in ("curation.embeddings", "curation.outcomes", "signals.labels"):

        def die(self: Any, name: str, spared: Any, table: str = table) -> None:
            if name == table:
                raise Crash
            real(self, name, spared)

        with monkeypatch.context() as patch:
            patch.setattr(erasure._Erasure, "_vacuum", die)
            with pytest.raises(Crash):
                list(erase(victim.settings, [user]))
    done = {one.place: one for one in erase(victim.settings, [user])}

    left = on_disk(victim)
    assert not [text for text in said if text in left]
    assert f'"{user}"' not in left
    assert not [row for table in tables for row in victim.rows(table) if who in row]
    # Embeddings know nobody; all other rows of all others are as they were.
    for table in set(tables) - {"curation.embeddings"}:
        if "turn_id" not in columns_of(table):
            assert others(victim, table, who) == before[table], table
        else:
            left_over = [
                row for row in before[table] if not any(f"('turn_id', '{turn}')" in row for turn in turns)
            ]
            assert others(victim, table, who) == left_over, table
    assert done[SAMPLES].lost == {pinned: ["touched/1"]}
    assert done[SAMPLES].models == ("child/1", "touched/1")
    with pytest.raises(VersionGone):
        list(open_snapshot(victim.settings, f"{SAMPLES}@{pinned}", split="train").batches())
    assert open_snapshot(victim.settings, f"{SAMPLES}@0", raw=True).snapshot.rows == 0
    certified = lake.open("ops.erasures").to_pyarrow_table().to_pylist()
    assert {row["user_id"] for row in certified} == {who}
    assert sum(row["rows_erased"] for row in certified if row["table_name"] == SCREENED) == would[SCREENED]
    assert [row["affected_models"] for row in certified if row["table_name"] == SAMPLES][-1] == [
        "child/1",
        "touched/1",
    ]
    for (path, old), (_, new) in zip(files, landed(victim), strict=True):
        assert len(old) == len(new), path
        kept = [(a, b) for a, b in zip(old, new, strict=True) if b != b'{"event_type": "erased"}']
        assert all(a == b for a, b in kept)

    # What still arrives is refused, and what is stale is made without them.
    records = [
        record for _, lines in files for line in lines if (record := readable(line)).get("user_id") == user
    ]
    theirs_said = next(record for record in records if record.get("event_type") == "message")
    late = theirs_said | {"event_id": "late", "event_ts": f"{DAYS[-1]}T11:00:00+00:00", "received_ts": None}
    place = Path(lake.landing) / f"received_ds={DAYS[-1]}" / "late.jsonl"
    place.write_text(json.dumps(late) + "\n")
    run_stale(victim.settings)
    assert Plan(victim.settings).everything() == []
    assert not [row for table in tables for row in victim.rows(table) if who in row]
    reasons = (
        lake.open("traffic.quarantine").to_pyarrow_table().filter(pa.compute.field("reason") == ERASED_USER)
    )
    assert f"received_ds={DAYS[-1]}/late.jsonl" in reasons.column("source_file").to_pylist()
    for table in tables:  # others' rows named their turns as what they repeat, until they were pruned anew
        assert not [turn for row in victim.rows(table) for turn in turns if f"'{turn}'" in row], table
    remaining = {row["turn_id"] for row in everybody}
    for table in (TURNS, SCREENED, "curation.outcomes", "signals.labels"):
        assert {row["turn_id"] for row in lake.open(table).to_pyarrow_table().to_pylist()} == remaining, table
    assert lake.open(SAMPLES).to_pyarrow_table().num_rows > 0


def test_what_cannot_be_erased_whole_is_not_begun(
    copied: Callable[[], Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = copied()
    user = somebody(product)
    before = product.rows(TURNS)
    with hold(product.lake.locks, ["curation.pruned"], "a-job", 60), pytest.raises(LockHeld, match="a-job"):
        list(erase(product.settings, [user]))
    real = type(product.lake).readable
    with monkeypatch.context() as patch:
        patch.setattr(
            type(product.lake), "readable", lambda self: {k: v for k, v in real(self).items() if k != TURNS}
        )
        with pytest.raises(ContractError, match="may not read"):
            list(erase(product.settings, [user]))
    assert product.rows(TURNS) == before
    with monkeypatch.context() as patch:
        patch.setattr("deltalake.DeltaTable.delete", lambda *_, **__: {})
        with pytest.raises(ErasureFailed, match="are left"):
            list(erase(product.settings, [user]))
