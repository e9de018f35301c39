"""The ledger: what ran, what it made, what it found wrong, what must run again (`ops.*`), without a JVM."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

from infra.contracts import contract
from infra.errors import ContractError
from infra.lake import Lake
from infra.lake.arrow import queryable

_SEQUENCE = "sequence"
RETENTION = "maintenance.retention"
"""Name in `ops.runs` of the deletion of old rows; `ds` is the first day that was kept."""


@dataclass(frozen=True)
class Success:
    """The last successful run of a job for one unit of work and table."""

    run_id: str
    started_ts: datetime
    ended_ts: datetime
    content_hash: str
    input_fingerprint: str
    settings_hash: str
    output_version: int


@dataclass(frozen=True)
class Mark:
    """One reason why a job must run again for a day."""

    job: str
    ds: date
    cause: str
    marked_ts: datetime
    mark_id: str | None


def now() -> datetime:
    """This moment, UTC, to the microsecond (what Delta stores)."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """The start time and a random suffix."""
    return f"{now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def run_row(
    run_id: str, job: str, table: str, ds: date, started_ts: datetime, **columns: Any
) -> dict[str, Any]:
    """A row of `ops.runs` for a run that ends now; `columns` are what else is known of it."""
    ended = now()
    return {
        "run_id": run_id, "job": job, "table_name": table, "ds": ds, "started_ts": started_ts, "ended_ts": ended,
        "seconds": (ended - started_ts).total_seconds(), "code_version": code_version(), **columns,
    }  # fmt: skip


def append(lake: Lake, table: str, rows: Sequence[Mapping[str, Any]], run_id: str) -> None:
    """Append rows to a table of the ledger, once: a repeated call with the same run_id and rows adds nothing.

    Missing columns become NULL. Times must be timezone-aware. Rows of other tables go through `infra.write`.

    Raises:
        ContractError: the table is not one of `ops.*`.
    """
    if not table.startswith("ops."):
        raise ContractError("only infra.write writes it: the ledger is ops.*", table=table)
    if not rows:
        return
    delta = lake.open(table)
    names = contract(table).column_names
    schema = pa.schema(delta.schema().to_arrow())
    columns = {name: [row.get(name) for row in rows] for name in names}
    digest = hashlib.sha256(repr(columns).encode()).hexdigest()[:16]
    if _SEQUENCE in names:
        columns[_SEQUENCE] = [int(delta.version())] * len(rows)
    arrays = [
        pa.array(
            [list(v.items()) if isinstance(v, dict) else v for v in columns[name]],
            type=schema.field(name).type,
        )
        for name in names
    ]
    frame = pa.Table.from_arrays(arrays, schema=pa.schema([schema.field(name) for name in names]))
    application = f"{table}:{run_id}:{digest}"
    if delta.transaction_version(application) is not None:
        return
    write_deltalake(
        delta,
        frame,
        mode="append",
        commit_properties=CommitProperties(
            app_transactions=[Transaction(application, 1)],
            max_commit_retries=30,
        ),
    )


def mark_stale(lake: Lake, job: str, days: Iterable[date], cause: str, run_id: str) -> None:
    """Record that `job` must run again for `days`; a run that began after this and succeeded clears it (`clear`)."""
    moment = now()
    rows = [
        {
            "job": job, "ds": day, "cause": cause, "marked_ts": moment, "run_id": run_id,
            "mark_id": uuid.uuid4().hex,
        }
        for day in sorted(set(days))
    ]  # fmt: skip
    append(lake, "ops.stale", rows, run_id)


def clear(lake: Lake, marks: Iterable[Mark], run_id: str) -> None:
    """Record that a run has done what the marks asked for: those that it had seen when it began, and no later ones."""
    moment = now()
    rows = [
        {
            "job": mark.job, "ds": mark.ds, "cause": mark.cause, "marked_ts": moment, "run_id": run_id,
            "clears": mark.mark_id,
        }
        for mark in marks
        if mark.mark_id is not None
    ]  # fmt: skip
    append(lake, "ops.stale", rows, run_id)


def query(
    lake: Lake, sql: str, parameters: Sequence[object] = (), tables: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a DuckDB query over small tables of the lake, each registered as `stage_table`."""
    with duckdb.connect() as connection:
        for table in tables:
            # A dataset: only the columns that the query names are read.
            connection.register(table.replace(".", "_"), queryable(lake.open(table)))
        rows: list[tuple[Any, ...]] = connection.execute(sql, list(parameters)).fetchall()
        return rows


def successes(lake: Lake) -> dict[tuple[str, str], dict[str, Success]]:
    """Last success of each job on each table: (table, job) to unit to success. One read of the ledger.

    A unit is an ISO day, or the id of what a job builds from several days.
    """
    rows = query(
        lake,
        """
        SELECT table_name, job, coalesce(scope, CAST(ds AS VARCHAR)) AS unit, run_id, started_ts, ended_ts,
               content_hash, input_fingerprint, settings_hash, output_version
        FROM ops_runs
        WHERE state = 'succeeded'
        QUALIFY row_number() OVER (
            PARTITION BY table_name, job, unit ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, run_id DESC
        ) = 1
        """,
        [],
        ["ops.runs"],
    )
    by_job: dict[tuple[str, str], dict[str, Success]] = {}
    for table, job, unit, *values in rows:
        by_job.setdefault((table, job), {})[unit] = Success(*values)
    return by_job


def days_run(lake: Lake, table: str, job: str) -> set[date]:
    """The days for which `job` wrote `table`."""
    rows = query(
        lake,
        "SELECT DISTINCT ds FROM ops_runs WHERE state = 'succeeded' AND table_name = ? AND job = ? AND scope IS NULL",
        [table, job],
        ["ops.runs"],
    )
    return {day for (day,) in rows}


def expired_before(lake: Lake) -> dict[str, date]:
    """Table to the day before which retention deleted its rows, for tables of which it deleted any."""
    rows = query(
        lake,
        "SELECT table_name, max(ds) FROM ops_runs WHERE job = ? AND state = 'succeeded' GROUP BY table_name",
        [RETENTION],
        ["ops.runs"],
    )
    return dict(rows)


def content_versions(lake: Lake, table: str, job: str) -> dict[str, int]:
    """By unit of work (ISO day): the first version of the table since which the unit's content is as it is now."""
    rows = query(
        lake,
        """
        SELECT CAST(ds AS VARCHAR) AS unit, content_hash, output_version FROM ops_runs
        WHERE state = 'succeeded' AND table_name = ? AND job = ? AND scope IS NULL
        ORDER BY coalesce(sequence, -1), ended_ts, run_id
        """,
        [table, job],
        ["ops.runs"],
    )
    first_versions: dict[str, tuple[str, int]] = {}
    for unit, content, version in rows:
        if unit not in first_versions or first_versions[unit][0] != content:
            first_versions[unit] = content, version
    return {unit: version for unit, (_, version) in first_versions.items()}


def open_marks(lake: Lake) -> list[Mark]:
    """Marks that no run has cleared, oldest first. Those without an id are cleared by any run that started later."""
    rows = query(
        lake,
        """
        SELECT s.job, s.ds, s.cause, s.marked_ts, s.mark_id
        FROM ops_stale s
        WHERE s.clears IS NULL
          AND (s.mark_id IS NULL OR NOT EXISTS (SELECT 1 FROM ops_stale c WHERE c.clears = s.mark_id))
          AND (s.mark_id IS NOT NULL OR NOT EXISTS (
              SELECT 1 FROM ops_runs r
              WHERE r.job = s.job AND r.ds = s.ds AND r.state = 'succeeded' AND r.started_ts > s.marked_ts
          ))
        ORDER BY s.ds, s.marked_ts, s.job
        """,
        [],
        ["ops.stale", "ops.runs"],
    )
    return [Mark(*row) for row in rows]


def erased_users(lake: Lake) -> frozenset[str]:
    """Keyed hashes of the users that were erased: nothing of theirs is landed again."""
    rows = query(lake, "SELECT DISTINCT user_id FROM ops_erasures", [], ["ops.erasures"])
    return frozenset(str(user) for (user,) in rows)


@cache
def code_version() -> str:
    """Git commit of the checkout (marked when it has changes), or the package's version where there is none."""
    root = Path(__file__).resolve().parents[2]
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return described.stdout.strip() or package_version("characterflywheel")


def as_json(value: Mapping[str, Any]) -> str:
    """Canonical JSON: the same mapping always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
