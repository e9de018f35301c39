"""What a machine needs to run the flywheel, and how to get what it lacks."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.settings import Settings
from infra.spark import MINIMUM_JAVA, java_version

MINIMUM_MEMORY_BYTES = 6_000_000_000
AIRFLOW_PORT = 8080


@dataclass(frozen=True)
class Finding:
    """One thing looked at. A finding that is not required is a warning."""

    what: str
    ok: bool
    remedy: str = ""
    required: bool = True


def examine(settings: Settings) -> list[Finding]:
    """Look at Python, Java, memory, disk and ports."""
    return [_python(), _java(), _memory(), _disk(settings), _port(AIRFLOW_PORT), _make()]


def _python() -> Finding:
    version = sys.version_info
    told = f"Python {version.major}.{version.minor}"
    return Finding(told, (3, 11) <= (version.major, version.minor) < (3, 13), "Install Python 3.11 or 3.12.")


def _java() -> Finding:
    version = java_version()
    return Finding(
        f"Java {version or 'not found'} (Spark needs {MINIMUM_JAVA} or later)",
        version is not None and version >= MINIMUM_JAVA,
        "Debian or Ubuntu: apt install openjdk-17-jre-headless. macOS: brew install openjdk@17. Or set JAVA_HOME.",
    )


def _memory() -> Finding:
    total = psutil.virtual_memory().total
    return Finding(
        f"{total / 1e9:.0f} GB of memory",
        total >= MINIMUM_MEMORY_BYTES,
        f"At least {MINIMUM_MEMORY_BYTES / 1e9:.0f} GB are wanted; lower spark.driver_memory in flywheel.toml.",
    )


def _disk(settings: Settings) -> Finding:
    place = Path(settings.resolve(settings.lake.root))
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Finding(
        f"{free / 1e9:.0f} GB free for the lake at {place}",
        free >= max(settings.lake.minimum_free_bytes, 2_000_000_000),
        "Free at least 2 GB, or set lake.root in flywheel.toml to a place with room.",
    )


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    return Finding(
        f"port {port} is {'free' if free else 'taken'} (make airflow)",
        free,
        f"Another program listens on {port}; make airflow needs it: stop it or set AIRFLOW_PORT.",
        required=False,
    )


def _make() -> Finding:
    return Finding("make", shutil.which("make") is not None, "Debian or Ubuntu: apt install make.")
