"""`flywheel doctor`: what this machine needs to run the flywheel."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import err, styled

if TYPE_CHECKING:
    import psutil

    from infra.settings import Settings

MINIMUM_MEMORY_BYTES = 6_000_000_000
MINIMUM_DISK_BYTES = 2_000_000_000
AIRFLOW_PORT = "AIRFLOW_PORT"
"""The variable that the Makefile reads, with the port of Airflow's web UI."""
_DEFAULT_PORT = 8080


@dataclass(frozen=True)
class Check:
    """The result of one check. A check that is not required only warns."""

    what: str
    ok: bool
    remedy: str = ""
    required: bool = True


def doctor(
    lake: Annotated[
        bool, typer.Option("--lake", help="Also compare every table with its log and with the ledger.")
    ] = False,
) -> None:
    """Check that this machine can run the flywheel.

    Checks Python, Java, memory, disk, make and ports, and shows how to install what is missing. If there is a lake,
    also checks its key and who may read it, and lists landed files that no job reads. Exit code 1 if something
    required is missing.

    \b
    Examples:
      flywheel doctor
      flywheel doctor --lake
    """
    from infra.settings import load_settings

    settings = load_settings()
    checks = examine(settings) + (_tables(settings) if lake else [])
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
    """Check Python, Java, memory, disk, make and ports, and the lake if there is one."""
    checks = [_python(), _java(), _memory(), _disk(settings), _make()]
    port = _port(os.environ.get(AIRFLOW_PORT, ""), settings)
    return [*checks, port, *_readers(settings), *_lake(settings)]


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


def _lake(settings: Settings) -> list[Check]:
    """The lake's key, and what lies in its landing zones and is not read; nothing where there is no lake yet."""
    from infra.errors import FlywheelError
    from infra.lake import Lake
    from infra.lake.facts import LAKE_FACTS, user_key
    from jobs.plan import Plan

    if Lake.of(settings).root.read_if_there(LAKE_FACTS) is None:
        return []
    try:
        user_key(settings)
        key = Check("the key is the one that the lake was filled with", True)
    except FlywheelError as error:
        # A warning: the machine can run the flywheel, and setting it up must not depend on an old lake.
        key = Check(error.what, False, error.hint or "", required=False)
    left = Plan(settings).unread()
    names = ", ".join(unread.name for unread in left[:3])
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    landing = Check(
        f"{len(left)} file(s) or folder(s) in the landing zones are not read" + (f": {names}{more}" if left else ""),
        not left, "flywheel plan says why. Rename or move them.", required=False,
    )  # fmt: skip
    return [key, landing]


def _readers(settings: Settings) -> list[Check]:
    from infra.lake.roots import exposed

    found = [
        Check(place.what, False, f"To change that: {place.command}", required=False)
        for place in exposed(settings)
    ]
    return found or [Check("the lake is closed to other accounts", True)]


def _tables(settings: Settings) -> list[Check]:
    """Each table whose log, version or rows are not what the ledger recorded."""
    from infra.lake import Lake
    from infra.lake.integrity import faults

    place = Lake.of(settings)
    names = place.readable()
    found = faults(place, thorough=True)
    checks = [Check(f"{fault.table}: {fault.what}", False, fault.remedy) for fault in found]
    whole = len(names) - len({fault.table for fault in found})
    return [
        *checks,
        Check(f"{whole} of {len(names)} tables are as the ledger recorded them", not checks, required=False),
    ]


def _make() -> Check:
    return Check("make", shutil.which("make") is not None, "Debian or Ubuntu: apt install make.")


def _port(asked: str, settings: Settings) -> Check:
    """The port on which `make airflow` will listen: free, or taken by the Airflow of this project."""
    if asked and not (asked.isdecimal() and 0 < int(asked) < 65_536):
        return Check(
            f"{AIRFLOW_PORT} is {asked[:20]!r}", False, "Set it to a port: make airflow AIRFLOW_PORT=8081.",
            required=False,
        )  # fmt: skip
    port = int(asked or _DEFAULT_PORT)
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    if not free and _is_our_airflow(port, settings.home):
        return Check(f"port {port} is used by the Airflow of this project", True)
    other = 8081 if port == _DEFAULT_PORT else _DEFAULT_PORT
    return Check(
        f"port {port} is {'free' if free else 'in use'} (for make airflow)",
        free,
        f"Another program uses port {port}. Stop it, or choose another: make airflow AIRFLOW_PORT={other}.",
        required=False,
    )


def _is_our_airflow(port: int, home: Path) -> bool:
    """Whether the process that listens on the port, or one that started it, is the Airflow whose home is here."""
    import psutil

    for process in psutil.process_iter():
        try:
            listens = any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port
                for one in process.net_connections("tcp")
            )
            if listens:
                family = [process, *process.parents()]
                return any(_names_airflow(one) and _stands_in(one, home) for one in family)
        except psutil.Error:  # of another account, or gone
            continue
    return False


def _names_airflow(process: psutil.Process) -> bool:
    import psutil

    try:
        return any("airflow" in Path(word).name for word in process.cmdline())
    except psutil.Error:
        return False


def _stands_in(process: psutil.Process, home: Path) -> bool:
    import psutil

    try:
        return Path(process.environ().get("AIRFLOW_HOME", "")) == home / ".airflow"
    except psutil.Error:
        return False
