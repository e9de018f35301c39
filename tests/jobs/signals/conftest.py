"""The fixtures of the traffic tests: landing files, and traffic jobs on a fresh lake."""

from __future__ import annotations

from tests.jobs.traffic.conftest import put_events, rows_of, run_days

__all__ = ["put_events", "rows_of", "run_days"]
