"""The training rows of signal models: served responses in redacted text, with the signals that users gave after them.

A row is a final response of production traffic that passed screening, with the context at the time it was served.
Nothing later enters: the context has earlier turns only, and the character in the version of that time. Every row of
`signals.labels` is counted once, by outcome.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from infra.contracts import contract
from infra.errors import TooFewLabels
from infra.settings import Settings
from models.chat.context import context_query
from models.tables.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

SIGNALS = ("continued", "love", "thumb_up", "thumb_down", "feedback")
"""Table 2 of the paper, in the names of `signals.labels`."""
USED = "used"

_MEMORY_LIMIT = "2GB"
_TYPES = {
    "STRING": "VARCHAR", "INT": "INTEGER", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN", "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMPTZ", "ARRAY<STRING>": "VARCHAR[]",
}  # fmt: skip
_BATCH = 4_096
_COLUMNS = {
    "signals.labels": (
        "turn_id", "conversation_id", "session_id", "session_turn_index", "user_id", "character_id", "model_version",
        "source", "language", "split", "is_final", "response_ts", "replied_in_session", *SIGNALS, "ds",
    ),
    "curation.screened": (
        "turn_id", "conversation_id", "turn_index", "is_final", "response_ts", "verdict", "redacted_user_message",
        "redacted_response", "ds",
    ),
    "curation.screened_characters": (
        "character_id", "valid_from", "valid_to", "verdict", "redacted_name", "redacted_traits",
        "redacted_instructions",
    ),
    "signals.features": ("turn_id", "jtbd", "prior_sentiment", "response_words", "is_question", "ds"),
}  # fmt: skip
"""Every column that is read. `signals.labels` holds later information; a model sees only its own label of it."""
_TEMP_TABLES = ("labels", "screened", "characters", "features")

# `context_later`: a regeneration after the response would leak later information, so the row is left out.
_JUDGE = """
CREATE TEMP TABLE judged AS
WITH assembled AS ($assembly)
SELECT l.*,
  coalesce(f.jtbd, '(unjudged)') AS jtbd, f.prior_sentiment, f.response_words, f.is_question,
  CASE
    WHEN l.source <> 'user' THEN 'not_production'
    WHEN NOT l.is_final OR NOT coalesce(s.is_final, TRUE) THEN 'superseded'
    WHEN s.verdict IS NULL THEN 'not_screened'
    WHEN s.verdict <> 'pass' THEN 'not_passed'
    WHEN c.redacted_user_message IS NULL THEN 'no_message'
    WHEN c.unsafe IS NOT NULL THEN 'context_unsafe'
    WHEN c.is_later THEN 'context_later'
    ELSE 'used'
  END AS outcome,
  c.context, c.redacted_response AS response
FROM labels AS l
LEFT JOIN screened AS s ON s.turn_id = l.turn_id
LEFT JOIN assembled AS c ON c.turn_id = l.turn_id
LEFT JOIN features AS f ON f.turn_id = l.turn_id
"""
_ROWS = f"""
SELECT turn_id, user_id, conversation_id, session_id, session_turn_index, model_version, language, jtbd, split, ds,
  prior_sentiment, response_words, is_question, replied_in_session, {", ".join(SIGNALS)}, context, response
FROM judged WHERE outcome = '{USED}' ORDER BY turn_id
"""


@dataclass(frozen=True)
class SignalRows:
    """Responses and labels of pinned tables.

    Attributes:
        table: one row a response, sorted by turn_id: ids, `context` (JSON, see `models.chat.conversation`), `response`,
            `jtbd`, `language`, `split`, `prior_sentiment` (of the user message), a column for each of `SIGNALS`
            (NULL: not known), and columns for evaluation only: session_turn_index, replied_in_session,
            response_words, is_question.
        counts: rows of `signals.labels` by outcome; `used` are the table's rows.
        snapshots: of the tables that were read.
    """

    table: pa.Table
    counts: Mapping[str, int]
    snapshots: tuple[Snapshot, ...]


@contextmanager
def signal_rows(
    settings: Settings, days: Sequence[date] = (), versions: Mapping[str, int] | None = None
) -> Iterator[SignalRows]:
    """The rows of the given days, in a private folder that is removed at the end.

    Args:
        days: sorted; the first and the last bound the UTC dates of the responses. () = all.
        versions: table to the Delta version to read; tables that are not named are read at their latest version.

    Raises:
        TrainingRefused: no response of those days can be used; the message has the counts by outcome.
    """
    from models.tables.opened import open_snapshot

    conditions = _conditions(days, settings.sampling.context_days)
    opened = {
        table: open_snapshot(
            settings,
            _at_version(table, versions or {}),
            where=conditions.get(table, ""),
            columns=_COLUMNS[table],
        )
        for table in _COLUMNS
    }
    with tempfile.TemporaryDirectory(prefix="flywheel-signals-") as folder:
        connection = _connect(Path(folder))
        try:
            for (table, rows), name in zip(opened.items(), _TEMP_TABLES, strict=True):
                _load(connection, name, table, iter(rows.batches()))
            counts = assemble(connection, settings.sampling.context_turns)
            if not counts.get(USED):
                raise TooFewLabels(
                    f"none of the {sum(counts.values())} labelled responses can be used: {_counts_text(counts)}",
                    table="signals.labels",
                    hint="Give other --days, or see flywheel plan.",
                )
            table = _memory_mapped(connection, Path(folder) / "rows.arrow")
        finally:
            connection.close()
        yield SignalRows(table, counts, tuple(rows.snapshot for rows in opened.values()))


def assemble(connection: duckdb.DuckDBPyConnection, context_turns: int) -> dict[str, int]:
    """Join labels, screened, characters and features (tables of the connection) into `judged`; rows by outcome."""
    connection.execute("CREATE OR REPLACE TEMP VIEW turns AS SELECT * FROM labels")
    connection.execute(_JUDGE.replace("$assembly", context_query(context_turns, "duckdb")))
    outcomes = connection.execute("SELECT outcome, count(*) FROM judged GROUP BY outcome ORDER BY outcome")
    return {str(outcome): int(rows) for outcome, rows in outcomes.fetchall()}


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        config={
            "temp_directory": str(folder / "spill"),
            "memory_limit": _MEMORY_LIMIT,
            "preserve_insertion_order": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, batches: Iterator[pa.RecordBatch]
) -> None:
    """Create a table of the connection from batches, with the types of its contract even if there are no rows."""
    columns = {
        column.name: _TYPES[column.type]
        for column in contract(table).columns
        if column.name in _COLUMNS[table]
    }
    connection.execute(f"CREATE TEMP TABLE {name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    first = next(batches, None)
    if first is None:
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    connection.register("reader", reader)
    connection.execute(f"INSERT INTO {name} SELECT {', '.join(columns)} FROM reader")
    connection.unregister("reader")


def _memory_mapped(connection: duckdb.DuckDBPyConnection, path: Path) -> pa.Table:
    """Write the rows to disk and read them through a memory map, so that training's memory does not grow with them."""
    reader = connection.execute(_ROWS).fetch_record_batch(_BATCH)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _conditions(days: Sequence[date], context_days: int) -> dict[str, str]:
    """Table to the condition on its days; screened turns begin earlier, for context."""
    if not days:
        return {}
    first, last = days[0], days[-1]

    def between(begin: date) -> str:
        return f"ds >= DATE '{begin}' AND ds <= DATE '{last}'"

    return {
        "signals.labels": between(first),
        "signals.features": between(first),
        "curation.screened": between(first - timedelta(days=context_days)),
    }


def _at_version(table: str, versions: Mapping[str, int]) -> str:
    return f"{table}@{versions[table]}" if table in versions else table


def _counts_text(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{rows} {outcome}" for outcome, rows in sorted(counts.items())) or "none"
