"""`flywheel doctor`: what this machine needs to run the flywheel."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from cli.console import err, styled

if TYPE_CHECKING:
    from infra.settings import Settings

MINIMUM_MEMORY_BYTES = 6_000_000_000
MINIMUM_DISK_BYTES = 2_000_000_000
AIRFLOW_PORT = 8080


@dataclass(frozen=True)
class Check:
    """The result of one check. A check that is not required only warns."""

    what: str
    ok: bool
    remedy: str = ""
    required: bool = True


def doctor() -> None:
    """Check that this machine can run the flywheel.

    Checks Python, Java, memory, disk, make and ports, and shows how to install what is missing. Exit code 1 if
    something required is missing.

    \b
    Example:
      flywheel doctor
    """
    from infra.settings import load_settings

    checks = examine(load_settings())
    for check in checks:
        if check.ok:
            err.print(styled(("ok", "green"), f"       {check.what}"))
        else:
            label = ("MISSING", "red") if check.required else ("WARNING", "yellow")
            err.print(styled(label, f"  {check.what}"))
            err.print(f"         {check.remedy}")
    missing = [check for check in checks if check.required and not check.ok]
    err.print(
        f"{len(missing)} of {len(checks)} checks failed. Fix them and run flywheel doctor again."
        if missing
        else "This machine can run the flywheel.",
    )
    raise typer.Exit(1 if missing else 0)


def examine(settings: Settings) -> list[Check]:
    """Check Python, Java, memory, disk, make and ports."""
    return [_python(), _java(), _memory(), _disk(settings), _make(), _port(AIRFLOW_PORT)]


def _python() -> Check:
    version = sys.version_info[:2]
    return Check(
        f"Python {version[0]}.{version[1]}", (3, 11) <= version < (3, 13), "Install Python 3.11 or 3.12."
    )


def _java() -> Check:
    from infra.spark.java import MINIMUM_JAVA, java_version

    version = java_version()
    return Check(
        f"Java {version or 'not found'} (Spark needs {MINIMUM_JAVA} or later)",
        version is not None and version >= MINIMUM_JAVA,
        "Debian or Ubuntu: apt install openjdk-17-jre-headless. macOS: brew install openjdk@17. Or set JAVA_HOME.",
    )


def _memory() -> Check:
    import psutil

    total = psutil.virtual_memory().total
    return Check(
        f"{total / 1e9:.0f} GB of memory",
        total >= MINIMUM_MEMORY_BYTES,
        f"The default settings need {MINIMUM_MEMORY_BYTES / 1e9:.0f} GB. With less, lower spark.driver_memory in "
        "flywheel.toml.",
    )


def _disk(settings: Settings) -> Check:
    from infra.storage import local_path

    root = settings.resolve(settings.lake.root)
    folder = local_path(root)
    if folder is None:
        return Check(f"the lake is in an object store: {root}", True)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Check(
        f"{free / 1e9:.0f} GB free for the lake at {folder}",
        free >= max(settings.lake.minimum_free_bytes, MINIMUM_DISK_BYTES),
        f"Free at least {MINIMUM_DISK_BYTES / 1e9:.0f} GB, or set lake.root in flywheel.toml to a "
        "disk with more space.",
    )


def _make() -> Check:
    return Check("make", shutil.which("make") is not None, "Debian or Ubuntu: apt install make.")


def _port(port: int) -> Check:
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    return Check(
        f"port {port} is {'free' if free else 'in use'} (for make airflow)",
        free,
        f"Another program uses port {port}. Stop it, or choose another: make airflow AIRFLOW_PORT=8081.",
        required=False,
    )
