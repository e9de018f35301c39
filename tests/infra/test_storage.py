"""Files appear whole or not at all, on every kind of place, and nothing goes around the storage layer."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from infra import storage
from infra.errors import KeyMismatch, LockHeld, MigrationRefused, SettingsError
from infra.lake import Lake, facts, ledger
from infra.lake.facts import LAKE_FACTS, record
from infra.lake.locks import hold
from infra.lake.migrate import drift, migrate
from infra.settings import LakeSettings, Settings, SplitSettings, load_settings
from infra.storage import Folder, folder

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = date(2026, 3, 1)


@pytest.fixture(params=["path", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder of each kind."""
    uris = {
        "path": f"{tmp_path}/x", "file": f"file://{tmp_path}/x", "memory": f"memory://{uuid.uuid4().hex}/x",
    }  # fmt: skip
    return folder(uris[request.param])


@pytest.fixture
def memory() -> Folder:
    """An empty folder that no path leads to."""
    return folder(f"memory://{uuid.uuid4().hex}")


def files_of(place: Folder) -> list[str]:
    return sorted(place.walk())


# --- one behaviour on every kind of place


def test_what_is_written_is_listed_read_and_deleted(place: Folder) -> None:
    assert place.entries() == []
    assert place.read_if_there("a/b.txt") is None
    with pytest.raises(FileNotFoundError):
        place.read("a/b.txt")
    place.write("a/b.txt", b"one")
    place.write("c.txt", b"three")
    place.write("a/b.txt", b"another")
    assert [(entry.name, entry.is_folder, entry.size) for entry in place.entries()] == [
        ("a", True, 0),
        ("c.txt", False, 5),
    ]
    assert all(entry.modified_ns > 1e18 for entry in place.entries() if not entry.is_folder)
    assert [entry.name for entry in place.at("a").entries()] == ["b.txt"] == files_of(place.at("a"))
    assert files_of(place) == ["a/b.txt", "c.txt"]
    assert place.sizes(["c.txt", "a/b.txt", "a/none"]) == [5, 7, None]
    with place.open("a/b.txt") as stream:
        assert stream.readline() == b"another"
    place.delete("a/b.txt")
    place.delete("a/b.txt")
    assert files_of(place) == ["c.txt"]
    place.write("a/b/d.txt", b"four")
    place.delete_folder("a")
    place.delete_folder("a")
    assert files_of(place) == ["c.txt"]


def test_a_write_that_fails_leaves_the_file_as_it_was(place: Folder) -> None:
    place.write("a.txt", b"old")

    def fail() -> None:
        with place.replacing("a.txt") as out:
            out.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert place.read("a.txt") == b"old"
    assert files_of(place) == ["a.txt"]
    with place.replacing("a.txt") as out:
        out.write(b"x" * 5_000_000)
    assert place.sizes(["a.txt"]) == [5_000_000]


def test_a_draft_can_be_compared_before_it_is_published(place: Folder) -> None:
    draft = place.draft("d/a.txt")
    draft.out.write(b"one")
    assert draft.content() == b"one"
    draft.out.write(b"two")
    assert place.read_if_there("d/a.txt") is None
    draft.publish()
    draft.discard()
    assert place.read("d/a.txt") == b"onetwo"


def test_a_file_is_created_once(place: Folder) -> None:
    place.create("a/lock", b"first")
    with pytest.raises(FileExistsError):
        place.create("a/lock", b"second")
    assert place.read("a/lock") == b"first"
    assert files_of(place) == ["a/lock"]


def test_arrow_reads_what_is_there(place: Folder) -> None:
    place.write("a/b.txt", b"seven b")
    system, root = place.arrow()
    with system.open_input_file(f"{root}a/b.txt") as source:
        assert source.read() == b"seven b"


# --- the local disk


def test_of_many_creators_one_wins_and_its_content_is_whole(tmp_path: Path) -> None:
    wins: list[int] = []
    barrier = threading.Barrier(12)

    def contend(number: int) -> None:
        barrier.wait()
        try:
            storage.create_file(tmp_path / "taken", f"{number:02d}" * 5_000)
        except FileExistsError:
            # Whoever loses can read all of it at once.
            assert len((tmp_path / "taken").read_text()) == 10_000
        else:
            wins.append(number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert (tmp_path / "taken").read_text() == f"{wins[0]:02d}" * 5_000
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_killed_writer_shows_nothing_and_its_draft_goes_with_the_next_write(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom infra.storage import replacing\n"
        "with replacing(Path(sys.argv[1])) as out:\n    out.write(b'half'); out.flush()\n"
        "    print('writing', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "a.txt"
    victim = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline().strip() == "writing"
    (draft,) = tmp_path.iterdir()
    os.utime(draft, (0, 0))
    storage.write_file(target, "whole")  # the other writer lives: its draft is left alone
    assert draft.exists()
    victim.kill()
    victim.wait()
    assert target.read_text() == "whole"
    storage.write_file(target, "again")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_permissions_stay_or_are_as_asked(tmp_path: Path) -> None:
    secret, shared = tmp_path / "secret", tmp_path / "shared"
    storage.create_file(secret, "x", mode=0o600)
    storage.write_file(shared, "x")
    shared.chmod(0o640)
    storage.write_file(shared, "y")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (secret, shared)]
    assert modes == [0o600, 0o640]


def test_without_hard_links_a_file_is_still_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    storage.create_file(tmp_path / "a", "first")
    with pytest.raises(FileExistsError):
        storage.create_file(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"


def test_a_folder_appears_whole_and_the_faster_process_wins(tmp_path: Path) -> None:
    def fail() -> None:
        with storage.new_folder(tmp_path / "a") as draft:
            (draft / "x").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with storage.new_folder(tmp_path / "a") as slow:
        (slow / "x").write_text("slow")
        with storage.new_folder(tmp_path / "a") as fast:
            (fast / "x").write_text("fast")
    assert (tmp_path / "a" / "x").read_text() == "fast"
    with storage.new_folder(tmp_path / "a", replace=True) as newer:
        (newer / "y").write_text("newer")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["y"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# --- URIs and options


def test_a_uri_never_becomes_a_path() -> None:
    assert Path(folder("file:///tmp/x")) == Path("/tmp/x") == Path(folder("/tmp/x"))
    with pytest.raises(SettingsError, match="memory://x"):
        Path(folder("memory://x"))
    with pytest.raises(SettingsError, match="names a host"):
        Path(folder("file://tmp/x"))
    assert storage.uri_of("/tmp/x") == "file:///tmp/x"
    assert storage.uri_of("s3://b/x") == "s3://b/x"


def test_a_store_that_may_overwrite_is_refused_for_locks() -> None:
    with pytest.raises(SettingsError, match="ftp:// cannot create a file exclusively"):
        folder("ftp://host/x").create("a", b"")
    with pytest.raises(SettingsError, match="cannot be opened"):
        folder("nosuchscheme://x").read("a")


def test_options_reach_the_engines_and_secrets_are_refused(tmp_path: Path) -> None:
    options = {"aws_endpoint_url": "http://localhost:9000", "aws_region": "eu", "aws_allow_http": "true"}
    lake = Lake.of(load_settings(home=tmp_path, lake={"storage_options": options}))
    assert lake.delta_options == options
    assert dict(lake.locks.options) == options == dict(lake.landing_of("landing/preferences").options)
    from infra.storage.folder import _fsspec_options

    named = {"endpoint_url": "http://localhost:9000", "client_kwargs": {"region_name": "eu"}}
    assert _fsspec_options("s3://bucket", lake.options) == named
    assert _fsspec_options("memory://x", lake.options) == {}
    with pytest.raises(SettingsError, match="is a secret") as refused:
        load_settings(home=tmp_path, lake={"storage_options": {"AWS_SECRET_ACCESS_KEY": "hush"}})
    assert "hush" not in str(refused.value)


# --- the lake in a place that no path leads to


def test_locks_lock_in_memory(memory: Folder) -> None:
    for run in ("first", "second", "third"):
        with hold(memory, ["a.b", "a.c"], run, 60) as locks:
            locks["a.b"].check()
            with pytest.raises(LockHeld, match=f"run {run}"), hold(memory, ["a.c"], "other", 60):
                pass
    assert files_of(memory) == ["a.b/00000003.json", "a.c/00000003.json"]


def test_a_lock_that_lost_its_content_ends_with_its_time(tmp_path: Path) -> None:
    """A host without power may leave an empty file."""
    lock = tmp_path / "a.b" / "00000001.json"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(LockHeld), hold(str(tmp_path), ["a.b"], "early", 60):
        pass
    os.utime(lock, (0, 0))
    with hold(str(tmp_path), ["a.b"], "late", 60) as locks:
        locks["a.b"].check()


def test_split_and_key_are_pinned_on_every_lake(
    settings: Settings, place: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "has_rows", lambda lake: False)
    lake = replace(Lake.of(settings), curated=place.uri)
    record(settings, lake)
    record(settings, lake)
    moved = settings.model_copy(update={"split": SplitSettings(salt="another", evaluation_share=0.1)})
    with pytest.raises(MigrationRefused, match=f"{place}/{LAKE_FACTS}"):
        record(moved, lake)
    monkeypatch.setenv("FLYWHEEL_SECRETS__USER_KEY", "another key, long enough")
    with pytest.raises(KeyMismatch, match="is not the key that the lake"):
        record(load_settings(home=settings.home), lake)
    assert files_of(place) == [LAKE_FACTS]


def test_centroids_are_kept_in_memory(memory: Folder) -> None:
    from infra.settings import DiversitySettings
    from jobs.curation.diversity import spaces

    rules = DiversitySettings(exhaustive_rows=100, rows_per_cluster=50)
    rows = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    first = spaces.centroids(rules, memory, "space", 400, lambda most: rows[:most])
    again = spaces.centroids(rules, memory, "space", 400, lambda most: pytest.fail("trained again"))
    assert np.array_equal(first.vectors, again.vectors)
    assert [name.partition("/")[0] for name in files_of(memory)] == ["centroids"]


def test_a_day_is_imported_read_and_erased_in_memory(memory: Folder) -> None:
    from jobs.landing.erase import Theirs, erase_lines
    from jobs.landing.files import DayFiles
    from jobs.landing.zone import iter_rows, landing_days, landing_files, landing_fingerprint

    def deliver(users: tuple[str, ...]) -> None:
        with DayFiles(memory, "import") as out:
            for user in users:
                out.put(DAY, {"event_type": "message", "user_id": user})

    def fail() -> None:
        with DayFiles(memory, "import") as out:
            out.put(DAY, {"event_type": "message"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert landing_days(memory) == []
    deliver(("ann", "bob"))
    before = landing_fingerprint(memory, DAY)
    deliver(("ann", "bob"))
    assert landing_fingerprint(memory, DAY) == before  # the same bytes are left alone
    assert landing_days(memory) == [DAY]
    (file,) = landing_files(memory, DAY)
    assert erase_lines(file, Theirs({"ann": "u_a"}, {}, {}, {}), 1_000) == {"u_a": 1}
    (file,) = landing_files(memory, DAY)
    kept = [row.content for row in iter_rows(file, 1_000)]
    assert [b"bob" in content for content in kept if isinstance(content, bytes)] == [False, True]
    assert landing_fingerprint(memory, DAY) != before


def test_a_table_version_is_read_from_a_place_without_paths(settings: Settings, memory: Folder) -> None:
    """delta-rs has a memory of its own, so the version is opened on disk and its files are read elsewhere."""
    from models.tables.log import versions_left
    from models.tables.opened import open_snapshot
    from models.tables.version import open_version

    lake, table = Lake.of(settings), "ops.stale"
    migrate(settings)
    ledger.mark_stale(lake, "a.b", [DAY], "first", "r1")
    ledger.mark_stale(lake, "a.b", [DAY], "second", "r2")
    disk = lake.folder(table)
    for name in disk.walk():
        memory.write(name, disk.read(name))
    version = replace(open_version(lake, table), folder=memory)
    version.check_files(lake, version.files)
    opened = open_snapshot(settings, table, where="cause = 'second'", columns=["cause"])
    source = replace(opened.source, folder=memory)
    units = tuple(source.units(version))
    elsewhere = replace(opened, source=source, units=units)
    assert pa.Table.from_batches(elsewhere.batches()).to_pydict() == {"cause": ["second"]}
    everything = versions_left(memory)
    assert everything == versions_left(disk)
    memory.delete(version.files[0].path)
    assert len(versions_left(memory)) < len(everything)


# --- a whole lake by URI


@pytest.fixture
def by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A project whose roots are URIs; whoever takes one for a path makes a folder `file:` where the test runs."""
    monkeypatch.chdir(tmp_path)
    yield load_settings(home=tmp_path, lake={"root": f"file://{tmp_path}/my lake"})
    assert not (tmp_path / "file:").exists()


def test_a_lake_by_uri_is_one_on_the_same_disk(by_uri: Settings, tmp_path: Path) -> None:
    from infra.lake.sql import connect
    from models.pull.pull import pull
    from models.tables.opened import open_snapshot

    assert migrate(by_uri)
    assert migrate(by_uri) == []
    lake = Lake.of(by_uri)
    assert drift(lake) == []
    lake.check_room()
    assert "ops.stale" in lake.readable()
    ledger.mark_stale(lake, "a.b", [DAY], "because", "r1")
    assert [mark.ds for mark in ledger.open_marks(lake)] == [DAY]
    with hold(lake.locks, ["ops.stale"], "r1", 60) as locks:
        locks["ops.stale"].check()
    with connect(lake, "SELECT cause FROM ops.stale") as connection:
        assert connection.execute("SELECT cause FROM ops.stale").fetchall() == [("because",)]
    pulled = pull(open_snapshot(by_uri, "ops.stale"), "jsonl", tmp_path / "pulled", "none")
    assert pulled.rows == 1
    by_path = Lake.of(load_settings(home=tmp_path, lake={"root": f"{tmp_path}/my lake"}))
    assert by_path.version("ops.stale") == lake.version("ops.stale")
    assert (tmp_path / "my lake" / "curated" / LAKE_FACTS).is_file()


def test_commands_that_need_a_local_folder_say_so(tmp_path: Path) -> None:
    lake = Lake.of(load_settings(home=tmp_path, lake={"root": "memory://somewhere"}))
    with pytest.raises(SettingsError, match="local folder"):
        Path(lake.landing)
    assert lake.landing.uri == "memory://somewhere/restricted/landing"


def test_a_migrated_lake_keeps_its_places(tmp_path: Path) -> None:
    lake = Lake.of(load_settings(home=tmp_path))
    root = tmp_path / "lake"
    assert Path(lake.landing) == root / "restricted" / "landing"
    assert Path(lake.landing_of("landing/preferences")) == root / "restricted" / "landing" / "preferences"
    assert str(lake.landing_of("landing")) == str(lake.landing)
    assert Path(lake.locks) == root / "curated" / "_locks"
    assert Path(lake.artifacts) == root / "curated" / "_artifacts"
    assert lake.path("traffic.turns") == str(root / "restricted" / "traffic" / "turns")
    assert LakeSettings().storage_options == {}


# --- nothing goes around

ALLOWED = {
    "models/signals/transformer.py": {"os.link"},  # links a model's files instead of copying them
}
"""File to what it may do that only `infra/storage` does otherwise."""


def test_nothing_goes_around_the_storage_layer() -> None:
    around = {}
    for top in ("cli", "dags", "infra", "jobs", "models"):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name.startswith("infra/storage/"):
                continue
            uses = {use for node in ast.walk(ast.parse(path.read_text())) for use in _uses(node)}
            if extra := uses - ALLOWED.get(name, set()):
                around[name] = sorted(extra)
    assert around == {}


def _uses(node: ast.AST) -> Iterator[str]:
    """What a syntax node does that belongs to the storage layer."""
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name.startswith(("fsspec", "pyarrow.fs")))
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if module.startswith(("fsspec", "pyarrow.fs")) or (
            module == "pyarrow" and any(a.name == "fs" for a in node.names)
        ):
            yield module
    elif isinstance(node, ast.Constant) and node.value == "://":
        yield "a test for a URI by hand"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        full = f"{owner}.{node.func.attr}"
        if full in {"os.rename", "os.replace", "os.link", "shutil.move"}:
            yield full
        # Of a path: with one argument. Of a text it has two, of a date or a row named ones.
        elif (
            node.func.attr in {"rename", "replace", "hardlink_to"}
            and len(node.args) == 1
            and not node.keywords
        ):
            yield f"Path.{node.func.attr}"


@pytest.mark.parametrize(
    "code",
    [
        "import fsspec", "import pyarrow.fs as pafs", "from pyarrow import fs", "from fsspec.core import open",
        "os.replace(a, b)", "draft.replace(target)", "draft.rename(target)", "'://' in root",
    ],
)  # fmt: skip
def test_the_check_sees_what_it_is_for(code: str) -> None:
    assert [use for node in ast.walk(ast.parse(code)) for use in _uses(node)]
    assert not [use for node in ast.walk(ast.parse("text.replace('a', 'b')")) for use in _uses(node)]
