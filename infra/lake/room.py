"""The closed room of `flywheel sql`: one statement of a user, which can only read, within limits.

What it may read is what it names. Nothing else can be opened: `infra.lake.statement` refuses every statement that asks
for more, and the engine is sealed in case it missed something. Raw text is read under a name, which is recorded first.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.contracts import contract
from infra.errors import QueryFailed, QueryRefused, QueryStopped
from infra.lake import Lake
from infra.lake.integrity import faults, lines_of
from infra.lake.sql import engine, names_in, register
from infra.lake.statement import HINT, Statement, judge
from infra.lake.wrong_names import told
from infra.settings import SqlSettings

if TYPE_CHECKING:
    import duckdb

_STOPPING_SECONDS: Final = 2.0
_HEADROOM_BYTES: Final = 1_000_000_000
"""Memory of the process beyond DuckDB's limit: its libraries' buffers, and the stacks of their threads."""


@dataclass(frozen=True)
class Answer:
    """Rows of a statement.

    Attributes:
        names: of the columns, each once.
        rows: as many as the limit allows.
        cut: whether there are more.
        warnings: tables that are not as the ledger recorded them.
        is_plan: whether they are the plan that EXPLAIN drew, in cells of several lines.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool
    is_plan: bool
    warnings: tuple[str, ...] = ()


def read(
    lake: Lake,
    limits: SqlSettings,
    text: str,
    *,
    row_limit: int | None = None,
    raw: bool = False,
    reader: str = "",
) -> Answer:
    """Run one statement of a user.

    Args:
        row_limit: overrides that of the limits.
        raw: allow tables of the restricted root. The reader is recorded in `ops.raw_reads` before they are read.
        reader: who reads raw text.

    Raises:
        QueryRefused: the statement may not run.
        QueryFailed: it is wrong, or a value does not fit it. The message holds no value of a row.
        QueryStopped: it ran into the limit of time or memory. What cannot be interrupted runs on in a daemon thread.
        JobUnknown: a table does not exist yet, or the caller may not read it.
        ContractError: the reading cannot be recorded; nothing was read.
    """
    with _bounded_memory(limits.memory_limit_bytes):
        # Not closed here: closing waits for a call that cannot be interrupted. The last reference closes it.
        connection = engine(memory_limit=f"{limits.memory_limit_bytes}B", temp_directory="")
        statement = judge(connection, text)
        restricted = [name for name in statement.names if _is_restricted(name)]
        _check_raw(restricted, raw, reader)
        _open(connection, lake, statement)
        if restricted:
            _record(lake, restricted, statement, reader)
        answer = _within(connection, limits, statement, row_limit or limits.row_limit)
    tables = [name for name in names_in(" ".join(statement.names)) if not name.startswith("views.")]
    return replace(answer, warnings=tuple(lines_of(faults(lake, tables)))) if tables else answer


def _is_restricted(name: str) -> bool:
    return not name.startswith("views.") and contract(name).root == "restricted"


def _check_raw(restricted: list[str], raw: bool, reader: str) -> None:
    if restricted and not raw:
        raise QueryRefused(
            "the table holds data from before screening, such as text as users wrote it",
            table=restricted[0],
            hint="Read curated tables or views. If you are allowed to read raw text and need it, give --raw.",
        )
    if restricted and not reader.strip():
        raise QueryRefused(
            "to read raw text, you must give your name",
            table=restricted[0],
            hint="Give --reader or set FLYWHEEL_REVIEWER. The name is recorded in ops.raw_reads.",
        )


def _record(lake: Lake, restricted: list[str], statement: Statement, reader: str) -> None:
    from infra.lake.raw_reads import record

    digest = hashlib.sha256(statement.text.strip().encode()).hexdigest()[:16]
    record(lake, "sql", reader, [f"{name}@{lake.version(name)} {digest}" for name in restricted])


def _open(connection: duckdb.DuckDBPyConnection, lake: Lake, statement: Statement) -> None:
    """Register what the statement names, and check again that it calls nothing that this brought along."""
    import duckdb

    unknown = _unknown(connection, statement.functions) if statement.names else frozenset()
    try:
        register(connection, lake, names_in(" ".join(statement.names)))
    except duckdb.Error as error:
        raise QueryFailed(
            f"the files of {', '.join(statement.names)} cannot be read ({_kind(error)})",
            hint="flywheel doctor checks the installation; flywheel migrate checks the tables.",
        ) from None
    if brought := sorted(unknown - _unknown(connection, unknown)):
        # The Delta extension's own functions: one of them writes files, and the seal does not hold it.
        raise QueryRefused(f"the function {brought[0]} may not be used", hint=HINT)


def _unknown(connection: duckdb.DuckDBPyConnection, functions: frozenset[str]) -> frozenset[str]:
    """Those of the functions that DuckDB does not list: parts of its grammar, and what does not exist."""
    if not functions:
        return functions
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(functions))
    known = connection.execute(
        f"SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE lower(function_name) IN ({listed})"
    ).fetchall()
    return functions - {name for (name,) in known}


def _within(
    connection: duckdb.DuckDBPyConnection, limits: SqlSettings, statement: Statement, row_limit: int
) -> Answer:
    """Run the statement in a thread, so that neither a time limit nor Ctrl-C has to wait for the engine."""
    answers: list[Answer] = []
    failures: list[Exception] = []
    done = threading.Event()

    def run() -> None:
        try:
            answers.append(_fetched(connection, statement, row_limit))
        except Exception as failure:  # noqa: BLE001  raised again below, in the caller's thread
            failures.append(failure)
        finally:
            done.set()

    # A daemon: a single call of a function cannot be interrupted, and must not keep the process alive.
    threading.Thread(target=run, name="statement", daemon=True).start()
    try:
        # The event, not the thread: after Ctrl-C in join(), Python 3.11 takes the thread for ended.
        in_time = done.wait(limits.time_limit_seconds)
    finally:
        if not done.is_set():
            connection.interrupt()
            done.wait(_STOPPING_SECONDS)
    if not in_time:
        raise QueryStopped(
            f"the statement ran longer than {limits.time_limit_seconds:g} s and was stopped",
            setting="sql.time_limit_seconds",
            hint="Read fewer days, or raise the setting.",
        )
    if failures:
        raise _told(connection, statement, failures[0], limits) from None
    return answers[0]


def _fetched(connection: duckdb.DuckDBPyConnection, statement: Statement, row_limit: int) -> Answer:
    cursor = connection.execute(statement.text)
    rows: list[tuple[Any, ...]] = []
    # One by one: DuckDB hands out rows as it makes them, and one more than the limit is all that is made.
    while len(rows) <= row_limit and (row := cursor.fetchone()) is not None:
        rows.append(row)
    names = _unique([str(column[0]) for column in cursor.description or ()])
    return Answer(names, tuple(rows[:row_limit]), len(rows) > row_limit, statement.select != statement.text)


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, a repeated one with a number: `a`, `a_1`."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 0
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return tuple(unique)


def _told(
    connection: duckdb.DuckDBPyConnection, statement: Statement, failure: Exception, limits: SqlSettings
) -> Exception:
    """Our error for a failure. A message of DuckDB is passed on only if no row had been read when it was made."""
    import duckdb

    if isinstance(failure, MemoryError | duckdb.OutOfMemoryException):
        return QueryStopped(
            f"the statement needed more than {limits.memory_limit_bytes / 1e9:g} GB of memory and was stopped",
            setting="sql.memory_limit_bytes",
            hint="Read fewer days or columns, or raise the setting.",
        )
    if isinstance(failure, OverflowError | ValueError):
        return QueryFailed(
            f"a value of the result cannot be shown ({_kind(failure)})",
            hint="Convert the columns of dates and intervals to VARCHAR.",
        )
    if not isinstance(failure, duckdb.Error):
        return failure
    if isinstance(failure, duckdb.ConversionException):
        return QueryFailed(
            "a value does not have the type that the statement converts it to; the value is not shown, it may be text "
            "of a user",
            hint="TRY_CAST gives NULL instead.",
        )
    if (message := _of_the_statement(connection, statement)) is not None:
        what, hint = told(connection, message, statement.names)
        return QueryFailed(what, hint=hint or HINT)
    return QueryFailed(
        f"DuckDB could not finish the statement ({_kind(failure)}); its message is not shown, it may quote rows",
        hint="Try the expressions of the statement on one row or on constants.",
    )


def _of_the_statement(connection: duckdb.DuckDBPyConnection, statement: Statement) -> str | None:
    """DuckDB's message about the names and types of a statement: planning it again reads no row to quote."""
    import duckdb

    try:
        connection.execute(f"EXPLAIN {statement.select}")
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        return str(error)
    except duckdb.Error:
        return None
    return None


def _kind(error: Exception) -> str:
    return type(error).__name__.removesuffix("Exception")


@contextlib.contextmanager
def _bounded_memory(limit_bytes: int) -> Iterator[None]:
    """Bound the process too: DuckDB's limit counts neither long texts in an expression nor the rows handed out."""
    if sys.platform != "linux":  # elsewhere this limit does not count what is mapped
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[5])
    used = pages * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = used + limit_bytes + _HEADROOM_BYTES
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([bound, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
