"""Peak memory of a run: the driver, its JVM and their Python workers, sampled."""

from __future__ import annotations

import contextlib
import threading

import psutil


class PeakMemory:
    """Samples the private memory (USS) of this process tree until closed."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.peak_bytes = 0
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, _tree_bytes())
            if self._stop.wait(self._seconds):
                return


def _tree_bytes() -> int:
    top = psutil.Process()
    parent = top.parent()
    # Under spark-submit the JVM is the parent, and the workers are its children.
    if parent is not None and parent.name() == "java":
        top = parent
    total = 0
    for process in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().uss
    return total
