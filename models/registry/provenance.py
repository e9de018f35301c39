"""The provenance of a result: commit of the code and description of the environment. Computed once a process."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
_GPU_QUERY = "--query-gpu=name,memory.total,driver_version"


@dataclass(frozen=True)
class Code:
    """The code that ran.

    Attributes:
        commit: git commit, or `package-VERSION` where there is no checkout.
        dirty: whether tracked files differ from the commit.
        changes_hash: sixteen hex digits of that difference, empty where there is none.
    """

    commit: str
    dirty: bool
    changes_hash: str


@cache
def code() -> Code:
    """The code of this process."""
    commit = _git("rev-parse", "HEAD").decode().strip()
    if not commit:
        return Code(f"package-{package_version('characterflywheel')}", False, "")
    changes = _git("diff", "HEAD", "--no-ext-diff", "--binary")
    digest = hashlib.sha256(changes).hexdigest()[:16] if changes else ""
    return Code(commit, bool(changes), digest)


@cache
def environment() -> dict[str, Any]:
    """Python, package versions and hardware, as JSON-compatible values without host or user names."""
    import psutil

    packages = {
        str(package.metadata["Name"]).lower(): package.version
        for package in distributions()
        if package.metadata["Name"]
    }
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": _gpus(),
        "packages": dict(sorted(packages.items())),
    }


def _git(*arguments: str) -> bytes:
    try:
        result = subprocess.run(["git", "-C", str(_REPOSITORY), *arguments], capture_output=True, check=False)
    except OSError:  # no git on this machine
        return b""
    return result.stdout if result.returncode == 0 else b""


def _gpus() -> list[str]:
    try:
        result = subprocess.run(
            ["nvidia-smi", _GPU_QUERY, "--format=csv,noheader"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return result.stdout.strip().splitlines() if result.returncode == 0 else []
