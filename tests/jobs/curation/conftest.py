"""A bench for curation jobs: tables in memory, the real job code, no ledger."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.contracts import contract
from infra.lake import Lake
from infra.lake.facts import record
from infra.settings import Settings
from jobs.declaration import Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIRST_DAY = date(2026, 11, 1)


@dataclass
class Bench:
    """Stands in for a job context; `written` collects what jobs write, and later reads see it."""

    spark: SparkSession
    settings: Settings
    lake: Lake
    days: tuple[date, ...] = (FIRST_DAY,)
    tables: dict[str, DataFrame] = field(default_factory=dict)
    written: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rows_in: dict[str, dict[date, int]] = field(default_factory=dict)
    partitions: int = 2
    quality: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    job: Job | None = None

    def put(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Set a table's rows; columns that a row leaves out are NULL, or empty where the DDL wants a value."""
        columns = [c for c in contract(table).columns if c.name != "run_id"]
        schema = ", ".join(f"`{c.name}` {c.type}" for c in columns)
        empty: dict[str, Any] = {"STRING": "x", "BOOLEAN": False, "INT": 1}
        values = [
            tuple(
                row.get(
                    c.name,
                    None if c.nullable else empty.get(c.type, [] if c.type.startswith("ARRAY") else {}),
                )
                for c in columns
            )
            for row in rows
        ]
        self.tables[table] = self.spark.createDataFrame(values, schema).repartition(self.partitions)

    def run(self, job: Job) -> None:
        """Run the job's code, with what it declares as the limit of what it reads."""
        self.job = job
        try:
            importlib.import_module(job.module).run(self)
        finally:
            self.job = None

    def read(self, table: str, days: Sequence[date] | None = None) -> DataFrame:
        """As JobContext.read; outside a job, all rows."""
        if table not in self.tables:
            self.put(table, [])
        frame = self.tables[table]
        if days is None and self.job is not None and self.job.reads[table].is_bounded:
            days = self.days_reached(table)
        return frame if days is None else frame.where(frame["ds"].isin(list(days)))

    def days_reached(self, table: str) -> list[date]:
        """As JobContext.days_reached."""
        assert self.job is not None
        return self.job.reads[table].days(self.settings, self.days)

    def write(
        self, table: str, frame: DataFrame, *, rows_in: Mapping[date, int] | None = None, **_: Any
    ) -> None:
        """As JobContext.write: the columns must be those of the DDL; days are replaced, keys are inserted."""
        one = contract(table)
        expected = {c.name for c in one.columns} - {"run_id"}
        assert set(frame.columns) == expected
        new = [row.asDict(recursive=True) for row in frame.collect()]
        assert len({tuple(row[k] for k in one.key) for row in new}) == len(new)
        old = self.written.get(table, [])
        if one.write == "replace_days":
            old = [row for row in old if row["ds"] not in self.days]
        self.written[table] = [*old, *new]
        self.put(table, self.written[table])
        self.rows_in[table] = dict(rows_in or {})

    def record_quality(self, table: str, results: Sequence[Any]) -> None:
        """As JobContext.record_quality."""
        self.quality += results

    def say(self, message: str) -> None:
        """Progress is not shown in tests."""

    def warn(self, message: str) -> None:
        """Warnings are kept."""
        self.warnings.append(message)

    def turn(self, turn_id: str, message: str, day: int = 0, **more: Any) -> dict[str, Any]:
        """A passed, final first turn of its own conversation on day `day`."""
        ts = datetime.combine(FIRST_DAY + timedelta(days=day), datetime.min.time(), UTC) + timedelta(hours=12)
        row = {
            "turn_id": turn_id, "conversation_id": f"c-{turn_id}", "turn_index": 1, "is_final": True,
            "source": "user", "language": "en", "split": "train", "verdict": "pass", "reasons": [],
            "message_ts": ts, "response_ts": ts, "ds": FIRST_DAY + timedelta(days=day),
            "redacted_user_message": message, "redacted_response": "That is a fine thing to say, thank you.",
        }  # fmt: skip
        row |= more
        if row["verdict"] != "pass":
            row |= {"redacted_user_message": None, "redacted_response": None}
        return row


@pytest.fixture
def bench(spark: SparkSession, settings: Settings) -> Bench:
    """An empty bench; its settings are those of an empty project."""
    record(settings, Lake.of(settings))  # the key of the hashes
    return Bench(spark, settings, Lake.of(settings))
