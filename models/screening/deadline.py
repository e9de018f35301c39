"""A deadline for a call that may never return, such as a detector on a text made to keep it busy.

An alarm signal interrupts Python code, waiting system calls and the matching of regular expressions, which looks for
signals every few thousand steps. It cannot interrupt native code that never returns to the interpreter. It works in the
main thread of a process only, where Spark's Python workers, the command line and Airflow's tasks call. In another
thread there is no deadline.
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

    A call that swallows Overrun is interrupted again every second. An alarm that was set before is set again
    afterwards, for its remaining time.
    """
    if threading.current_thread() is not threading.main_thread():
        return ask()
    armed = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise Overrun

    began = time.monotonic()
    outer_seconds, interval = signal.getitimer(signal.ITIMER_REAL)
    handler = signal.signal(signal.SIGALRM, ring)
    # The alarm may ring at any step from here on, so all are inside `try`: it never outlives the call.
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
        if outer_seconds:
            signal.setitimer(
                signal.ITIMER_REAL, max(outer_seconds - (time.monotonic() - began), 1e-3), interval
            )
