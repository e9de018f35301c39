"""One commit to a Delta table, by Spark or by delta-rs, in the way the table's contract says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from infra.contracts import Contract
from infra.errors import ContractError, DiskFull, FlywheelError, is_disk_full
from infra.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Delta sets this in the session when it commits.
_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"


@dataclass(frozen=True)
class Replaced:
    """What a commit replaces, and who commits.

    Attributes:
        days: the days of a `replace_days` write.
        scope: the value of the table's scope column in a `replace_scope` write.
        content: hash of the rows. A second append of the same rows by the same run adds nothing.
    """

    days: Sequence[date]
    scope: str | None
    run_id: str
    content: str

    def append_id(self, table: str) -> str:
        """Names an append, so that Delta ignores it the second time."""
        return f"{table}:{self.run_id}:{hashlib.sha256(self.content.encode()).hexdigest()[:16]}"

    def condition(self, table: Contract, scope_literal: str) -> str:
        """The rows that are replaced, in SQL that Spark and delta-rs both read."""
        if table.write == "replace_days":
            days = ", ".join(f"DATE '{day.isoformat()}'" for day in sorted(self.days))
            return f"ds IN ({days})"
        return f"{table.scope} = {scope_literal}"


def commit_arrow(lake: Lake, table: Contract, frame: pa.Table, replaced: Replaced) -> int:
    """Commit a conformed Arrow frame without a JVM; returns the version that has the rows."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    delta = lake.open(table.name)
    custom = {"userMetadata": replaced.run_id}
    properties = CommitProperties(custom_metadata=custom)
    if table.write in ("merge_insert", "merge_upsert"):
        merge = delta.merge(
            frame,
            " AND ".join(_equal(name) for name in table.key),
            source_alias="s",
            target_alias="t",
            commit_properties=properties,
        )
        if table.write == "merge_upsert":
            # Rows that are the same stay untouched: a rerun makes no new files.
            merge = merge.when_matched_update_all(predicate=f"NOT ({_same_content(table)})")
        merge.when_not_matched_insert_all().execute()
    elif table.write == "append":
        append_id = replaced.append_id(table.name)
        if delta.transaction_version(append_id) is None and frame.num_rows:
            properties = CommitProperties(
                custom_metadata=custom, app_transactions=[Transaction(append_id, 1)], max_commit_retries=30
            )
            write_deltalake(delta, frame, mode="append", commit_properties=properties)
    else:
        literal = "'" + (replaced.scope or "").replace("'", "''") + "'"
        write_deltalake(
            delta,
            frame,
            mode="overwrite",
            predicate=replaced.condition(table, literal),
            commit_properties=properties,
        )
    return int(delta.version())


def commit_spark(
    spark: SparkSession, lake: Lake, table: Contract, staged: DataFrame, replaced: Replaced
) -> int:
    """Commit a conformed Spark frame; returns the version that has the rows."""
    from delta.tables import DeltaTable as SparkDeltaTable

    path = lake.path(table.name)
    spark.conf.unset(_LAST_COMMIT)
    if table.write in ("merge_insert", "merge_upsert"):
        on = " AND ".join(f"t.`{k}` <=> s.`{k}`" for k in table.key)
        merge = SparkDeltaTable.forPath(spark, path).alias("t").merge(staged.alias("s"), on)
        if table.write == "merge_upsert":
            same = " AND ".join(
                f"t.`{n}` <=> s.`{n}`" for n in table.column_names if n not in (*table.key, "run_id")
            )
            merge = merge.whenMatchedUpdateAll(f"NOT ({same})")
        merge.whenNotMatchedInsertAll().execute()
    else:
        writer = staged.write.format("delta").option("userMetadata", replaced.run_id)
        if table.write == "append":
            writer = writer.option("txnAppId", replaced.append_id(table.name)).option("txnVersion", 1)
            writer.mode("append").save(path)
        else:
            literal = "'" + (replaced.scope or "").replace("\\", "\\\\").replace("'", "\\'") + "'"
            condition = replaced.condition(table, literal)
            writer.mode("overwrite").option("replaceWhere", condition).save(path)
    version = spark.conf.get(_LAST_COMMIT, None)
    return int(version) if version is not None else lake.version(table.name)


def check_constraints(table: Contract, frame: pa.Table) -> None:
    """Every row must make every CHECK true, as Delta has it: a CHECK that is NULL is broken.

    Raises:
        ContractError: names the CHECK and the number of rows, never a row.
    """
    if not table.checks:
        return
    import duckdb

    counts = ", ".join(f"count(*) FILTER (WHERE ({text}) IS NOT TRUE)" for text in table.checks.values())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("staged", frame)
        broken = connection.execute(f"SELECT {counts} FROM staged").fetchall()[0]
    for name, count in zip(table.checks, broken, strict=True):
        if count:
            raise _check_error(table.name, name, count)


@contextmanager
def translated(table: Contract) -> Iterator[None]:
    """Turn an engine's error into one of ours, without the row that it may quote.

    Raises:
        DiskFull, ContractError: what the engine met; other errors pass as they are.
    """
    try:
        yield
    except FlywheelError:
        raise
    except Exception as error:
        translated_error = _translated_error(table, error)
        if translated_error is None:
            raise
        raise translated_error from None


def _translated_error(table: Contract, error: Exception) -> FlywheelError | None:
    if is_disk_full(error):
        return DiskFull(
            "the disk filled up while writing", table=table.name,
            hint="Free disk space, then run again. The table did not change.",
        )  # fmt: skip
    message = str(error)
    # Delta checks the condition of a replacing write as one more constraint, and names both in one message.
    violated = next((name for name in table.checks if name in message), None)
    if "DELTA_VIOLATE_CONSTRAINT" in message and violated is not None:
        return _check_error(table.name, violated)
    if "DELTA_REPLACE_WHERE_MISMATCH" in message:
        return _outside_error(table)
    if "DELTA_VIOLATE_CONSTRAINT" in message or "DELTA_NOT_NULL_CONSTRAINT_VIOLATED" in message:
        return _check_error(table.name, "(NOT NULL)")
    if "failed validation check" in message:  # delta-rs quotes rows, and names no CHECK
        return _check_error(table.name, "of the table")
    return None


def check_scope(table: Contract, frame: pa.Table, scope: str | None) -> None:
    """All rows of a `replace_scope` frame must have the scope that it replaces.

    Raises:
        ContractError: a row has another.
    """
    if table.scope is not None and set(frame[table.scope].unique().to_pylist()) - {scope}:
        raise _outside_error(table)


def _outside_error(table: Contract) -> ContractError:
    part = f"another {table.scope}" if table.scope else "other days"
    return ContractError(f"the frame has rows of {part} than the write replaces", table=table.name)


def _check_error(table: str, check: str, rows: int | None = None) -> ContractError:
    count = "rows" if rows is None else f"{rows} rows"
    return ContractError(f"{count} violate the CHECK {check}", table=table, hint="The table did not change.")


def _same_content(table: Contract) -> str:
    return " AND ".join(_equal(name) for name in table.column_names if name not in (*table.key, "run_id"))


def _equal(name: str) -> str:
    return f"(t.`{name}` IS NOT DISTINCT FROM s.`{name}`)"


def scope_of(table: Contract, scope: Mapping[str, str]) -> str | None:
    """The value of the table's scope column.

    Raises:
        ContractError: a `replace_scope` write does not name it.
    """
    if table.scope is None:
        return None
    if table.scope not in scope:
        raise ContractError(f"the write needs a scope for {table.scope}", table=table.name)
    return scope[table.scope]
