"""What a job gets when it runs: its days, tables at pinned versions, the write function and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from infra import progress, write
from infra.contracts import contract
from infra.errors import ContractError
from infra.lake import Lake, ledger
from infra.lake.locks import TableLock
from infra.memory import PeakMemory
from infra.settings import Settings
from jobs.declaration import Job, Reach, is_landed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as pads
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from jobs.landing.zone import LandingFile


@dataclass
class JobContext:
    """One run of one job. A job's `run` function gets it and writes tables only through it.

    Attributes:
        days: sorted days of the run.
        scope: id of what is built from the days (a dataset, a model), None where each day is a unit of its own.
        versions: Delta version of each table at the start of the run, or the pinned one; every read is at that version.
        reads: what the run has read: table to the days, or None for all of them.
        engine: the Spark session of a job that declares Spark, else None.
    """

    job: Job
    settings: Settings
    lake: Lake
    days: tuple[date, ...]
    run_id: str
    started_ts: datetime
    locks: Mapping[str, TableLock]
    memory: PeakMemory
    scope: str | None = None
    versions: dict[str, int] = field(default_factory=dict)
    ledger_rows: list[dict[str, Any]] = field(default_factory=list)
    quality_rows: list[dict[str, Any]] = field(default_factory=list)
    reads: dict[str, set[date] | None] = field(default_factory=dict)
    engine: SparkSession | None = None

    @property
    def spark(self) -> SparkSession:
        """The Spark session.

        Raises:
            ContractError: the job declares an engine without one.
        """
        if self.engine is None:
            raise ContractError(f"{self.job.name} declares engine {self.job.engine}: it has no Spark session")
        return self.engine

    @property
    def dataset_id(self) -> str:
        """Id of the dataset that the run builds, for a job whose unit is a window."""
        if self.scope is None:
            raise ContractError(f"{self.job.name} builds days, not a dataset")
        return self.scope

    def read(self, table: str, days: Iterable[date] | None = None) -> DataFrame:
        """Rows of a table as far as the job's declaration reaches, as they were when the run began.

        Args:
            days: fewer days (of `ds`) than the declaration allows. Default: all that it allows.

        Raises:
            ContractError: the job does not declare the table, or days beyond its reach.
        """
        from pyspark.sql import functions as F

        from infra.spark import small

        delta, wanted, last = self._extent(table, days)
        if small.is_small(delta, wanted, last):
            return small.frame_of(self.spark, delta, _rows(delta, wanted, last))
        frame = (
            self.spark.read.format("delta")
            .option("versionAsOf", self.version(table))
            .load(self.lake.path(table))
        )
        if wanted is not None:
            return frame.where(F.col("ds").isin(sorted(wanted)))
        return frame if last is None else frame.where(F.col("ds") <= F.lit(last))

    def read_arrow(
        self, table: str, days: Iterable[date] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The same rows as `read`, as an Arrow table, without a JVM."""
        return _rows(*self._extent(table, days), columns)

    def read_queryable(self, table: str, days: Iterable[date]) -> pads.Dataset | pads.Scanner:
        """The rows of some days as Arrow data that DuckDB may filter, read as it is used."""
        from infra.lake.arrow import queryable

        delta, wanted, _ = self._extent(table, days)
        return queryable(delta, days=wanted)

    def _extent(
        self, table: str, days: Iterable[date] | None
    ) -> tuple[DeltaTable, set[date] | None, date | None]:
        """The table at the run's version, the days to read of it (None: all), or the last of them (None: no limit)."""
        wanted = self._allowed(table, days)
        last = self.days[-1] if wanted is None and self._reach(table).up_to else None
        return self.lake.open(table, self.version(table)), wanted, last

    def reads_little(self) -> bool:
        """Whether everything that the job may read is so little that Spark does not compile code for it."""
        from infra.spark.small import SMALL_BYTES, is_small

        landed = 0
        for name, reach in self.job.reads.items():
            days = set(self.days_reached(name)) if reach.is_bounded else None
            if is_landed(name):
                landed += sum(file.size for day in self.days for file in self._landed(name, day))
            elif name in self.versions and not is_small(
                self.lake.open(name, self.versions[name]), days, self.days[-1] if reach.up_to else None
            ):
                return False
        return landed <= SMALL_BYTES

    def version(self, table: str) -> int:
        """The version of a table that the run reads.

        Raises:
            ContractError: the job does not declare that it reads or writes it.
        """
        if table not in self.versions:
            if table not in {*self.job.tables_read, *self.job.writes}:
                raise ContractError(f"{self.job.name} does not declare that it reads this table", table=table)
            self.versions[table] = self.lake.version(table)
        return self.versions[table]

    def version_read(self, table: str) -> int:
        """The version of a table that the job reads by other means than `read`, as far as it declares."""
        self._allowed(table, None)
        return self.version(table)

    def table_of(self, table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as an Arrow table with the columns and types of a contract, without `run_id`."""
        from infra.write.frames import arrow_table

        return arrow_table(contract(table), rows)

    def landed_files(self, zone: str) -> list[LandingFile]:
        """The finished files of a landing zone that arrived on the days of the run, by day and name."""
        self._allowed(zone, None)
        return [file for day in self.days for file in self._landed(zone, day)]

    def _landed(self, zone: str, day: date) -> list[LandingFile]:
        from jobs.landing.zone import landing_files

        return landing_files(self.lake.landing_of(zone), day)

    def days_reached(self, table: str) -> list[date]:
        """The days that the job reads of a table, sorted; only for a reach of certain days."""
        return self._reach(table).days(self.settings, self.days)

    def _reach(self, table: str) -> Reach:
        if table not in self.job.reads:
            raise ContractError(f"{self.job.name} does not declare that it reads this table", table=table)
        return self.job.reads[table]

    def _allowed(self, table: str, days: Iterable[date] | None) -> set[date] | None:
        """The days to read, None for all; they are noted in `reads`."""
        reach = self._reach(table)
        wanted: set[date] | None
        if reach.is_bounded:
            limit = set(self.days_reached(table))
            wanted = limit if days is None else set(days)
            if stray := sorted(wanted - limit):
                raise ContractError(
                    f"{self.job.name} reads {len(stray)} day(s) beyond what it declares", table=table, day=stray[0],
                    hint="Declare the reach in the stage's __init__.py: plans and fingerprints depend on it.",
                )  # fmt: skip
        else:
            wanted = None if days is None else set(days)
            if wanted and reach.up_to and max(wanted) > self.days[-1]:
                raise ContractError(
                    f"{self.job.name} reads a day after the last day of the run", table=table, day=max(wanted)
                )
        known = self.reads.get(table, set())
        self.reads[table] = None if wanted is None or known is None else known | wanted
        return wanted

    def write(
        self,
        table: str,
        frame: DataFrame | pa.Table,
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
        scope_column = contract(table).scope
        scope = {scope_column: self.scope} if scope_column and self.scope else {}
        done = write.write(
            self.engine,
            self.lake,
            self.locks[table],
            write.Write(table, frame, self.days, self.run_id, scope),
        )
        self.record_quality(table, done.results)
        if table in self.job.reads:
            self.versions[table] = done.output_version  # what the run reads of it now is what it wrote
        units = [self.days[-1]] if self.scope else list(self.days)
        for day in units:
            rows = sum(done.rows.values()) if self.scope else (rows_out or done.rows).get(day, 0)
            hashes = done.content_hashes
            content = (
                ",".join(f"{d}={h}" for d, h in sorted(hashes.items()))
                if self.scope
                else hashes.get(day, "0:0")
            )
            self.ledger_rows.append(
                ledger.run_row(
                    self.run_id, self.job.name, table, day, self.started_ts,
                    scope=self.scope, rows_in=(rows_in or {}).get(day), rows_out=rows,
                    rows_rejected=dict(sorted((rejected or {}).get(day, {}).items())),
                    content_hash=None if contract(table).write == "merge_insert" else content,
                    output_version=done.output_version, peak_memory_bytes=self.memory.peak_bytes,
                )
            )  # fmt: skip
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
        progress.show(f"  {seconds:6.1f}s  {message}")

    def warn(self, message: str) -> None:
        """A line that nobody should miss, also where only the lines of jobs are followed; never raw text."""
        progress.report(f"  WARNING  {self.job.name}: {message}")

    def record_quality(self, table: str, results: Sequence[Any]) -> None:
        """Record results for `ops.quality`, of a table's expectations or of the job's own checks."""
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


def _rows(
    delta: DeltaTable,
    days: Iterable[date] | None,
    last: date | None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Rows of certain days, or up to a last day, or all."""
    import pyarrow.compute as pc

    condition = None
    if days is not None:
        condition = pc.field("ds").isin(sorted(days))
    elif last is not None:
        condition = pc.field("ds") <= last
    dataset = delta.to_pyarrow_dataset()
    return dataset.to_table(columns=list(columns) if columns is not None else None, filter=condition)
