"""A job that exists only in a test."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import pytest

import jobs.declaration
import jobs.plan
import jobs.runner
from jobs.context import JobContext
from jobs.declaration import Job


def declare(monkeypatch: pytest.MonkeyPatch, *runs: tuple[Job, Callable[[JobContext], object]]) -> None:
    """Let these be all jobs that there are, each with what it runs."""
    for job, run in runs:
        module = types.ModuleType(job.module)
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, job.module, module)
    for place in (jobs.declaration, jobs.plan, jobs.runner):
        monkeypatch.setattr(place, "all_jobs", lambda: tuple(job for job, _ in runs))
