"""A user leaves a filled lake: from every table, every file on the disk, the landed files, and for good."""

from __future__ import annotations

import gzip
import json
import re
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
from infra.ids import pseudonym
from infra.lake.locks import hold
from jobs.landing.lines import ERASED_USER
from jobs.maintenance import erasure
from jobs.maintenance.erasure import KEPT, columns_of, erase
from jobs.plan import Plan
from jobs.runner import run_stale
from models.registry.register import Lineage, register
from models.tables.opened import open_snapshot
from tests.e2e.conftest import DAYS, Crash, Product, written_tables
from tests.models.registry.test_register import PROBE, classifier

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("product")]
SAMPLES, SCREENED, TURNS = "curation.samples", "curation.screened", "traffic.turns"
TABLES = written_tables()


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


@pytest.mark.nightly
def test_a_dry_run_counts_and_changes_nothing(victim: Product) -> None:
    user = somebody(victim)
    who = pseudonym(user, victim.settings.user_key())
    before = {table: victim.rows(table) for table in TABLES}
    files = list(landed(victim))
    asked = ["erase", "--from", "-", "--dry-run", "--format", "json"]
    at = {"FLYWHEEL_HOME": str(victim.settings.home)}
    told = CliRunner().invoke(app, asked, input=f"{user}\n\n{user}\nnobody\n", env=at)
    assert told.exit_code == 0, told.output
    would = {row["place"]: row["rows"] for row in json.loads(told.stdout)}
    assert would[TURNS] == sum(who in row for row in before[TURNS])
    assert user not in told.output
    assert "1 of 2 id(s) match no user" in told.output
    assert {table: victim.rows(table) for table in TABLES} == before
    assert list(landed(victim)) == files
    assert victim.rows("ops.erasures") == []


@pytest.mark.nightly
def test_a_user_leaves_every_file_and_the_lake_stands(
    victim: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, user = victim.lake, somebody(victim)
    who = pseudonym(user, victim.settings.user_key())
    everybody = lake.open(TURNS).to_pyarrow_table().to_pylist()
    theirs = [row for row in everybody if row["user_id"] == who]
    rest = [row for row in everybody if row["user_id"] != who]
    said = said_by_nobody_else(theirs, rest)
    assert len(said) > 3
    assert sum(text in on_disk(victim) for text in said) == len(said)
    turns = {row["turn_id"] for row in theirs}
    before = {table: others(victim, table, who) for table in TABLES}
    screened = sum(who in row for row in victim.rows(SCREENED))
    pinned = lake.version(SAMPLES)
    files = list(landed(victim))

    for table in ("curation.embeddings", "curation.outcomes", "signals.labels"):
        kill_at(table, victim, user, monkeypatch)
    done = {one.place: one for one in erase(victim.settings, [user])}

    left = on_disk(victim)
    assert not [text for text in said if text in left]
    assert f'"{user}"' not in left
    assert not [row for table in TABLES for row in victim.rows(table) if who in row]
    check_others(victim, who, turns, before)
    check_lines(files, list(landed(victim)))
    assert done[SAMPLES].lost == {pinned: ["touched/1"]}
    assert done[SAMPLES].models == ("child/1", "touched/1")
    with pytest.raises(VersionGone):
        list(open_snapshot(victim.settings, f"{SAMPLES}@{pinned}", split="train").batches())
    assert open_snapshot(victim.settings, f"{SAMPLES}@0", raw=True).snapshot.rows == 0
    certified = lake.open("ops.erasures").to_pyarrow_table().to_pylist()
    assert {row["user_id"] for row in certified} == {who}
    assert sum(row["rows_erased"] for row in certified if row["table_name"] == SCREENED) == screened
    touched = [row["affected_models"] for row in certified if row["table_name"] == SAMPLES]
    assert touched[-1] == ["child/1", "touched/1"]

    # What still arrives is refused, and what is stale is made without them.
    late = deliver_late(victim, user, files)
    run_stale(victim.settings)
    assert Plan(victim.settings).everything() == []
    assert not [row for table in TABLES for row in victim.rows(table) if who in row]
    quarantined = lake.open("traffic.quarantine").to_pyarrow_table()
    refused = quarantined.filter(pa.compute.field("reason") == ERASED_USER)
    assert late in refused.column("source_file").to_pylist()
    for table in TABLES:  # others' rows named their turns as what they repeat, until they were pruned anew
        assert not [turn for row in victim.rows(table) for turn in turns if f"'{turn}'" in row], table
    remaining = {row["turn_id"] for row in rest}
    for table in (TURNS, SCREENED, "curation.outcomes", "signals.labels"):
        assert {row["turn_id"] for row in lake.open(table).to_pyarrow_table().to_pylist()} == remaining, table
    assert lake.open(SAMPLES).to_pyarrow_table().num_rows > 0


def said_by_nobody_else(theirs: list[dict[str, Any]], rest: list[dict[str, Any]]) -> set[str]:
    """Texts long enough to be known again."""
    heard = "\n".join((row["user_message"] or "") + row["response"] for row in rest)
    texts = {text for row in theirs for text in (row["user_message"], row["response"])}
    return {text for text in texts if text and len(text) > 30 and text not in heard}


def kill_at(table: str, victim: Product, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erase, and die once the table is rewritten and before it is vacuumed."""
    real = erasure._Erasure._vacuum

    def die(self: Any, name: str, spared: Any) -> None:
        if name == table:
            raise Crash
        real(self, name, spared)

    with monkeypatch.context() as patch:
        patch.setattr(erasure._Erasure, "_vacuum", die)
        with pytest.raises(Crash):
            list(erase(victim.settings, [user]))


def check_others(victim: Product, who: str, turns: set[str], before: dict[str, list[str]]) -> None:
    """Embeddings know nobody; all other rows of all others are as they were, but for what they named."""
    a_turn = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(turns)))})(?![\w-])")
    for table in set(TABLES) - {"curation.embeddings"}:
        if "turn_id" not in columns_of(table):
            assert others(victim, table, who) == before[table], table
        else:
            left_over = [
                row for row in before[table] if not any(f"('turn_id', '{turn}')" in row for turn in turns)
            ]
            assert others(victim, table, who) == sorted(a_turn.sub("(erased)", row) for row in left_over), (
                table
            )


def check_lines(old: list[tuple[Path, list[bytes]]], new: list[tuple[Path, list[bytes]]]) -> None:
    """Every line is what and where it was, or a tombstone."""
    for (path, before), (_, after) in zip(old, new, strict=True):
        assert len(before) == len(after), path
        kept = [(a, b) for a, b in zip(before, after, strict=True) if b != b'{"event_type": "erased"}']
        assert all(a == b for a, b in kept)


def deliver_late(victim: Product, user: str, files: list[tuple[Path, list[bytes]]]) -> str:
    """Land one more message of the user; the name of its file."""
    records = (readable(line) for _, lines in files for line in lines)
    theirs = next(one for one in records if one.get("user_id") == user and one.get("event_type") == "message")
    late = theirs | {"event_id": "late", "event_ts": f"{DAYS[-1]}T11:00:00+00:00", "received_ts": None}
    name = f"received_ds={DAYS[-1]}/late.jsonl"
    (Path(victim.lake.landing) / name).write_text(json.dumps(late) + "\n")
    return name


@pytest.mark.nightly
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
        patch.setattr(erasure, "rewrite", lambda *_: None)
        with pytest.raises(ErasureFailed, match="are left"):
            list(erase(product.settings, [user]))
