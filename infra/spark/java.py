"""Which Java this machine has, and what to install when it is missing or too old."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from infra.errors import EnvironmentMissing

MINIMUM_JAVA = 17
_NOTES = (
    "WARNING",
    "Using Spark",
    "Setting default log level",
    "To adjust logging level",
    "NOTE:",
    "Picked up",
)


def java_command() -> str:
    """The `java` that Spark would start: that of JAVA_HOME, else the first on PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else shutil.which("java") or "java"


def java_version() -> int | None:
    """Major version of the Java that Spark would start, or None when there is none."""
    java = shutil.which(java_command())
    if java is None:
        return None
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    digits = text.partition('"')[2].partition(".")[0].partition('"')[0]
    return int(digits) if digits.isdigit() else None


def check_java() -> None:
    """Say what to install when Java is missing or too old.

    Raises:
        EnvironmentMissing: with the command that installs it.
    """
    version = java_version()
    if version is None or version < MINIMUM_JAVA:
        raise EnvironmentMissing(
            f"Spark needs Java {MINIMUM_JAVA} or later; found {version or 'none'}",
            setting="JAVA_HOME",
            hint="Debian or Ubuntu: apt install openjdk-17-jre-headless. macOS: brew install openjdk@17.",
        )


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keep what Java and Spark print while Java starts, and after, out of our output; our own lines still come.

    Their notes on incubating modules, log profiles and native libraries are no news for whoever runs a job. If Java
    does not start, what it said is told. With FLYWHEEL_DEBUG everything is printed.

    Raises:
        EnvironmentMissing: Java ended before it answered.
    """
    if os.environ.get("FLYWHEEL_DEBUG") or "PYSPARK_GATEWAY_PORT" in os.environ:
        yield
        return
    from pyspark.errors import PySparkRuntimeError

    # Java inherits this file as its standard output and error, and keeps it.
    with tempfile.TemporaryFile() as said, ExitStack() as put_back:
        for stream, number, redirect in ((sys.stdout, 1, redirect_stdout), (sys.stderr, 2, redirect_stderr)):
            ours = put_back.enter_context(os.fdopen(os.dup(number), "w", buffering=1))
            put_back.callback(os.dup2, ours.fileno(), number)
            if _is(stream, number):
                stream.flush()
                put_back.enter_context(redirect(ours))
            os.dup2(said.fileno(), number)
        try:
            yield
        except PySparkRuntimeError as error:
            said.seek(0)
            raise EnvironmentMissing(
                f"Java ended before Spark was ready: {_what_java_said(said.read().decode(errors='replace'))}",
                setting="spark",
                hint="Check spark.driver_memory and spark.conf. FLYWHEEL_DEBUG=1 prints all that Java says.",
            ) from error


def _is(stream: Any, number: int) -> bool:
    try:
        return bool(stream.fileno() == number)
    except (AttributeError, OSError, ValueError):  # a test's or a notebook's
        return False


def _what_java_said(text: str) -> str:
    """The first lines that are no warning, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(_NOTES)]
    return " ".join(lines[:2])[:300] or "it said nothing"
