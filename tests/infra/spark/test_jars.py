"""Delta's jars are fetched once, whole or not at all, and only the published files count."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import EnvironmentMissing
from infra.settings import load_settings
from infra.spark import jars, spark_conf

CONTENT = {"first-1.jar": b"one", "second-1.jar": b"two"}


@pytest.fixture
def fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were fetched into; two small files stand in for the jars, and no connection is needed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(jars, "_SHA256", hashes)
    fetched: list[Path] = []
    monkeypatch.setattr(jars, "_retrieve", retrieving(fetched))
    return fetched


def retrieving(fetched: list[Path], spoil: str | None = None) -> Callable[[Path, str | None], None]:
    def retrieve(draft: Path, _: str | None) -> None:
        fetched.append(draft)
        (draft / "jars").mkdir()
        for name, content in CONTENT.items():
            (draft / "jars" / name).write_bytes(content[:1] if name == spoil else content)

    return retrieve


def test_they_are_fetched_once_and_stand_on_the_class_path_in_order(fetches: list[Path]) -> None:
    settings = load_settings()
    assert "spark.jars.packages" in spark_conf(settings)
    paths = jars.fetch_jars()
    assert [Path(path).name for path in paths] == list(CONTENT)
    assert jars.fetch_jars() == paths
    assert len(fetches) == 1
    conf = spark_conf(settings)
    assert conf["spark.driver.extraClassPath"] == ":".join(paths)
    assert "spark.jars.packages" not in conf


def test_two_at_once_fetch_once(fetches: list[Path]) -> None:
    threads = [threading.Thread(target=jars.fetch_jars) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetches) == 1


def test_half_a_file_counts_for_nothing_and_the_next_call_fetches_again(
    fetches: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(jars, "_retrieve", retrieving(fetches, spoil="second-1.jar"))
        with pytest.raises(EnvironmentMissing, match=r"second-1\.jar is not the published file"):
            jars.fetch_jars()
    assert jars.delta_jars() == []
    assert not [path for path in jars.jar_folder().parent.iterdir() if path.is_dir()]
    assert len(jars.fetch_jars()) == len(CONTENT)


def test_without_a_connection_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ivy itself, with settings that know no repository."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ivy_settings = tmp_path / "ivysettings.xml"
    ivy_settings.write_text(
        '<ivysettings><settings defaultResolver="none"/>'
        f'<resolvers><filesystem name="none"><artifact pattern="{tmp_path}/none/[artifact].[ext]"/></filesystem>'
        "</resolvers></ivysettings>"
    )
    with pytest.raises(EnvironmentMissing, match=r"could not be fetched.*spark\.jars\.ivySettings"):
        jars.fetch_jars(str(ivy_settings))
    assert jars.delta_jars() == []
