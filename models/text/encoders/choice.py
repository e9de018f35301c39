"""The backend and precision that were measured to run an encoder best, kept for this user and machine."""

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
        answer = json.loads(_path(spec).read_text(encoding="utf-8"))
        return str(answer["backend"]), str(answer["precision"])
    return None


def keep_choice(spec: EncoderSettings, backend: str, precision: str) -> None:
    """Keep an answer, whole or not at all. A cache that cannot be written is no fault: it is measured again."""
    with suppress(OSError):
        write_file(_path(spec), json.dumps({"backend": backend, "precision": precision}))


def _path(spec: EncoderSettings) -> Path:
    """Named by all that the answer depends on: the spec, the machine's processor and drivers, the libraries."""
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
