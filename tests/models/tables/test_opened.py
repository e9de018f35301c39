"""Rows for trainers: the right ones, once each, whoever reads them and however often reading is cut off."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.distributed import split_dataset_by_node
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.errors import InputDamaged, SnapshotRefused, TrainingRefused, VersionGone
from infra.settings import Settings, load_settings
from models.tables.opened import Opened, open_snapshot
from tests.conftest import examples, settings_for
from tests.models.tables.lakes import SAMPLES, data_files, edit_log, log_file, write

HOSTILE = "a b/ü%25=..'\"?#&"
ROWS = 60


def plain(rows: int, split: str = "train") -> pa.Table:
    return pa.table({"n": pa.array(range(rows), pa.int64()), "split": [split] * rows})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Sixty rows in eight files (four partitions, one of them NULL), in row groups of five."""
    settings = settings_for(tmp_path_factory.mktemp("handoff"))
    names = [HOSTILE, None, "plain", "%2e%2e/x"]
    for part in range(2):
        numbers = range(part * 30, part * 30 + 30)
        rows = {
            "n": pa.array(numbers, pa.int64()),
            "place": [names[n % 4] for n in numbers],
            "text": [None if n % 7 == 0 else f"word {n} 'quoted' \n \u2028" for n in numbers],
            "split": ["evaluation" if n % 5 == 0 else "train" for n in numbers],
        }
        write(settings, pa.table(rows), group=5, partition_by=["place"])
    return settings


def numbers(rows: Any) -> list[int]:
    return [row["n"] for row in rows]


def read(opened: Opened) -> list[dict[str, Any]]:
    return [row for batch in opened.batches() for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def small_pieces() -> Iterator[None]:
    """Pieces of seven rows: sixty rows are many shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.tables.scan.ROWS_PER_PIECE", 7)
        yield


def test_all_rows_come_back_whatever_their_partition_is_called(home: Settings) -> None:
    opened = open_snapshot(home, SAMPLES)
    found = sorted(read(opened), key=lambda row: row["n"])
    assert numbers(found) == list(range(ROWS)) == sorted(numbers(opened.map_style()))
    assert found[0]["place"] == HOSTILE
    assert found[1]["place"] is None
    assert found[7]["text"] is None
    assert opened.snapshot.rows == ROWS
    one = open_snapshot(home, SAMPLES, where=f"place = '{HOSTILE.replace(chr(39), chr(39) * 2)}'")
    assert {row["place"] for row in read(one)} == {HOSTILE}
    assert (
        len({unit.file.path for unit in one.units}) == 2
    )  # of eight files: the partition decides which are opened


def test_split_condition_and_version_select(home: Settings) -> None:
    opened = open_snapshot(home, f"{SAMPLES}@0", where="n < 20 OR n > 40", split="train", columns=["n"])
    assert sorted(numbers(read(opened))) == [n for n in range(20) if n % 5]
    assert opened.schema.names == ["n"]
    # A condition cannot escape from its parentheses to let the other split in.
    widened = open_snapshot(home, SAMPLES, where="n = 1 OR n = 0 -- ", split="train")
    assert numbers(read(widened)) == [1]
    assert opened.snapshot.filter_hash != open_snapshot(home, SAMPLES, split="train").snapshot.filter_hash


@hypothesis_settings(max_examples=10)
@given(world=st.integers(1, 9), least=st.integers(-1, ROWS), by_node=st.booleans())
@pytest.mark.usefixtures("small_pieces")
def test_ranks_are_disjoint_and_complete(home: Settings, world: int, least: int, by_node: bool) -> None:
    opened = open_snapshot(home, SAMPLES, where=f"n > {least}", columns=["n"])
    shares = [
        numbers(
            split_dataset_by_node(opened.streaming(), rank, world)
            if by_node
            else opened.streaming(rank, world)
        )
        for rank in range(world)
    ]
    assert sorted(n for share in shares for n in share) == list(range(least + 1, ROWS))
    if not by_node:
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@examples(25)
@given(
    cut=st.integers(1, 40),
    size=st.integers(1, 25),
    batched=st.booleans(),
    rank=st.integers(0, 1),
    shuffled=st.booleans(),
)
@pytest.mark.usefixtures("small_pieces")
def test_a_resumed_stream_gives_exactly_the_rest(
    home: Settings, cut: int, size: int, batched: bool, rank: int, shuffled: bool
) -> None:
    snapshot = open_snapshot(home, f"{SAMPLES}@1", where="n <> 3", columns=["n"])

    def opened() -> Any:
        stream = snapshot.streaming(rank, 2)
        if shuffled:
            stream = stream.shuffle(
                seed=3, buffer_size=1
            )  # pieces in another order; no buffer, which is not saved
        return stream.with_format("arrow") if batched else stream

    def flat(stream: Any) -> Iterator[list[int]]:
        if batched:
            return (batch["n"].to_pylist() for batch in stream.iter(size))
        return ([row["n"]] for row in stream)

    whole = [n for part in flat(opened()) for n in part]
    first, taken = opened(), []
    for part in islice(flat(first), cut):
        taken += part
    state = json.loads(json.dumps(first.state_dict()))
    second = opened()
    second.load_state_dict(state)
    assert taken + [n for part in flat(second) for n in part] == whole


@pytest.mark.parametrize("change", [{"where": "n > 4"}, {"table": f"{SAMPLES}@0"}, {"columns": ["n"]}])
def test_the_place_in_another_stream_is_refused(home: Settings, change: dict[str, Any]) -> None:
    stream = open_snapshot(home, SAMPLES).streaming()
    next(iter(stream))
    other = open_snapshot(home, change.pop("table", SAMPLES), **change).streaming()
    other.load_state_dict(stream.state_dict())
    with pytest.raises(TrainingRefused, match="saved state belongs to another"):
        next(iter(other))


def test_workers_get_what_a_stream_is_by_pickle(home: Settings) -> None:
    stream = open_snapshot(home, SAMPLES, where="n < 9", columns=["n"]).streaming()
    assert numbers(pickle.loads(pickle.dumps(stream))) == numbers(stream)


def test_nothing_selected_is_an_empty_dataset_with_its_columns(settings: Settings) -> None:
    write(settings, plain(3))
    opened = open_snapshot(settings, SAMPLES, split="evaluation")
    assert (opened.snapshot.rows, read(opened), list(opened.streaming(1, 2))) == (0, [], [])
    assert opened.map_style().column_names == opened.streaming().column_names == ["n", "split"]


@pytest.mark.parametrize(
    "feature", ["deletionVectors", "columnMapping", "typeWidening", "v2Checkpoint", "variantType", "made-up"]
)
def test_a_feature_that_files_do_not_show_is_refused_by_name(settings: Settings, feature: str) -> None:
    features = [feature]
    protocol = {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": features,
        "writerFeatures": features,
    }
    edit_log(write(settings, plain(3)), lambda action: _set(action, "protocol", protocol))
    with pytest.raises(SnapshotRefused, match=rf"version 0 uses {feature}.*curation\.samples"):
        open_snapshot(settings, SAMPLES)


def test_what_changes_nothing_for_readers_is_read(settings: Settings) -> None:
    features = ["timestampNtz", "vacuumProtocolCheck"]
    protocol = {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": features,
        "writerFeatures": features,
    }
    edit_log(write(settings, plain(3)), lambda action: _set(action, "protocol", protocol))
    assert open_snapshot(settings, SAMPLES).snapshot.rows == 3


def test_column_mapping_of_the_second_protocol_and_newer_protocols_are_refused(settings: Settings) -> None:
    path = write(settings, plain(3))
    edit_log(path, lambda action: _set(action, "protocol", {"minReaderVersion": 2, "minWriterVersion": 5}))
    edit_log(
        path,
        lambda action: action.get("metaData", {}).update(configuration={"delta.columnMapping.mode": "name"}),
    )
    with pytest.raises(SnapshotRefused, match="columnMapping"):
        open_snapshot(settings, SAMPLES)
    edit_log(path, lambda action: _set(action, "protocol", {"minReaderVersion": 9, "minWriterVersion": 9}))
    with pytest.raises(SnapshotRefused, match="reader version 9"):
        open_snapshot(settings, SAMPLES)


def _set(action: dict[str, Any], name: str, value: Any) -> None:
    if name in action:
        action[name] = value


def test_a_vacuumed_version_is_refused_and_says_what_is_left(settings: Settings) -> None:
    path = write(settings, plain(3))
    write(settings, plain(3))
    DeltaTable(path).optimize.compact()  # version 2
    write(settings, plain(1))
    opened = open_snapshot(settings, f"{SAMPLES}@1")
    DeltaTable(path).vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(
        VersionGone,
        match=r"version 1 cannot be read: 2 of its 2 files were vacuumed.*Readable versions: 2\.\.5",
    ):
        open_snapshot(settings, f"{SAMPLES}@1")
    with pytest.raises(InputDamaged, match="cannot be read"):
        read(opened)  # opened before: it must not end early as if it were whole
    with pytest.raises(VersionGone, match=r"version 99 cannot be read: there is no such version yet"):
        open_snapshot(settings, f"{SAMPLES}@99")
    assert open_snapshot(settings, f"{SAMPLES}@3").snapshot.rows == 7


def test_a_lake_at_a_uri_is_read_alike(tmp_path: Path) -> None:
    """`file://` is the local disk under another name; `tests/infra/test_storage.py` reads from where no path leads."""
    settings = load_settings(home=tmp_path, lake={"root": f"file://{tmp_path}/lake"})
    (tmp_path / "lake/curated/curation/samples").mkdir(parents=True)
    rows = plain(20).append_column("place", pa.array([HOSTILE, None] * 10))
    path = write(settings, rows, group=5, partition_by=["place"])
    opened = open_snapshot(settings, SAMPLES, where="n >= 3", columns=["n", "place"])
    assert sorted(numbers(pickle.loads(pickle.dumps(opened.streaming())))) == list(range(3, 20))
    DeltaTable(path).optimize.z_order(["n"])
    DeltaTable(path).vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(VersionGone, match=r"2 of its 2 files were vacuumed.*Readable versions: 1\.\.3"):
        open_snapshot(settings, f"{SAMPLES}@0")


def test_a_version_whose_log_was_cleaned_up_is_refused(settings: Settings) -> None:
    path = write(settings, plain(3))
    for _ in range(3):
        write(settings, plain(3))
    DeltaTable(path).create_checkpoint()  # at version 3
    log_file(path, 0).unlink()
    log_file(path, 1).unlink()
    for gone in (0, 1, 2):
        with pytest.raises(VersionGone, match=r"Readable versions: 3\."):
            open_snapshot(settings, f"{SAMPLES}@{gone}")
    assert open_snapshot(settings, SAMPLES).snapshot.rows == 12


def test_a_file_that_was_cut_off_is_told_from_one_that_is_gone(settings: Settings) -> None:
    file = data_files(write(settings, plain(300)))[0]
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputDamaged, match="does not have the size"):
        open_snapshot(settings, SAMPLES)
    whole = file.stat().st_size
    edit_log(str(file.parent), lambda action: action.get("add", {}).update(size=whole))
    with pytest.raises(InputDamaged, match="cannot be read"):
        open_snapshot(settings, SAMPLES)


def test_sides_that_are_no_sides_are_refused(settings: Settings) -> None:
    write(settings, pa.table({"n": [1]}))
    with pytest.raises(SnapshotRefused, match="no column split"):
        open_snapshot(settings, SAMPLES, split="train")
    with pytest.raises(SnapshotRefused, match="no such split"):
        open_snapshot(settings, SAMPLES, split="trian")
    write(settings, plain(1), table="traffic.turns")
    with pytest.raises(SnapshotRefused, match="before screening"):
        open_snapshot(settings, "traffic.turns")
    assert open_snapshot(settings, "traffic.turns", raw=True).snapshot.rows == 1
    with pytest.raises(SnapshotRefused, match="has no column absent"):
        open_snapshot(settings, SAMPLES, columns=["absent"])
    with pytest.raises(SnapshotRefused, match="a version must be a number"):
        open_snapshot(settings, f"{SAMPLES}@-1")


def test_files_older_than_a_column_have_null_there(settings: Settings) -> None:
    write(settings, plain(2))
    later = plain(2).append_column("added", pa.array(["x", None]))
    write(settings, later, schema_mode="merge")
    assert [row["added"] for row in read(open_snapshot(settings, SAMPLES))].count(None) == 3
    assert open_snapshot(settings, SAMPLES, where="added = 'x'").snapshot.rows == 1
    assert open_snapshot(settings, SAMPLES, where="added IS NULL").snapshot.rows == 3


def test_statistics_do_not_decide_about_nan(settings: Settings) -> None:
    # Parquet's statistics leave NaN out: this row group says that all is 5.
    write(settings, pa.table({"x": [5.0, float("nan"), None]}))
    for where, rows in (("x = 5", 1), ("x <> 5", 1), ("x > 9", 1), ("x >= 5 AND x < 6", 1), ("x IS NULL", 1)):
        opened = open_snapshot(settings, SAMPLES, where=where)
        assert (opened.snapshot.rows, len(read(opened))) == (rows, rows), where


def test_times_as_spark_writes_them_do_not_wrap_around(settings: Settings) -> None:
    far = datetime(9999, 12, 31, 12, tzinfo=UTC)
    rows = pa.table(
        {"at": pa.array([far, datetime(1, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")), "d": [date.max] * 2}
    )
    file = data_files(write(settings, rows))[0]
    pq.write_table(rows, file, use_deprecated_int96_timestamps=True)
    size = file.stat().st_size
    edit_log(str(file.parent), lambda action: action.get("add", {}).update(size=size))
    assert [row["at"] for row in read(open_snapshot(settings, SAMPLES))] == rows["at"].to_pylist()
    assert open_snapshot(settings, SAMPLES, where="at > TIMESTAMP '2500-01-01'").snapshot.rows == 1


def test_a_map_style_copy_is_private_and_lies_outside_the_lake(home: Settings) -> None:
    rows = open_snapshot(home, SAMPLES).map_style()
    file = Path(rows.cache_files[0]["filename"])
    assert file.parents[1].stat().st_mode & 0o077 == 0
    assert not file.is_relative_to(home.home)
    again = open_snapshot(home, SAMPLES).map_style()
    assert rows._fingerprint == again._fingerprint  # what is mapped from it is cached under the same name
