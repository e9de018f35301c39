"""What a running job may touch: its days, its tables at pinned versions, the one write function, the ledger."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from infra import ledger, write
from infra.contracts import contract
from infra.errors import ContractError
from infra.lake import Lake
from infra.locks import TableLock
from infra.memory import PeakMemory
from infra.settings import Settings
from jobs.declaration import Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass
class JobContext:
    """One run of one job. `run` functions get it; nothing else writes tables.

    Attributes:
        days: sorted days of the run (the window, for a dataset).
        dataset_id: id of the dataset for jobs of that grain, else None.
        versions: Delta version of each table at the start of the run, or the pinned one; every read is at that version.
    """

    job: Job
    spark: SparkSession
    settings: Settings
    lake: Lake
    days: tuple[date, ...]
    run_id: str
    started_ts: datetime
    locks: Mapping[str, TableLock]
    memory: PeakMemory
    dataset_id: str | None = None
    versions: dict[str, int] = field(default_factory=dict)
    ledger_rows: list[dict[str, Any]] = field(default_factory=list)
    quality_rows: list[dict[str, Any]] = field(default_factory=list)

    def read(self, table: str, days: Sequence[date] | None = ()) -> DataFrame:
        """Rows of a declared table as it was when the run began, or as it was at the version that a setting pins.

        Args:
            days: of `ds`; () = the run's own days, None = all rows.

        Raises:
            ContractError: the job does not declare that it reads the table.
        """
        from pyspark.sql import functions as F

        if table not in {*self.job.reads, *self.job.lookback, *self.job.pinned, *self.job.writes}:
            raise ContractError(f"{self.job.name} does not declare that it reads it", table=table)
        if table not in self.versions:
            self.versions[table] = self.lake.version(table)
        frame = (
            self.spark.read.format("delta")
            .option("versionAsOf", self.versions[table])
            .load(self.lake.path(table))
        )
        wanted = self.days if days == () else days
        return frame if wanted is None else frame.where(F.col("ds").isin(list(wanted)))

    def write(
        self,
        table: str,
        frame: DataFrame,
        *,
        rows_in: Mapping[date, int] | None = None,
        rows_out: Mapping[date, int] | None = None,
        rejected: Mapping[date, Mapping[str, int]] | None = None,
    ) -> None:
        """Check and commit the frame in the way the table's contract says, and account for it.

        Args:
            frame: all columns of the DDL but run_id.
            rows_in: rows read, by day of the run.
            rows_out: rows written, by day of the run, where that is not the frame's `ds` (received days).
            rejected: rows not written, by day and reason.

        Raises:
            ContractError, ExpectationFailed, LockHeld, DiskFull: the table is as it was.
        """
        expected = self.job.writes[len({row["table_name"] for row in self.ledger_rows})]
        if table != expected:
            raise ContractError(f"{self.job.name} declares that it writes {expected} next", table=table)
        scope = {"dataset_id": self.dataset_id} if self.dataset_id else {}
        done = write.write(
            self.spark, self.lake, self.locks[table], write.Write(table, frame, self.days, self.run_id, scope)
        )
        self.record_quality(table, done.results)
        units = [self.days[-1]] if self.dataset_id else list(self.days)
        for day in units:
            rows = sum(done.rows.values()) if self.dataset_id else (rows_out or done.rows).get(day, 0)
            hashes = done.content_hashes
            content = (
                ",".join(f"{d}={h}" for d, h in sorted(hashes.items()))
                if self.dataset_id
                else hashes.get(day, "0:0")
            )
            self.ledger_rows.append(
                {
                    "run_id": self.run_id,
                    "job": self.job.name,
                    "table_name": table,
                    "ds": day,
                    "scope": self.dataset_id,
                    "started_ts": self.started_ts,
                    "ended_ts": ledger.now(),
                    "rows_in": (rows_in or {}).get(day),
                    "rows_out": rows,
                    "rows_rejected": dict(sorted((rejected or {}).get(day, {}).items())),
                    "content_hash": None if contract(table).write == "merge_insert" else content,
                    "output_version": done.output_version,
                    "peak_memory_bytes": self.memory.peak_bytes,
                    "seconds": (ledger.now() - self.started_ts).total_seconds(),
                }
            )
        self.say(f"{table}: {sum(done.rows.values()):,} rows, version {done.output_version}")

    def mark_stale(self, job: str, days: Iterable[date], cause: str) -> None:
        """Record that `job` must run again for `days`."""
        days = sorted(set(days))
        ledger.mark_stale(self.lake, job, days, cause, self.run_id)
        if days:
            self.say(f"{job} is stale for {len(days)} day(s) from {days[0]}: {cause}")

    def say(self, message: str) -> None:
        """One line of progress; never raw text."""
        seconds = (ledger.now() - self.started_ts).total_seconds()
        print(f"  {seconds:6.1f}s  {message}", file=sys.stderr, flush=True)

    def record_quality(self, table: str, results: Sequence[Any]) -> None:
        """Keep results about a table for `ops.quality`: of its expectations, or of a job's own checks."""
        self.quality_rows += [
            {
                "run_id": self.run_id,
                "job": self.job.name,
                "table_name": table,
                "expectation": result.expectation,
                "severity": result.severity,
                "success": result.success,
                "observed": result.observed,
                "ds": self.days[-1],
                "checked_ts": ledger.now(),
            }
            for result in results
        ]
