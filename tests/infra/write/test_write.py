"""The one write function: checked before anything is visible, whole or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from infra import write
from infra.contracts import contract, table_names
from infra.errors import ContractError, DiskFull, ExpectationFailed, LockHeld
from infra.lake import Lake
from infra.lake.locks import hold
from infra.lake.migrate import migrate
from infra.settings import Settings, load_settings
from infra.write import commit, frames, quality

DAYS = (date(2026, 11, 18), date(2026, 11, 19))


def quarantine_rows(*lines: tuple[date, int, str]) -> list[tuple[Any, ...]]:
    return [("f.jsonl", line, reason, datetime(2026, 11, 18, tzinfo=UTC), day) for day, line, reason in lines]


COLUMNS = ("source_file", "line", "reason", "received_ts", "ds")

# Makes the frame of a table out of rows: Spark's by the small way, Spark's by the large one, Arrow's.
MakeFrame = Callable[[str, Sequence[Mapping[str, Any]]], Any]


@pytest.fixture(
    params=["spark, few rows", pytest.param("spark, many rows", marks=pytest.mark.nightly), "arrow"]
)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MakeFrame:
    """Every promise is tested for each kind of frame, and for both ways of a Spark frame."""
    if request.param == "arrow":
        return lambda table, rows: frames.arrow_table(contract(table), rows)
    if request.param == "spark, many rows":
        monkeypatch.setattr(frames, "collect_small", lambda *_: None)
    return spark_frames(request.getfixturevalue("spark"))


def spark_frames(spark: SparkSession) -> MakeFrame:
    def spark_frame(table: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        schema = contract(table).spark_schema(contract(table).job_columns)
        return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)

    return spark_frame


def write_frame(
    lake: Lake, table: str, frame: Any, days: Sequence[date] = DAYS, run: str = "r1", scope: str | None = None
) -> write.Written:
    with hold(lake.locks, [table], run, 60) as locks:
        scopes = {"dataset_id": scope} if scope else {}
        return write.write(None, lake, locks[table], write.Write(table, frame, days, run, scopes))


def put(
    make: MakeFrame, lake: Lake, rows: list[tuple[Any, ...]], days: tuple[date, ...] = DAYS, run: str = "r1"
) -> write.Written:
    frame = make("traffic.quarantine", [dict(zip(COLUMNS, row, strict=True)) for row in rows])
    return write_frame(lake, "traffic.quarantine", frame, days, run)


def stored(lake: Lake) -> list[tuple[int, str, str]]:
    rows = lake.open("traffic.quarantine").to_pyarrow_table().to_pylist()
    return sorted((r["line"], r["reason"], str(r["ds"])) for r in rows)


def test_replaces_exactly_the_days_it_was_given(make: MakeFrame, lake: Lake) -> None:
    put(make, lake, quarantine_rows((DAYS[0], 1, "a"), (DAYS[1], 2, "b")))
    put(make, lake, quarantine_rows((DAYS[1], 3, "c")), days=DAYS[1:])
    assert stored(lake) == [(1, "a", "2026-11-18"), (3, "c", "2026-11-19")]
    put(make, lake, [], days=DAYS[:1])
    assert stored(lake) == [(3, "c", "2026-11-19")]


def test_content_hash_ignores_order_and_run(make: MakeFrame, lake: Lake) -> None:
    rows = quarantine_rows(*((DAYS[n % 2], n, "x") for n in range(40)))
    first = put(make, lake, rows, run="r1")
    assert put(make, lake, rows[::-1], run="r2").content_hashes == first.content_hashes
    changed = put(make, lake, [*rows[:-1], *quarantine_rows((DAYS[1], 39, "y"))])
    assert changed.content_hashes[DAYS[0]] == first.content_hashes[DAYS[0]]
    assert changed.content_hashes[DAYS[1]] != first.content_hashes[DAYS[1]]
    assert first.rows == {DAYS[0]: 20, DAYS[1]: 20}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (quarantine_rows((date(2026, 11, 1), 1, "a")), "days outside the run"),
        (quarantine_rows((DAYS[0], 1, "a"), (DAYS[1], 1, "b")), "more than once"),
        ([("f.jsonl", 1, None, None, DAYS[0])], "reason is NULL"),
    ],
)
def test_a_frame_that_breaks_the_contract_changes_nothing(
    make: MakeFrame, lake: Lake, rows: list[tuple[Any, ...]], message: str
) -> None:
    put(make, lake, quarantine_rows((DAYS[0], 1, "kept")))
    version = lake.version("traffic.quarantine")
    with pytest.raises(ContractError, match=message):
        put(make, lake, rows)
    assert (lake.version("traffic.quarantine"), stored(lake)) == (version, [(1, "kept", "2026-11-18")])


def test_wrong_columns_and_types_are_named(make: MakeFrame, lake: Lake) -> None:
    frame = make("traffic.quarantine", [])
    if isinstance(frame, pa.Table):
        lacking = frame.drop_columns(["reason"])
        wrong = lacking.append_column("reason", pa.array([], pa.int64()))
    else:
        lacking = frame.drop("reason")
        wrong = lacking.selectExpr("*", "line AS reason")
    with pytest.raises(ContractError, match=r"missing columns: \['reason'\]; unknown columns: \[\]"):
        write_frame(lake, "traffic.quarantine", lacking)
    with pytest.raises(ContractError, match=r"reason is (bigint|int64), the DDL says string"):
        write_frame(lake, "traffic.quarantine", wrong)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB of its own, really full when it is full."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_leaves_the_table_as_it_was(make: MakeFrame, small_disk: Path, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, lake={"root": str(small_disk), "minimum_free_bytes": 0})
    migrate(settings)
    lake = Lake.of(settings)
    put(make, lake, quarantine_rows((DAYS[0], 1, "kept")))
    version = lake.version("traffic.quarantine")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    many = quarantine_rows(*((DAYS[0], n, f"{hash((n, 'x')):x}" * 4) for n in range(8_000)))
    with pytest.raises(DiskFull, match=r"traffic\.quarantine.*did not change"):
        put(make, lake, many)
    assert (lake.version("traffic.quarantine"), stored(lake)) == (version, [(1, "kept", "2026-11-18")])
    filler.unlink()
    put(make, lake, many)
    assert len(stored(lake)) == len(many)


def test_work_is_not_begun_on_a_disk_that_is_nearly_full(settings: Settings) -> None:
    free = shutil.disk_usage(settings.home).free
    demanding = load_settings(home=settings.home, lake={"minimum_free_bytes": 2 * free})
    with pytest.raises(DiskFull, match=r"lake\.minimum_free_bytes"):
        Lake.of(demanding).check_room()


def outcome_rows(*turns: str, outcome: str = "eligible") -> list[dict[str, Any]]:
    base = {"split": "train", "source": "user", "language": "en", "outcome": outcome, "ds": DAYS[0]}
    return [base | {"turn_id": turn} for turn in turns]


def test_a_check_of_the_ddl_is_reported_without_the_row(
    make: MakeFrame, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "check", lambda *_: [])  # the table's suite would refuse the row first
    canary = "canary-5551234"
    rows = outcome_rows(canary, outcome="nonsense")
    with pytest.raises(ContractError, match="known_outcome") as caught:
        write_frame(lake, "curation.outcomes", make("curation.outcomes", rows))
    assert canary not in str(caught.value)
    assert lake.open("curation.outcomes").to_pyarrow_table().num_rows == 0


def test_a_critical_expectation_blocks_and_a_warning_does_not(
    make: MakeFrame, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suite(severity: str) -> None:
        path = tmp_path / f"{severity}.json"
        one = {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "reason", "value_set": ["known"]},
            "severity": severity,
        }
        path.write_text(json.dumps({"name": "q", "expectations": [one]}))
        monkeypatch.setattr(type(contract("traffic.quarantine")), "suite_path", property(lambda _: path))
        quality._suite.cache_clear()

    suite("critical")
    with pytest.raises(ExpectationFailed, match="expect_column_values_to_be_in_set") as caught:
        put(make, lake, quarantine_rows((DAYS[0], 1, "secret-text")))
    assert stored(lake) == []
    assert "secret-text" not in str(caught.value) + str(caught.value.results)  # type: ignore[attr-defined]
    suite("warning")
    done = put(make, lake, quarantine_rows((DAYS[0], 1, "other")))
    assert [(r.success, r.severity) for r in done.results] == [(False, "warning")]
    assert len(stored(lake)) == 1
    quality._suite.cache_clear()


@pytest.mark.parametrize(
    ("kind", "arguments", "counts"),
    [
        ("expect_column_values_to_be_in_set", {"column": "reason", "value_set": ["known"]}, 4),
        ("expect_column_values_to_be_unique", {"column": "reason"}, 6),
        (
            "expect_column_values_to_be_in_set",
            {"column": "reason", "value_set": ["known"], "mostly": 0.1},
            None,
        ),
    ],
)
def test_rows_that_look_alike_are_checked_once_and_counted_all(
    kind: str, arguments: dict[str, Any], counts: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "suite.json"
    one = {"type": kind, "kwargs": arguments, "severity": "critical"}
    path.write_text(json.dumps({"name": "q", "expectations": [one]}))
    table = contract("traffic.quarantine")
    monkeypatch.setattr(type(table), "suite_path", property(lambda _: path))
    monkeypatch.setattr(quality, "SMALL_ROWS", 3)
    quality._suite.cache_clear()
    rows = [(DAYS[0], n, "known" if n % 3 else "bad" if n < 1 else "worse") for n in range(6)]
    lines = [dict(zip(COLUMNS, row, strict=True)) for row in quarantine_rows(*rows)]
    lines += [line | {"line": line["line"] + 6} for line in lines]
    frame = frames.conform_arrow(table, frames.arrow_table(table, lines), "r1")
    (result,) = quality.check(frame, "traffic.quarantine")
    quality._suite.cache_clear()
    assert result.success is (counts is None)
    assert json.loads(result.observed).get("unexpected_count") == (12 if kind.endswith("unique") else counts)


def test_a_writer_that_lost_its_lock_does_not_commit(make: MakeFrame, lake: Lake) -> None:
    frame = make("curation.outcomes", outcome_rows("t1"))
    with hold(lake.locks, ["curation.outcomes"], "slow", 60) as locks:
        lock = locks["curation.outcomes"]
        lock._folder.create(f"{lock._number + 1:08d}.json", lock._state())  # another run takes over
        with pytest.raises(LockHeld):
            write.write(None, lake, lock, write.Write("curation.outcomes", frame, DAYS, "slow"))
    assert lake.open("curation.outcomes").to_pyarrow_table().num_rows == 0


def sampled(dataset: str, *turns: str) -> list[dict[str, Any]]:
    base = {"dataset_id": dataset, "outcome": "selected", "split": "train", "ds": DAYS[0]}
    return [base | {"turn_id": turn} for turn in turns]


def test_replaces_a_scope_whatever_stands_in_its_name(make: MakeFrame, lake: Lake) -> None:
    table, quoted = "curation.sample_outcomes", "o'neill \\ 2"

    def turns() -> list[tuple[str, str]]:
        rows = lake.open(table).to_pyarrow_table(columns=["dataset_id", "turn_id"]).to_pylist()
        return sorted((row["dataset_id"], row["turn_id"]) for row in rows)

    write_frame(lake, table, make(table, sampled("o", "t0")), scope="o")
    write_frame(lake, table, make(table, sampled(quoted, "t1", "t2")), scope=quoted)
    write_frame(lake, table, make(table, sampled(quoted, "t3")), scope=quoted)
    assert turns() == [("o", "t0"), (quoted, "t3")]
    with pytest.raises(ContractError, match="dataset_id"):
        write_frame(lake, table, make(table, sampled("another", "t4")), scope=quoted)
    with pytest.raises(ContractError, match="needs a scope"):
        write_frame(lake, table, make(table, sampled(quoted, "t4")))
    assert turns() == [("o", "t0"), (quoted, "t3")]


def characters(*versions: tuple[str, str]) -> list[dict[str, Any]]:
    moment = datetime(2026, 11, 18, tzinfo=UTC)
    return [
        {"character_id": c, "valid_from": moment, "is_current": True, "verdict": "pass", "reasons": ["r"],
         "redacted_name": name, "policy_version": "p", "ds": DAYS[0]}
        for c, name in versions
    ]  # fmt: skip


def test_merges_by_key_and_leaves_alone_what_is_the_same(make: MakeFrame, lake: Lake) -> None:
    table = "curation.screened_characters"

    def stored_rows() -> list[tuple[str, str, str]]:
        rows = lake.open(table).to_pyarrow_table().to_pylist()
        return sorted((row["character_id"], row["redacted_name"], row["run_id"]) for row in rows)

    first = write_frame(lake, table, make(table, characters(("a", "A"), ("b", "B"))), run="r1")
    done = write_frame(lake, table, make(table, characters(("b", "B"), ("c", "C"))), run="r2")
    assert stored_rows() == [("a", "A", "r1"), ("b", "B", "r1"), ("c", "C", "r2")]
    assert done.output_version > first.output_version
    write_frame(lake, table, make(table, characters(("b", "Bee"))), run="r3")
    assert stored_rows() == [("a", "A", "r1"), ("b", "Bee", "r3"), ("c", "C", "r2")]


def test_merges_only_new_keys(make: MakeFrame, lake: Lake) -> None:
    table = "curation.embeddings"

    def embedded(*texts: tuple[str, float]) -> list[dict[str, Any]]:
        base = {"recipe": "r", "encoder": "e", "ds": DAYS[0]}
        return [base | {"text_hash": text, "embedding": [value, 0.5]} for text, value in texts]

    write_frame(lake, table, make(table, embedded(("a", 0.25))), run="r1")
    write_frame(lake, table, make(table, embedded(("a", 0.75), ("b", 0.75))), run="r2")
    rows = lake.open(table).to_pyarrow_table().to_pylist()
    assert sorted((r["text_hash"], r["embedding"][0], r["run_id"]) for r in rows) == [
        ("a", 0.25, "r1"),
        ("b", 0.75, "r2"),
    ]


def test_many_rows_that_spark_holds(spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """One promise by day; all of them are kept at night."""
    monkeypatch.setattr(frames, "collect_small", lambda *_: None)
    test_merges_only_new_keys(spark_frames(spark), lake)


def test_appends_once(make: MakeFrame, lake: Lake) -> None:
    table, moment = "curation.reviews", datetime(2026, 11, 18, 5, tzinfo=UTC)
    row = {"turn_id": "t", "policy_version": "p", "decided_ts": moment, "decision": "approve", "reviewer": "R",
           "content_hash": "h", "turn_ds": DAYS[0], "ds": DAYS[0]}  # fmt: skip
    for run in ("r1", "r1", "r2"):
        done = write_frame(lake, table, make(table, [row]), run=run)
        assert done.output_version == lake.version(table)
    write_frame(lake, table, make(table, [row | {"decision": "reject"}]), run="r2")
    rows = lake.open(table).to_pyarrow_table().to_pylist()
    assert sorted((r["run_id"], r["decision"]) for r in rows) == [
        ("r1", "approve"),
        ("r2", "approve"),
        ("r2", "reject"),
    ]


def test_no_text_gets_into_the_log(make: MakeFrame, lake: Lake) -> None:
    """Delta keeps least and greatest values of a file's columns in its log, for years."""
    table, canary = "curation.screened_characters", "canary-5551234"
    write_frame(lake, table, make(table, characters(("a", canary))))
    write_frame(lake, table, make(table, characters(("a", canary + "x"))))
    log = Path(lake.path(table)) / "_delta_log"
    assert canary not in "".join(file.read_text() for file in log.glob("*.json"))


def test_a_reader_of_batches_is_a_frame_and_arrow_forms_are_the_ddls(lake: Lake) -> None:
    table = contract("curation.outcomes")
    whole = frames.arrow_table(table, outcome_rows("t1", "t2"))
    other = whole.set_column(0, "turn_id", whole["turn_id"].cast(pa.large_string()))
    other = other.set_column(5, other.column_names[5], other[5].dictionary_encode())
    first = write_frame(lake, table.name, whole)
    again = write_frame(lake, table.name, other.to_reader(max_chunksize=1))
    assert again.content_hashes == first.content_hashes


def test_every_check_of_the_ddl_is_one_that_duckdb_reads() -> None:
    for name in table_names():
        commit.check_constraints(contract(name), contract(name).arrow_schema().empty_table())


def test_a_check_that_is_null_is_broken(lake: Lake) -> None:
    table = contract("curation.outcomes")
    rows = frames.arrow_table(table, outcome_rows("t1", outcome=None))  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="1 rows violate the CHECK known_outcome"):
        commit.check_constraints(table, rows)
