"""A deadline for a call that may never return: a detector on a text that was made to keep it busy.

An alarm signal interrupts Python code, waiting system calls and the matching of regular expressions, which looks for
signals every few thousand steps. It cannot interrupt native code that never comes back to the interpreter, and it works
in a process's main thread only: that is where Spark's Python workers, the command line and Airflow's tasks call. In
another thread there is no deadline.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
_AGAIN_SECONDS = 1.0


class Overrun(BaseException):
    """The deadline passed. Not an Exception: code that swallows those must not swallow this."""


def within(seconds: float, ask: Callable[[], _T]) -> _T:
    """The answer of `ask`. Raises Overrun when it takes longer than `seconds` of wall time.

    A call that swallows even that is interrupted again every second. An alarm that somebody else has set is set again
    afterwards, for what is left of it.
    """
    if threading.current_thread() is not threading.main_thread():
        return ask()
    armed = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise Overrun

    began = time.monotonic()
    others, interval = signal.getitimer(signal.ITIMER_REAL)
    handler = signal.signal(signal.SIGALRM, ring)
    # An alarm may ring at any step from here on, so every step is inside: it never outlives the call.
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        try:
            return ask()
        finally:
            armed = False
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - began), 1e-3), interval)
