"""Writes landing files and runs the traffic jobs on a fresh lake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from infra.lake import Lake
from infra.settings import Settings
from jobs.landing.zone import day_folder

Lands = Callable[..., Path]
Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def put_events(lake: Lake) -> Lands:
    """`put_events(day, [event or raw line, ...], name)` writes one landing file."""

    def put(day: str, lines: Iterable[Mapping[str, Any] | bytes], name: str = "a.jsonl") -> Path:
        path = Path(lake.landing) / day_folder(date.fromisoformat(day)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        path.write_bytes(b"".join(line + b"\n" for line in encoded))
        return path

    return put


@pytest.fixture
def rows_of(spark: SparkSession, lake: Lake) -> Rows:
    """`rows_of(table, *columns)` reads a table as sorted dictionaries without run_id."""

    def rows(table: str, *columns: str) -> list[dict[str, Any]]:
        frame: DataFrame = spark.read.format("delta").load(lake.path(table))
        frame = frame.select(*columns) if columns else frame.drop("run_id")
        return sorted((row.asDict(recursive=True) for row in frame.collect()), key=repr)

    return rows


@pytest.fixture
def run_days(spark: SparkSession, settings: Settings, lake: Lake) -> Callable[..., Any]:
    """`run_days(job, "2026-03-01..2026-03-02", force)` runs a job as the command line does."""
    from infra.settings import parse_days
    from jobs.runner import run_job

    def run(job: str, days: str, force: bool = False) -> Any:
        return run_job(settings, job, parse_days(days), force)

    return run
