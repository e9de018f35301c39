"""What is written is closed to other accounts from the moment it exists, and no secret stands on a command line."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra import storage
from infra.errors import SettingsError
from infra.lake import Lake
from infra.lake.roots import exposed, make_roots
from infra.queueing.kinds import Local
from infra.queueing.watch import run
from infra.settings import QueueSettings, load_settings
from infra.spark import spark_conf
from infra.storage import local, private
from jobs.submission import submission

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHATS = json.dumps(
    {"conversation_id": "c1", "messages": [
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi, how are you?"},
    ]}
)  # fmt: skip


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """The umask that most accounts have: others may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def flywheel(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words], capture_output=True, text=True, check=False, umask=0o022,
        env={**os.environ, "FLYWHEEL_HOME": str(home), **variables},
    )  # fmt: skip


def modes(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
        for path in sorted(root.rglob("*"))
        if not path.is_symlink()
    }


def other_group() -> grp.struct_group:
    """A group of this account that is not its own."""
    ours = set(os.getgroups())
    for group in grp.getgrall():
        if group.gr_gid != os.getegid() and (not os.geteuid() or group.gr_gid in ours):
            return group
    pytest.skip("this account is a member of one group only")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that the command made and filled, started as a shell starts it."""
    home = tmp_path_factory.mktemp("project")
    (home / "logs").mkdir()
    (home / "logs" / "a.jsonl").write_text(CHATS + "\n")
    assert flywheel(home, "migrate").returncode == 0
    done = flywheel(home, "import", "--format", "openai", str(home / "logs" / "a.jsonl"))
    assert done.returncode == 0, done.stderr
    simulated = flywheel(home, "sandbox", "--turns", "200", "--days", "1", "--workers", "1")
    assert simulated.returncode == 0, simulated.stderr
    return home


@pytest.mark.parametrize("place", ["lake", "truth", ".flywheel"])
def test_all_that_the_command_makes_is_the_owners(filled: Path, place: str) -> None:
    found = modes(filled / place)
    assert len(found) > 1 or place == ".flywheel"
    assert stat.S_IMODE((filled / place).stat().st_mode) == 0o700
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_another_account_counts_no_raw_turn() -> None:
    # pytest's own folders are closed already.
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        assert flywheel(home, "migrate").returncode == 0
        counted = subprocess.run(
            ["find", str(home / "lake"), "-type", "f"], user=65534, group=65534, extra_groups=[],
            capture_output=True, text=True, check=False, cwd="/",
        )  # fmt: skip
        assert counted.stdout == ""
        assert "Permission denied" in counted.stderr
    finally:
        shutil.rmtree(home)


def test_delta_and_duckdb_write_private_files(tmp_path: Path) -> None:
    import duckdb
    import pyarrow as pa
    from deltalake import write_deltalake

    load_settings(home=tmp_path)
    write_deltalake(str(tmp_path / "delta"), pa.table({"a": [1]}))
    duckdb.sql(f"COPY (SELECT 1) TO '{tmp_path}/file.parquet'")
    assert {name: oct(mode) for name, mode in modes(tmp_path).items() if mode & 0o077} == {}


# Groups.


def test_a_group_reads_its_root_and_what_is_made_in_it(tmp_path: Path) -> None:
    group = other_group()
    settings = load_settings(home=tmp_path, lake={"restricted_group": group.gr_name})
    make_roots(settings)
    lake = Lake.of(settings)
    storage.folder(lake.restricted).write("traffic/a/file", b"x")
    storage.folder(lake.curated).write("a/file", b"x")
    restricted = Path(lake.restricted)
    for path in (restricted, restricted / "traffic", restricted / "traffic" / "a"):
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o2750, group.gr_gid)
    raw = restricted / "traffic" / "a" / "file"
    assert (stat.S_IMODE(raw.stat().st_mode), raw.stat().st_gid) == (0o640, group.gr_gid)
    assert stat.S_IMODE(Path(lake.curated).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "lake").stat().st_mode) == 0o711
    assert exposed(settings) == []


def test_readers_of_curated_tables_do_not_read_raw_text(tmp_path: Path) -> None:
    group = other_group()
    settings = load_settings(home=tmp_path, lake={"group": group.gr_name})
    make_roots(settings)
    lake = Lake.of(settings)
    restricted, curated = Path(lake.restricted).stat(), Path(lake.curated).stat()
    assert (stat.S_IMODE(curated.st_mode), curated.st_gid) == (0o2750, group.gr_gid)
    assert stat.S_IMODE(restricted.st_mode) == 0o700
    assert restricted.st_gid != group.gr_gid


def test_the_key_stays_the_owners_whatever_the_group(tmp_path: Path) -> None:
    load_settings(home=tmp_path, lake={"group": other_group().gr_name}).user_key(create=True)
    assert stat.S_IMODE((tmp_path / ".flywheel" / "user_key").stat().st_mode) == 0o600


def test_a_group_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no group nosuchgroup.*lake.restricted_group"):
        load_settings(home=tmp_path, lake={"restricted_group": "nosuchgroup"})


def test_a_group_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(group.gr_name for group in grp.getgrall() if group.gr_gid != os.getegid())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [])
    with pytest.raises(SettingsError, match=f"not a member of the group {name}"):
        load_settings(home=tmp_path, lake={"group": name})


# Storage: no moment at which a file is open.


def test_a_draft_is_never_wider_than_the_file_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    opened = []
    usual = os.open

    def noted(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = usual(path, flags, mode, **more)
        if flags & os.O_CREAT:
            opened.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", noted)
    storage.write_file(secret, "x")
    assert opened
    assert not [oct(mode) for mode in opened if mode & 0o077]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_disk_without_hard_links_keeps_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(local.Path, "hardlink_to", no_links)
    storage.create_file(tmp_path / "key", "x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_an_existing_root_is_left_as_it_is(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    restricted = tmp_path / "lake" / "restricted"
    restricted.mkdir(parents=True)
    restricted.chmod(0o755)
    make_roots(settings)
    assert stat.S_IMODE(restricted.stat().st_mode) == 0o755


# Doctor.


@pytest.mark.parametrize("mode", [0o755, 0o751, 0o704])
def test_doctor_says_how_to_close_an_open_root(tmp_path: Path, mode: int) -> None:
    restricted = tmp_path / "lake" / "restricted"
    (restricted / "traffic").mkdir(parents=True)
    (restricted / "traffic" / "file").touch(0o644)
    restricted.chmod(mode)
    told = flywheel(tmp_path, "doctor").stderr
    assert "WARNING" in told
    (command,) = [place.command for place in exposed(load_settings(home=tmp_path))]
    assert command in told.replace("\n", "")
    assert stat.S_IMODE(restricted.stat().st_mode) == mode
    subprocess.run(command, shell=True, check=True)
    assert exposed(load_settings(home=tmp_path)) == []
    assert not [mode for mode in modes(restricted).values() if mode & 0o077]


def test_doctor_says_how_to_open_a_root_to_its_group(tmp_path: Path) -> None:
    make_roots(load_settings(home=tmp_path))
    restricted = tmp_path / "lake" / "restricted"
    (restricted / "file").touch(0o600)
    (restricted / "folder").mkdir(0o700)
    settings = load_settings(home=tmp_path, lake={"restricted_group": other_group().gr_name})
    (found,) = exposed(settings)
    subprocess.run(found.command, shell=True, check=True)
    assert exposed(settings) == []
    assert modes(restricted) == {"file": 0o640, "folder": 0o2750}


# The queue.


def test_a_queue_started_by_another_umask_writes_private_files(tmp_path: Path) -> None:
    folder = tmp_path / "queue" / "name"
    made = tmp_path / "made"
    command = ["/bin/bash", "-c", f"echo told; touch {made}"]
    run(Local(), QueueSettings(poll_seconds=0.05), folder, command, tmp_path)
    found = modes(folder)
    assert found["run.sh"] == 0o700
    assert {"output.log", "exit_code", "job.json", "run.sh"} <= set(found)
    assert not [name for name, mode in found.items() if mode & 0o077]
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# Spark.

SECRET = "spark.hadoop.fs.s3a.secret.key"


def test_hadoop_gets_the_umask(tmp_path: Path) -> None:
    name = "spark.hadoop.fs.permissions.umask-mode"
    assert spark_conf(load_settings(home=tmp_path))[name] == "077"
    assert spark_conf(load_settings(home=tmp_path, lake={"group": other_group().gr_name}))[name] == "027"


@pytest.mark.parametrize(
    "name",
    [SECRET, "spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.session.token",
     "spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net", "spark.hadoop.fs.azure.sas.fixed.token.x",
     "spark.hadoop.fs.s3a.bucket.logs.secret.key", "spark.hadoop.javax.jdo.option.ConnectionPassword"],
)  # fmt: skip
def test_no_secret_stands_on_a_command_line(tmp_path: Path, name: str) -> None:
    settings = load_settings(
        home=tmp_path, spark={"conf": {name: "hush", "spark.hadoop.fs.s3a.endpoint": "e"}}
    )
    how = submission(settings)
    assert "hush" not in json.dumps([how.conf, how.application, how.env_vars, spark_conf(settings)])
    assert how.conf["spark.hadoop.fs.s3a.endpoint"] == "e"


@pytest.mark.parametrize(
    "name",
    ["spark.authenticate.secret", "spark.ssl.keyPassword", "spark.executorEnv.AWS_SECRET_ACCESS_KEY",
     "spark.kubernetes.authenticate.driver.oauthToken"],
)  # fmt: skip
def test_a_secret_that_java_needs_at_its_start_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings(home=tmp_path, spark={"conf": {name: "hush"}})
    assert "hush" not in str(caught.value)


def test_a_secret_in_the_settings_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flywheel.toml").write_text(f'[spark.conf]\n"{SECRET}" = "hush"\n')
    with pytest.raises(SettingsError, match="FLYWHEEL_SPARK__CONF") as caught:
        load_settings(home=tmp_path)
    assert "hush" not in str(caught.value)


def test_settings_that_name_no_secret_are_passed_on(tmp_path: Path) -> None:
    conf = {
        "spark.hadoop.fs.s3a.aws.credentials.provider": "p", "spark.kubernetes.authenticate.oauthTokenFile": "/f",
        "spark.security.credentials.hive.enabled": "false", "spark.hadoop.fs.s3a.impl": "i",
    }  # fmt: skip
    assert conf.items() <= spark_conf(load_settings(home=tmp_path, spark={"conf": conf})).items()


def test_spark_writes_private_files(spark: SparkSession, tmp_path: Path) -> None:
    """The session of the tests began with the umask that its settings ask for."""
    frame = spark.range(3)
    frame.write.format("delta").save(str(tmp_path / "delta"))
    frame.write.parquet(str(tmp_path / "parquet"))
    assert {name: oct(mode) for name, mode in modes(tmp_path).items() if mode & 0o077} == {}


def test_hadoop_knows_the_secret_and_the_list_of_processes_does_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    from infra.spark.session import _hand_over_secrets

    settings = load_settings(home=tmp_path, spark={"conf": {SECRET: "hush-4711"}})
    _hand_over_secrets(spark, settings)
    hadoop = spark._jsparkSession.sessionState().newHadoopConf()
    assert hadoop.get("fs.s3a.secret.key") == "hush-4711"
    spark.sparkContext._jsc.hadoopConfiguration().unset("fs.s3a.secret.key")
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert b"hush-4711" not in command.read_bytes()


def test_a_process_of_its_own_is_told(tmp_path: Path) -> None:
    """Whoever reads the settings, also a notebook or a worker, writes private files from then on."""
    code = (
        "from infra.settings import load_settings; load_settings(); "
        f"open('{tmp_path}/f', 'w').close(); import subprocess; subprocess.run(['touch', '{tmp_path}/g'])"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        umask=0o022,
        env={**os.environ, "FLYWHEEL_HOME": str(tmp_path)},
    )
    assert set(modes(tmp_path).values()) == {0o600}
    assert private.umask_for("", "") == 0o077


@pytest.mark.airflow
def test_an_airflow_task_gives_spark_submit_a_private_umask_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.wiring import stage_task
    from jobs.declaration import job

    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    monkeypatch.setenv("FLYWHEEL_SPARK__CONF", json.dumps({SECRET: "hush"}))
    task = stage_task([job("traffic.land")])
    assert "hush" not in json.dumps([task.conf, task.env_vars, task.application_args])
    os.umask(0o022)
    task._pre_execute_hook({})
    assert os.umask(0o022) == 0o077
