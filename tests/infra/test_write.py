"""The one write function: checked before anything is visible, whole or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from infra import quality, write
from infra.contracts import contract
from infra.errors import ContractError, DiskFull, ExpectationFailed, LockHeld
from infra.lake import Lake
from infra.locks import hold
from infra.migrate import migrate
from infra.settings import Settings, load_settings

DAYS = (date(2026, 11, 18), date(2026, 11, 19))


def quarantine_rows(*lines: tuple[date, int, str]) -> list[tuple[Any, ...]]:
    return [("f.jsonl", line, reason, datetime(2026, 11, 18, tzinfo=UTC), day) for day, line, reason in lines]


def frame(spark: Any, rows: list[tuple[Any, ...]]) -> Any:
    return spark.createDataFrame(
        rows, "source_file string, line bigint, reason string, received_ts timestamp, ds date"
    )


def put(
    spark: Any, lake: Lake, rows: list[tuple[Any, ...]], days: tuple[date, ...] = DAYS, run: str = "r1"
) -> write.Written:
    with hold(lake.locks, ["traffic.quarantine"], run, 60) as locks:
        return write.write(
            spark,
            lake,
            locks["traffic.quarantine"],
            write.Write("traffic.quarantine", frame(spark, rows), days, run),
        )


def stored(lake: Lake) -> list[tuple[int, str, str]]:
    rows = lake.open("traffic.quarantine").to_pyarrow_table().to_pylist()
    return sorted((r["line"], r["reason"], str(r["ds"])) for r in rows)


def test_replaces_exactly_the_days_it_was_given(spark: Any, lake: Lake) -> None:
    put(spark, lake, quarantine_rows((DAYS[0], 1, "a"), (DAYS[1], 2, "b")))
    put(spark, lake, quarantine_rows((DAYS[1], 3, "c")), days=DAYS[1:])
    assert stored(lake) == [(1, "a", "2026-11-18"), (3, "c", "2026-11-19")]
    put(spark, lake, [], days=DAYS[:1])
    assert stored(lake) == [(3, "c", "2026-11-19")]


def test_content_hash_ignores_order_partitions_and_run(spark: Any, lake: Lake) -> None:
    rows = quarantine_rows(*((DAYS[n % 2], n, "x") for n in range(40)))
    first = put(spark, lake, rows, run="r1")
    with hold(lake.locks, ["traffic.quarantine"], "r2", 60) as locks:
        again = write.write(
            spark, lake, locks["traffic.quarantine"],
            write.Write("traffic.quarantine", frame(spark, rows[::-1]).repartition(7), DAYS, "r2"),
        )  # fmt: skip
    assert again.content_hashes == first.content_hashes
    assert (
        put(spark, lake, [*rows[:-1], *quarantine_rows((DAYS[1], 39, "y"))]).content_hashes
        != first.content_hashes
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (quarantine_rows((date(2026, 11, 1), 1, "a")), "days it was not asked for"),
        (quarantine_rows((DAYS[0], 1, "a"), (DAYS[1], 1, "b")), "more than once"),
        ([("f.jsonl", 1, None, None, DAYS[0])], "reason is NULL"),
    ],
)
def test_a_frame_that_breaks_the_contract_changes_nothing(
    spark: Any, lake: Lake, rows: list[tuple[Any, ...]], message: str
) -> None:
    put(spark, lake, quarantine_rows((DAYS[0], 1, "kept")))
    version = lake.version("traffic.quarantine")
    with pytest.raises(ContractError, match=message):
        put(spark, lake, rows)
    assert (lake.version("traffic.quarantine"), stored(lake)) == (version, [(1, "kept", "2026-11-18")])


def test_wrong_columns_and_types_are_named(spark: Any, lake: Lake) -> None:
    with hold(lake.locks, ["traffic.quarantine"], "r1", 60) as locks:
        lock = locks["traffic.quarantine"]
        with pytest.raises(ContractError, match="lacks"):
            write.write(spark, lake, lock, write.Write("traffic.quarantine", spark.range(1), DAYS, "r1"))
        wrong = frame(spark, []).selectExpr("source_file", "int(line) AS line", "reason", "received_ts", "ds")
        with pytest.raises(ContractError, match="line is int, the DDL says bigint"):
            write.write(spark, lake, lock, write.Write("traffic.quarantine", wrong, DAYS, "r1"))


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


def test_a_full_disk_leaves_the_table_as_it_was(spark: Any, small_disk: Path, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, lake={"root": str(small_disk), "minimum_free_bytes": 0})
    migrate(settings)
    lake = Lake.of(settings)
    put(spark, lake, quarantine_rows((DAYS[0], 1, "kept")))
    version = lake.version("traffic.quarantine")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    many = quarantine_rows(*((DAYS[0], n, f"{hash((n, 'x')):x}" * 4) for n in range(8_000)))
    with pytest.raises(DiskFull, match=r"traffic\.quarantine.*as it was"):
        put(spark, lake, many)
    assert (lake.version("traffic.quarantine"), stored(lake)) == (version, [(1, "kept", "2026-11-18")])
    filler.unlink()
    put(spark, lake, many)
    assert len(stored(lake)) == len(many)


def test_work_is_not_begun_on_a_disk_that_is_nearly_full(settings: Settings) -> None:
    free = shutil.disk_usage(settings.home).free
    demanding = load_settings(home=settings.home, lake={"minimum_free_bytes": 2 * free})
    with pytest.raises(DiskFull, match=r"lake\.minimum_free_bytes"):
        Lake.of(demanding).check_room()


def test_a_check_of_the_ddl_is_reported_without_the_row(
    spark: Any, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "check", lambda *_: [])  # the table's suite would refuse the row first
    canary = "canary-5551234"
    rows = [(canary, date(2026, 11, 18), "nonsense")]
    outcomes = spark.createDataFrame(rows, "turn_id string, ds date, outcome string").selectExpr(
        "turn_id", "outcome", "CAST(NULL AS STRING) AS reason", "CAST(NULL AS STRING) AS detail",
        "'train' AS split", "'user' AS source", "'en' AS language", "ds",
    )  # fmt: skip
    with (
        hold(lake.locks, ["curation.outcomes"], "r1", 60) as locks,
        pytest.raises(ContractError, match="known_outcome") as caught,
    ):
        write.write(
            spark, lake, locks["curation.outcomes"], write.Write("curation.outcomes", outcomes, DAYS, "r1")
        )
    assert canary not in str(caught.value)


def test_a_critical_expectation_blocks_and_a_warning_does_not(
    spark: Any, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        put(spark, lake, quarantine_rows((DAYS[0], 1, "secret-text")))
    assert stored(lake) == []
    assert "secret-text" not in str(caught.value) + str(caught.value.results)  # type: ignore[attr-defined]
    suite("warning")
    done = put(spark, lake, quarantine_rows((DAYS[0], 1, "other")))
    assert [(r.success, r.severity) for r in done.results] == [(False, "warning")]
    assert len(stored(lake)) == 1
    quality._suite.cache_clear()


def test_a_writer_that_lost_its_lock_does_not_commit(spark: Any, lake: Lake) -> None:
    with hold(lake.locks, ["traffic.quarantine"], "slow", 60) as locks:
        lock = locks["traffic.quarantine"]
        lock._folder.create(f"{lock._number + 1:08d}.json", lock._state())  # another run takes over
        with pytest.raises(LockHeld):
            write.write(
                spark, lake, lock,
                write.Write("traffic.quarantine", frame(spark, quarantine_rows((DAYS[0], 1, "a"))), DAYS, "slow"),
            )  # fmt: skip
    assert stored(lake) == []
