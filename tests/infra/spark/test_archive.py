"""Local sessions start from a class-data archive where there is one that fits, and without it all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import load_settings
from infra.spark import archive, spark_conf
from infra.spark.java import java_command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    archive.archive_path.cache_clear()
    yield archive.archive_path()
    archive.archive_path.cache_clear()


def test_only_an_archive_that_is_there_is_named(place: Path) -> None:
    settings = load_settings()
    assert "SharedArchiveFile" not in spark_conf(settings)["spark.driver.extraJavaOptions"]
    place.parent.mkdir(parents=True)
    place.touch()
    assert f"-XX:SharedArchiveFile={place}" in spark_conf(settings)["spark.driver.extraJavaOptions"]
    cluster = load_settings(spark={"master": "spark://host:7077"})
    assert "spark.driver.extraJavaOptions" not in spark_conf(cluster)


def test_an_archive_that_does_not_fit_is_left_alone_in_silence(place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(b"not an archive")
    done = subprocess.run(
        [java_command(), *archive.archive_options().split(), "-version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert "warning" not in done.stderr


def test_java_takes_its_classes_from_the_archive(tmp_path: Path) -> None:
    """With a small program: the archive of a user's set-up takes a whole Spark session to make."""
    java, made = java_command(), tmp_path / "made.jsa"
    jar = next(Path(archive.find_spec("pyspark").origin).parent.glob("jars/ivy-*.jar"))
    program = ["-cp", str(jar), "org.apache.ivy.Main", "-version"]
    subprocess.run([java, f"-XX:ArchiveClassesAtExit={made}", *program], check=True, capture_output=True)
    listed = subprocess.run(
        [java, f"-XX:SharedArchiveFile={made}", "-Xlog:class+load", *program],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    line = next(line for line in listed.splitlines() if " org.apache.ivy.Main " in line)
    assert line.endswith("source: shared objects file (top)")
