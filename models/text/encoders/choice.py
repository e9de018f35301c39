"""The fastest backend and precision of an encoder, measured once and cached for this user and machine."""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from infra.cache import user_cache
from infra.settings import EncoderSettings
from infra.storage import write_file

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd")


def kept_choice(spec: EncoderSettings) -> tuple[str, str] | None:
    """(backend, precision) measured before for this spec on this machine, or None."""
    with suppress(OSError, ValueError, KeyError):
        choice = json.loads(_path(spec).read_text(encoding="utf-8"))
        return str(choice["backend"]), str(choice["precision"])
    return None


def keep_choice(spec: EncoderSettings, backend: str, precision: str) -> None:
    """Cache a choice, atomically. A cache that cannot be written is no error: the choice is measured again."""
    with suppress(OSError):
        write_file(_path(spec), json.dumps({"backend": backend, "precision": precision}))


def _path(spec: EncoderSettings) -> Path:
    """The file of a choice, named by a hash of the spec, the processor, the drivers and the libraries' versions."""
    parts = {
        "spec": spec.model_dump(mode="json", exclude={"languages"}),
        "processor": _processor(),
        "drivers": [path for path in _DRIVERS if Path(path).exists()],
        "versions": {name: _version(name) for name in ("openvino", "torch")},
    }
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return user_cache() / "encoders" / "choices" / f"{name}.json"


def _processor() -> str:
    """The processor's name as the system gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
