"""Experiments: who was assigned to which arm, and when first exposed. Imports no Spark."""

from __future__ import annotations

from jobs.declaration import Job

ASSIGNMENTS = Job("experiments.assignments", reads=["traffic.events"], writes=["experiments.assignments"])

JOBS = (ASSIGNMENTS,)
