"""Delta's jars: fetched once a user, checked, and put on the class path of every local session.

`make setup` fetches them (`python -m infra.spark.jars`). A session that finds none fetches them itself and says so.
Ivy, which Spark brings, does the transfer; it does not run at the start of each session.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from infra.cache import user_cache
from infra.errors import EnvironmentMissing
from infra.spark.java import check_java, java_command
from infra.storage import publish

DELTA_VERSION = "4.4.0"
DELTA_PACKAGE = f"io.delta:delta-spark_4.2_2.13:{DELTA_VERSION}"
# File name to SHA-256. Tables by path need these two of the package's forty. The class path keeps this order, which a
# class-data archive relies on.
_SHA256 = {
    f"delta-spark_4.2_2.13-{DELTA_VERSION}.jar": "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    f"delta-storage-{DELTA_VERSION}.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
}
_IVY_MODULE = f"""<ivy-module version="2.0">
  <info organisation="characterflywheel" module="jars"/>
  <dependencies>
    <dependency org="io.delta" name="delta-spark_4.2_2.13" rev="{DELTA_VERSION}" transitive="false"/>
    <dependency org="io.delta" name="delta-storage" rev="{DELTA_VERSION}" transitive="false"/>
  </dependencies>
</ivy-module>
"""


def jar_folder() -> Path:
    """Where the jars of this version lie, whole or not at all."""
    return user_cache() / "jars" / f"delta-{DELTA_VERSION}"


def delta_jars() -> list[str]:
    """Paths of the jars in the order of the class path; empty before they are fetched."""
    folder = jar_folder()
    return [str(folder / name) for name in _SHA256] if folder.is_dir() else []


def fetch_jars(ivy_settings: str | None = None) -> list[str]:
    """The jars, fetched if this user does not have them yet.

    A process that is killed midway leaves only a draft folder. Of two at once, the second waits for the first.

    Args:
        ivy_settings: an Ivy settings file (Spark's `spark.jars.ivySettings`) that names a mirror.

    Raises:
        EnvironmentMissing: no Java, no connection, or a file that is not the published one.
    """
    if jars := delta_jars():
        return jars
    check_java()
    folder = jar_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder.parent / ".lock"):
        if not folder.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=".delta-", dir=folder.parent))
            try:
                _retrieve(draft, ivy_settings)
                _check(draft / "jars")
                publish(draft / "jars", folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return delta_jars()


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """An exclusive lock on a file; the system frees it when the process ends in any way."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _retrieve(draft: Path, ivy_settings: str | None) -> None:
    """Run Ivy: it writes `draft/jars` and keeps its own cache beside it, so that no other cache can be damaged."""
    (draft / "ivy.xml").write_text(_IVY_MODULE, encoding="utf-8")
    command = [
        java_command(), "-XX:TieredStopAtLevel=1", "-cp", str(_ivy()), "org.apache.ivy.Main",
        "-ivy", str(draft / "ivy.xml"), "-cache", str(draft / "cache"), "-types", "jar", "-warn",
        "-retrieve", f"{draft}/jars/[artifact]-[revision].[ext]",
    ]  # fmt: skip
    if ivy_settings:
        command += ["-settings", ivy_settings]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line.strip() for line in (result.stdout + result.stderr).splitlines()]
        problem = next((line for line in lines if "ERROR" in line or "UNRESOLVED" in line), "Ivy failed")
        raise EnvironmentMissing(
            f"Delta's jars ({DELTA_PACKAGE}) could not be fetched: {problem}",
            setting="spark.conf",
            hint="Check the connection to Maven Central, or name a mirror: [spark.conf] "
            '"spark.jars.ivySettings" = "ivysettings.xml".',
        )


def _ivy() -> Path:
    package = find_spec("pyspark")
    if package is None or package.origin is None:
        raise EnvironmentMissing("pyspark is not installed", hint="Run: make setup")
    return next((Path(package.origin).parent / "jars").glob("ivy-*.jar"))


def _check(folder: Path) -> None:
    for name, expected in _SHA256.items():
        with (folder / name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != expected:
            raise EnvironmentMissing(
                f"{name} is not the published file (SHA-256 {digest[:12]}…, expected {expected[:12]}…)",
                hint="Fetch it again: make setup. If it stays so, the mirror is at fault.",
            )


if __name__ == "__main__":
    from infra.errors import FlywheelError
    from infra.settings import load_settings

    try:
        for jar in fetch_jars(load_settings().spark.conf.get("spark.jars.ivySettings")):
            print(jar)
    except FlywheelError as error:
        sys.exit(f"{type(error).__name__}: {error}")
