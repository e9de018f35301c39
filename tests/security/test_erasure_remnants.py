"""An erasure leaves nothing that names the user, or says where it is; and everything else reads the lake as before."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from infra.errors import VersionGone
from infra.ids import pseudonym
from infra.lake import Lake, ledger
from infra.lake.integrity import faults
from infra.settings import Settings
from infra.storage import Folder
from jobs.maintenance import erasure
from jobs.maintenance.erasure import erase
from models.screening.verdict import content_hash
from models.tables.opened import open_snapshot
from tests.conftest import DAY, migrated, put, settings_for
from tests.jobs.maintenance.test_erasure import LEAVES, STAYS, TABLES, row_of

TURNS, SAMPLES, PRUNED = "traffic.turns", "curation.samples", "curation.pruned"
THEIR_TURN = f"turn_id of {LEAVES}"
OLD = f"{LEAVES} of old"
OTHERS = {
    PRUNED: {"kept": False, "reason": "near_duplicate", "is_duplicate_of": THEIR_TURN, "kept_turn_id": THEIR_TURN},
    "curation.outcomes": {"detail": f"kept turn {THEIR_TURN}, similarity 0.9876"},
    "curation.sample_outcomes": {"outcome": "split_leak", "reason": THEIR_TURN},
}  # fmt: skip
CLEAN, DIRTY = 1, 2
"""Versions of the samples that a model pins: before and after the user came."""


def row(table: str, user: str, settings: Settings) -> dict[str, Any]:
    key = settings.user_key()
    words = {"user_message": f"hello from {user}", "response": f"hello to {user}"}
    own = {"content_hash": content_hash(key, words["user_message"], words["response"]), "language": "en"}
    named = OTHERS.get(table, {}) if user == STAYS else {}
    # As the sampling has it; a dataset is a partition.
    return {**row_of(table, user, key), **words, **own, **named, "dataset_id": "data-1", "context": "{}"}


def fill(settings: Settings, tables: Sequence[str] = TABLES) -> Lake:
    """Both users in every table, a version of one table that is clean, and what erasures of before left in a log."""
    lake = migrated(settings)
    put(lake, SAMPLES, [row(SAMPLES, STAYS, settings)])
    assert lake.version(SAMPLES) == CLEAN
    for table in tables:
        users = (LEAVES,) if table == SAMPLES else (LEAVES, STAYS, "user-who-stays-too")
        put(lake, table, [row(table, user, settings) for user in users])
    put(lake, TURNS, [row(TURNS, OLD, settings)])
    lake.open(TURNS).delete(f"turn_id = 'turn_id of {OLD}'")
    made = [
        {
            "run_id": "r", "job": "curation.outcomes", "table_name": "curation.outcomes", "ds": DAY,
            "started_ts": ledger.now(), "ended_ts": ledger.now(), "state": "succeeded", "rows_out": 3,
            "output_version": lake.version("curation.outcomes"),
        }
    ]  # fmt: skip
    ledger.append(lake, "ops.runs", made, "r")
    land(lake, "a.jsonl", [{"event_type": "message", "user_id": user} for user in (LEAVES, STAYS)])
    return lake


def land(lake: Lake, name: str, records: list[dict[str, Any]], folder: str = f"received_ds={DAY}") -> Path:
    path = Path(lake.landing) / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if ".gz" in name else content)
    return path


def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "in_use", lambda _: {SAMPLES: {CLEAN: ["clean/1"], DIRTY: ["touched/1"]}})
    monkeypatch.setattr(erasure, "models_touching", lambda *_: ["touched/1"])


def names(content: bytes, settings: Settings) -> bool:
    return any(word in content for word in (LEAVES.encode(), pseudonym(LEAVES, settings.user_key()).encode()))


def left(settings: Settings) -> set[str]:
    """Every file of the project in which an id or a keyed hash of the user is found, read in every way there is."""
    found = set()
    for path in settings.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()  # also the bounds in a Parquet file's footer
            if content.startswith(b"PAR1"):
                content += str(pq.read_table(path, partitioning=None).to_pylist()).encode()
            elif content.startswith(b"\x1f\x8b"):
                content += gzip.decompress(content)
            if names(content, settings) or names(str(path).encode(), settings):
                found.add(path.relative_to(settings.home).as_posix())
    return found


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lake from which the user was erased, and that only reads change from then on."""
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_for(tmp_path_factory.mktemp("erased"))
        fill(settings)
        assert len(left(settings)) > len(TABLES)
        pinned(patch)
        list(erase(settings, [LEAVES]))
        yield settings


def test_no_file_names_them_but_the_certificates(erased: Settings) -> None:
    certificates = Path(Lake.of(erased).path("ops.erasures")).relative_to(erased.home).as_posix()
    assert {path for path in left(erased) if not path.startswith(certificates)} == set()
    kept = b"".join(path.read_bytes() for path in (erased.home / certificates).rglob("*.*"))
    assert LEAVES.encode() not in kept


def test_the_rows_of_others_say_that_what_they_named_was_erased(erased: Settings) -> None:
    lake = Lake.of(erased)
    rows = {table: lake.open(table).to_pyarrow_table().to_pylist() for table in OTHERS}
    pruned = next(one for one in rows[PRUNED] if one["turn_id"] == f"turn_id of {STAYS}")
    assert (pruned["is_duplicate_of"], pruned["kept_turn_id"]) == ("(erased)", "(erased)")
    assert {one["detail"] for one in rows["curation.outcomes"]} == {
        "kept turn (erased), similarity 0.9876",
        None,
    }
    assert {one["reason"] for one in rows["curation.sample_outcomes"]} == {"(erased)", None}


def test_a_pinned_version_without_their_rows_reads_and_one_with_them_says_that_it_was_erased(
    erased: Settings,
) -> None:
    assert open_snapshot(erased, f"{SAMPLES}@{CLEAN}").snapshot.rows == 1
    with pytest.raises(VersionGone, match=r"erasure of users.*or a vacuum.*Do not restore"):
        open_snapshot(erased, f"{SAMPLES}@{DIRTY}")
    with pytest.raises(VersionGone, match=r"erasure of users"):
        open_snapshot(erased, f"{TURNS}@1", raw=True)


def test_nobody_accuses_the_erasure(erased: Settings) -> None:
    assert faults(Lake.of(erased)) == []
    assert faults(Lake.of(erased), thorough=True) == []


def call(settings: Settings, *words: str, given: str | None = None) -> Result:
    at = {"FLYWHEEL_HOME": str(settings.home), "FLYWHEEL_REVIEWER": "maria"}
    return CliRunner().invoke(app, [*words], input=given, env=at)


READERS = [
    ("review", "list"),
    ("review", "show", f"turn_id of {STAYS}"),
    ("pull", SAMPLES, "--where", f"turn_id = 'turn_id of {STAYS}' AND language LIKE 'e%'", "--to", "jsonl"),
    ("pull", f"{SAMPLES}@{CLEAN}", "--split", "train", "--to", "hf"),
    ("sql", f"SELECT turn_id FROM curation.pruned WHERE kept_turn_id = '(erased)' AND turn_id = 'turn_id of {STAYS}'"),
    ("sql", "SELECT * FROM views.daily_funnel"),
    ("outcomes", f"turn_id of {STAYS}"),
    ("lineage", TURNS),
    ("plan",),
]  # fmt: skip


@pytest.mark.parametrize("words", READERS, ids=lambda words: " ".join(words[:2]))
def test_every_reader_reads_the_erased_lake(erased: Settings, words: tuple[str, ...], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")] if words[0] == "pull" else []
    told = call(erased, *words, *out)
    assert told.exit_code == 0, (told.output, told.exception)
    assert LEAVES not in told.output
    assert "restore" not in told.output.lower()


def test_training_streams_the_erased_lake(erased: Settings) -> None:
    opened = open_snapshot(erased, SAMPLES, split="train", where=f"turn_id <> 'x' AND user_id <> '{LEAVES}'")
    assert [one["turn_id"] for one in opened.streaming()] == [f"turn_id of {STAYS}"]


def test_files_that_delta_rs_rewrote_can_be_filtered(settings: Settings) -> None:
    """Lakes hold such files from erasures of before, from retention and from merges: text as `string_view`."""
    lake = migrated(settings)
    for table in (TURNS, SAMPLES, "curation.review_queue"):
        put(lake, table, [row(table, user, settings) for user in (LEAVES, STAYS, "user-who-stays-too")])
        lake.open(table).delete(f"turn_id = '{THEIR_TURN}'")
        [file] = lake.open(table).file_uris()
        assert str(pq.read_schema(file).field("turn_id").type) == "string_view"
    where = f"turn_id = 'turn_id of {STAYS}' OR turn_id IN ('x', 'y')"
    assert open_snapshot(settings, SAMPLES, where=where, split="train").snapshot.rows == 1
    for words in (["list"], ["show", f"turn_id of {STAYS}"], ["approve", f"turn_id of {STAYS}"]):
        told = call(settings, "review", *words)
        assert told.exit_code == 0, (told.output, told.exception)
    query = "SELECT count(*) FROM traffic_turns WHERE turn_id = ?"
    assert ledger.query(lake, query, [f"turn_id of {STAYS}"], [TURNS]) == [(1,)]


class Killed(BaseException):
    """Nothing may catch it, as nothing can catch a kill."""


KILLS = [
    ("rewrite", PRUNED, 0),
    ("_vacuum", PRUNED, 0),
    ("_vacuum", "signals.labels", 0),
    ("delete", TURNS, 0),
    ("delete", TURNS, 3),
    ("_certify", TURNS, 0),
]


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(KILLS[-2:], id="while deleting and certifying"),
        pytest.param(KILLS, id="anywhere", marks=pytest.mark.nightly),
    ],
)
def test_killed_anywhere_and_run_again_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, kills: Sequence[tuple[str, str, int]]
) -> None:
    few = [PRUNED, "curation.embeddings", "curation.outcomes", SAMPLES, "signals.labels", TURNS]
    monkeypatch.setattr(erasure, "table_names", lambda: few)
    lake = fill(settings, few)
    pinned(monkeypatch)
    for place, table, calls in kills:
        with monkeypatch.context() as patch:
            kill(patch, place, table, calls)
            with pytest.raises(Killed):
                list(erase(settings, [LEAVES]))
        assert faults(lake, thorough=True) == [], (place, table)
    done = {one.place for one in erase(settings, [LEAVES])}
    assert done >= {TURNS, "landing"}
    assert {one.rows.total() for one in erase(settings, [LEAVES])} == {0}
    assert {path for path in left(settings) if "/ops/erasures/" not in path} == set()
    assert faults(lake, thorough=True) == []


def kill(patch: pytest.MonkeyPatch, place: str, table: str, calls: int) -> None:
    """Die where the table is rewritten, vacuumed or certified, or after some deletions in its log."""
    owner: Any = {"rewrite": erasure, "delete": Folder}.get(place, erasure._Erasure)
    real, seen = getattr(owner, place), list[int]()

    def die(*given: Any, **named: Any) -> Any:
        at = str(given[0] if place == "delete" else given[1])
        if (f"{table.replace('.', '/')}/_delta_log" if place == "delete" else table) in at:
            seen.append(1)
            if len(seen) > calls:
                raise Killed
        return real(*given, **named)

    patch.setattr(owner, place, die)


HIDDEN = [
    ("a.jsonl.tmp", f"received_ds={DAY}"),
    ("b.jsonl.gz.part", f"received_ds={DAY}"),
    ("_old.jsonl", f"received_ds={DAY}"),
    (".a.jsonl", f"received_ds={DAY}"),
    ("c.jsonl", f"received_ds={DAY}/nested"),
    ("d.jsonl", "received_ds=20261120"),
    ("e.jsonl", "."),
    ("f.jsonl.gz_old", f"received_ds={DAY}"),
]


def test_what_landing_does_not_read_is_listed_by_path_and_left_alone(settings: Settings) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    theirs, others = [{"uid": LEAVES}], [{"uid": STAYS}]
    there = {land(lake, name, theirs, folder): name for name, folder in HIDDEN[:-1]}
    for name, folder in HIDDEN:
        land(lake, f"{name}.others.tmp" if ".gz" not in name else "others.gz.tmp", others, folder)
    packed = Path(lake.landing) / f"received_ds={DAY}" / "old.zst.part"
    packed.write_bytes(b"\x28\xb5\x2f\xfd\x00")
    target = settings.home / f"archive of {LEAVES}.jsonl"
    target.write_text(json.dumps({"event_type": "message", "user_id": LEAVES}) + "\n")
    (Path(lake.landing) / f"received_ds={DAY}" / f"{LEAVES}.link.jsonl").symlink_to(target)
    linked = land(lake, f"{LEAVES}.two.jsonl", [{"event_type": "message", "user_id": LEAVES}])
    os.link(linked, settings.home / "second-name.jsonl")
    named = land(lake, f"of {LEAVES}.tmp", theirs)
    before = {path: path.read_bytes() for path in [*there, target, named]}

    done = {one.place: one for one in erase(settings, [LEAVES])}
    told = done["landing (not read)"].remnants
    for path in [*there, packed, target]:
        assert any(path.name.replace(LEAVES, "<id>") in line for line in told), path
    assert any("<id>.two.jsonl" in line and "hard link" in line for line in told)
    assert not [line for line in told if "others" in line]
    assert {path: path.read_bytes() for path in before} == before
    certified = lake.open("ops.erasures").to_pyarrow_table().to_pylist()
    kept = {line for one in certified for line in one["remnants"] or ()}
    assert set(told) <= kept
    assert LEAVES not in str(kept)
    assert any("<id>.link.jsonl was a link" in line for line in kept)
    assert any("of <id>.tmp" in line for line in kept)
    # A second erasure lists them again, until somebody deletes them: but for what a link led to.
    again = {one.place: one for one in erase(settings, [LEAVES])}
    assert len(again["landing (not read)"].remnants) == len(told) - 2


def test_what_cannot_be_searched_is_listed_and_stops_nothing(settings: Settings) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    day = land(lake, "a.jsonl", [{"event_type": "message", "user_id": LEAVES}]).parent
    (day / "loop").symlink_to(day.parent)
    os.mkfifo(day / "pipe.tmp")
    (day / "cut.jsonl.gz.tmp").write_bytes(gzip.compress(LEAVES.encode() + b"x" * 10_000)[:-9])
    (day / "damaged.jsonl.gz.tmp").write_bytes(b"\x1f\x8b no more")
    (day / "cut.parquet.tmp").write_bytes(b"PAR1 and no more")
    pq.write_table(pa.table({"user_id": [LEAVES]}), day / "theirs.parquet_old")
    pq.write_table(pa.table({"user_id": [STAYS]}), day / "others.parquet_old")
    # Landing refuses it whole: less than a byte for a row.
    many = pa.table({"user_id": pa.repeat(LEAVES, 1_000_001)})
    pq.write_table(many, day / "many.parquet", compression="zstd")
    done = {one.place: one for one in erase(settings, [LEAVES])}
    told = done["landing (not read)"].remnants
    listed = {Path(line.split(":")[0]).name for line in told}
    assert listed == {
        "loop", "pipe.tmp", "cut.jsonl.gz.tmp", "damaged.jsonl.gz.tmp", "cut.parquet.tmp", "theirs.parquet_old",
        "many.parquet",
    }  # fmt: skip
    assert pq.read_metadata(day / "many.parquet").num_rows == 1_000_001


REFUSED = [
    {"event_type": "message", "uid": LEAVES},
    {"event_type": "message", "user": {"id": [LEAVES]}},
    {"event_type": "message", "conversation": f"conversation_id of {LEAVES}"},
    {"event_type": "message", "payload": {"in_reply_to": THEIR_TURN}},
]


def test_a_refused_line_that_names_them_in_another_field_is_theirs(settings: Settings) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    others = [
        {"event_type": "message", "user_id": STAYS, "payload": {"to": LEAVES}},
        {"event_type": "message", "payload": {"text": f"hello {LEAVES}"}},
        {"event_type": "message", "payload": {"n": 5}},
    ]
    path = land(lake, "a.jsonl", [*REFUSED, *others])
    cut = path.with_name("b.jsonl")
    cut.write_text(f'{{"turn_id": "{THEIR_TURN}", "payload": {{"text": "cut o\n')
    list(erase(settings, [LEAVES, "5"]))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"event_type": "erased"}] * len(REFUSED) + others
    assert cut.read_text() == '{"event_type": "erased"}\n'


def test_turns_of_others_in_their_conversation_go_with_their_words(settings: Settings) -> None:
    lake = migrated(settings)
    talk = {"conversation_id": "shared talk"}
    for table in (TURNS, SAMPLES, "signals.labels", "curation.outcomes"):
        put(lake, table, [row(table, user, settings) | talk for user in (LEAVES, STAYS)])
        put(lake, table, [row(table, "elsewhere", settings)])
    # A reaction to a turn of another conversation makes neither theirs.
    reaction = {"event_id": "r", "event_type": "reaction", "conversation_id": "conversation_id of elsewhere"}
    put(lake, "traffic.events", [row("traffic.events", LEAVES, settings) | reaction])
    list(erase(settings, [LEAVES]))
    for table in (TURNS, SAMPLES, "signals.labels", "curation.outcomes"):
        turns = lake.open(table).to_pyarrow_table().column("turn_id").to_pylist()
        assert turns == ["turn_id of elsewhere"], table


def test_files_of_no_version_are_listed(settings: Settings) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    folder = Path(lake.path(TURNS))
    (folder / "_staging").mkdir()
    (folder / "_staging" / "a.parquet").write_bytes(b"x")
    (folder / "_delta_log" / "00000000000000000001.crc").write_text(THEIR_TURN)
    (folder / "_delta_log" / f".{0:020d}.json.tmp").write_text(THEIR_TURN)
    done = {one.place: one for one in erase(settings, [LEAVES])}
    assert [line.split(":")[0] for line in done[TURNS].remnants] == [f"{folder}/_staging/a.parquet"]
    assert sorted(path.suffix for path in (folder / "_delta_log").iterdir()) == ["", ".json", ".parquet"]


def test_who_was_shown_their_text_stays_on_record_and_is_said(settings: Settings) -> None:
    from infra.lake.raw_reads import record

    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    record(lake, "review", "maria", [THEIR_TURN], DAY)
    done = {one.place: one for one in erase(settings, [LEAVES])}
    assert "1 reading(s) of their turns stay on record" in done["ops.raw_reads"].remnants[0]


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_id_that_nobody_has_ends_early_and_says_so(settings: Settings, dry_run: bool) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, STAYS, settings)])
    versions = {table: lake.version(table) for table in TABLES}
    told = call(
        settings, "erase", "--from", "-", "--yes", *(["--dry-run"] if dry_run else []), given="nobody\n"
    )
    assert told.exit_code == 3, (told.output, told.exception)
    assert "no row and no landed line has them" in told.output
    assert ("is refused from now on" in told.output) is not dry_run
    assert {table: lake.version(table) for table in TABLES} == versions
    assert bool(ledger.erased_users(lake)) is not dry_run


def test_what_is_left_is_in_the_output(settings: Settings) -> None:
    lake = migrated(settings)
    put(lake, TURNS, [row(TURNS, LEAVES, settings)])
    land(lake, "a.jsonl.tmp", [{"user_id": LEAVES}])
    told = call(settings, "erase", "--from", "-", "--yes", "--format", "json", given=f"{LEAVES}\n")
    assert told.exit_code == 0, (told.output, told.exception)
    assert re.search(
        r"Left, landing \(not read\): .*a\.jsonl\.tmp: .*delete it", re.sub(r"\s+", " ", told.stderr)
    )
    assert any("a.jsonl.tmp" in one["left"] for one in json.loads(told.stdout))
    assert LEAVES not in told.output


def test_the_day_of_the_last_erasure_is_known(erased: Settings) -> None:
    from infra.lake.erasures import last_erasure

    assert isinstance(last_erasure(Lake.of(erased)), date)
