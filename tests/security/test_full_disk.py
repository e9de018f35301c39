"""A full disk is one clear error wherever it fills up, and the next run repairs it; a broken lock expires."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.errors import DiskFull, LockHeld, is_disk_full
from infra.lake import Lake
from infra.lake.locks import hold
from infra.lake.migrate import migrate
from infra.settings import Settings, load_settings
from jobs.context import JobContext
from jobs.declaration import Job
from jobs.runner import run_job
from tests.jobs.toy import declare

DAY = date(2026, 11, 18)
TABLE = "curation.outcomes"
TOY = Job("toy.disk", reads={}, writes=[TABLE], engine="arrow")


def make(ctx: JobContext) -> None:
    rows = [
        {
            "turn_id": f"t{n}",
            "outcome": "eligible",
            "split": "train",
            "source": "user",
            "language": "en",
            "ds": DAY,
        }
        for n in range(400)
    ]
    ctx.write(TABLE, ctx.table_of(TABLE, rows))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, (TOY, make))


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 12 MB of its own, really full when it is full."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def on_small_disk(small_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(
        home=tmp_path_factory.mktemp("home"), lake={"root": str(small_disk / "lake"), "minimum_free_bytes": 0}
    )
    migrate(settings)
    return settings


def failure_of(settings: Settings) -> DiskFull | None:
    try:
        run_job(settings, TOY.name, [DAY], force=True)
    except DiskFull as error:
        return error
    return None


@pytest.mark.usefixtures("toy")
def test_wherever_it_fills_up_the_error_is_clear_and_the_next_run_makes_everything(
    small_disk: Path, on_small_disk: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    lake = Lake.of(on_small_disk)
    failures: set[str] = set()
    # From no room at all to room for everything: the lock, the table's file, its log, the ledger.
    for free in (0, 8, 12, 16, 24, 40):
        filler = small_disk / "filler"
        filler.write_bytes(bytes(max(shutil.disk_usage(small_disk).free - free * 1024, 0)))
        error = failure_of(on_small_disk)
        filler.unlink()
        if error is not None:
            failures.add(error.what)
            assert TABLE in str(error)
            assert "Free disk space" in str(error)
        run_job(on_small_disk, TOY.name, [DAY], force=True)
        rows = lake.open(TABLE).to_pyarrow_table()
        assert rows.num_rows == 400
    assert len(failures) >= 2, failures
    assert "Traceback" not in capfd.readouterr().err


def test_every_engine_says_it_in_its_own_words() -> None:
    outer = RuntimeError("write failed")
    outer.__cause__ = OSError(28, "No space left on device")
    assert is_disk_full(outer)
    assert is_disk_full(
        RuntimeError("Generic LocalFileSystem error: ... No space left on device (os error 28)")
    )
    assert is_disk_full(OSError(122, "Disk quota exceeded"))
    assert not is_disk_full(OSError(13, "Permission denied"))


ODD: list[Any] = [
    b"", b"{", b"{}", b"[]", b"5", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"run_id": "a"}',
    json.dumps({"run_id": 1, "host": 2, "pid": "x", "process_started": None, "expires": "soon", "released": "no"}),
    json.dumps({"run_id": "r", "host": "h", "pid": True, "process_started": 0, "expires": 9e99, "released": False}),
]  # fmt: skip


@pytest.mark.parametrize("content", ODD)
def test_a_lock_file_that_is_none_expires_and_stops_nobody_for_ever(
    tmp_path: Path, content: bytes | str
) -> None:
    lock = tmp_path / "a.b" / "00000001.json"
    lock.parent.mkdir()
    lock.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(LockHeld), hold(str(tmp_path), ["a.b"], "early", 60):
        pass
    os.utime(lock, (0, 0))
    with hold(str(tmp_path), ["a.b"], "late", 60) as locks:
        locks["a.b"].check()


@pytest.mark.parametrize(
    "name", ["README.txt", "x.json", ".00000009.json.tmp", "00000002.json.bak", "²².json", "-1.json"]
)
def test_strangers_in_the_folder_of_a_lock_are_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.b").mkdir()
    (tmp_path / "a.b" / name).write_text("hello")
    (tmp_path / "a.b" / "00000003.json").mkdir()
    with hold(str(tmp_path), ["a.b"], "run", 60) as locks:
        locks["a.b"].check()
    with hold(str(tmp_path), ["a.b"], "run", 60):
        pass
    assert (tmp_path / "a.b" / name).read_text() == "hello"
