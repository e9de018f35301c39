"""Which Java this machine has, and what to install when it is missing or too old."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from infra.errors import EnvironmentMissing

MINIMUM_JAVA = 17


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
