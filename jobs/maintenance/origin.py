"""From a row that a model learnt from to the landed lines that it was made of: a turn, or a judged pair.

Without text: only ids, files and line numbers are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from infra.contracts import table_names
from infra.errors import FlywheelError, TurnUnknown
from infra.ids import IdKind
from infra.lake import Lake, ledger
from infra.lake.facts import id_in_lake, ids_are_keyed, user_key
from infra.lake.sql import connect, named_rows
from infra.nearest import did_you_mean
from infra.settings import Settings
from jobs.annotation import ZONE
from jobs.landing.zone import landing_files

_EVENTS = """
WITH theirs AS (
  SELECT event_id, event_type, event_ts, turn_id, conversation_id, source_file, line, received_ds
  FROM traffic.events
  WHERE conversation_id = (SELECT conversation_id FROM traffic.turns WHERE turn_id = $id LIMIT 1)
), response AS (
  SELECT event_ts FROM theirs WHERE turn_id = $id AND event_type = 'response'
), before AS (
  SELECT coalesce(max(event_ts), TIMESTAMPTZ '1970-01-01') AS event_ts
  FROM theirs WHERE event_type = 'response' AND turn_id <> $id AND event_ts < (SELECT min(event_ts) FROM response)
)
SELECT event_type AS what, source_file AS file, line, received_ds AS day
FROM theirs
WHERE turn_id = $id
  OR (event_type = 'message' AND event_ts > (SELECT event_ts FROM before)
      AND event_ts <= (SELECT max(event_ts) FROM response))
ORDER BY event_ts, line
"""
_USES = """
SELECT 'curation.outcomes' AS "table", CAST(ds AS VARCHAR) AS unit, outcome AS "use"
FROM curation.outcomes WHERE turn_id = $id
UNION ALL
SELECT 'curation.samples', dataset_id, split FROM curation.samples WHERE turn_id = $id
UNION ALL
SELECT 'signals.labels', CAST(ds AS VARCHAR), split FROM signals.labels WHERE turn_id = $id
"""


@dataclass(frozen=True)
class LandedLine:
    """A landed line.

    Attributes:
        what: the event's type, or `judgement`.
        file: relative to the folder of the landing zone `zone`.
        line: line (JSONL) or row (Parquet), from 1.
        day: received day.
    """

    what: str
    zone: str
    file: str
    line: int
    day: date


@dataclass(frozen=True)
class Use:
    """A row of a table that stands on the lines; `unit` is its day or dataset, `how` its outcome, split or winner."""

    table: str
    unit: str
    how: str


@dataclass(frozen=True)
class Origin:
    """Where the row `id`, as the lake holds it, came from and where it stands."""

    id: str
    lines: tuple[LandedLine, ...]
    uses: tuple[Use, ...]


def origin_of(settings: Settings, given: str) -> Origin:
    """The landed lines of a turn or a judged pair.

    Args:
        given: `turn_id` or `pair_id`, of the lake or of the product.

    Raises:
        TurnUnknown: no table has such a row.
        KeyMismatch: the key of the lake is missing, so that an id of the product cannot be looked up.
    """
    for kind in ("turn", "pair"):
        for name in _names(settings, kind, given):
            found = _turn(settings, name) if kind == "turn" else _pair(settings, name)
            if found is not None:
                return found
    raise TurnUnknown(
        f"there is no model, table, turn or judged pair {given}",
        hint=did_you_mean(
            given, table_names(), "flywheel lineage lists the models, flywheel tables the tables."
        ),
    )


def _names(settings: Settings, kind: IdKind, given: str) -> Iterator[str]:
    """The id as given, and as the lake would hold it."""
    yield given
    hashed = id_in_lake(settings, kind, given)
    if hashed != given:
        yield hashed


def _turn(settings: Settings, turn: str) -> Origin | None:
    lake = Lake.of(settings)
    with connect(lake, _EVENTS + _USES) as connection:
        lines = named_rows(connection, _EVENTS, {"id": turn})
        uses = named_rows(connection, _USES, {"id": turn})
    if not lines and not uses:
        return None
    return Origin(
        turn,
        tuple(LandedLine(row["what"], "landing", row["file"], row["line"], row["day"]) for row in lines),
        tuple(Use(row["table"], row["unit"], row["use"]) for row in uses),
    )


def _pair(settings: Settings, pair: str) -> Origin | None:
    lake = Lake.of(settings)
    query = (
        "SELECT ds, split, winner FROM annotation.preferences WHERE pair_id = $id ORDER BY ds, annotator_id"
    )
    with connect(lake, query) as connection:
        rows = named_rows(connection, query, {"id": pair})
    if not rows:
        return None
    lines = [
        line for day in sorted({row["ds"] for row in rows}) for line in _judgements(settings, lake, pair, day)
    ]
    uses = [
        Use("annotation.preferences", f"{row['ds']}", f"{row['split']}, winner {row['winner']}")
        for row in rows
    ]
    return Origin(pair, tuple(lines), tuple(uses))


def _judgements(settings: Settings, lake: Lake, pair: str, day: date) -> Iterator[LandedLine]:
    """The lines of a day's files that judge the pair. The table does not name them, so the files are read again."""
    from jobs.annotation.parse import JudgementRules, parse_file

    landing = settings.landing
    rules = JudgementRules(
        landing.max_line_bytes, user_key(settings), ledger.erased_users(lake), landing.max_expansion,
        landing.max_refused_lines, ids_are_keyed(lake),
    )  # fmt: skip
    for file in landing_files(lake.landing_of(ZONE), day):
        try:
            for parsed in parse_file(file, rules):
                if parsed.judgement is not None and parsed.judgement.pair_id == pair:
                    yield LandedLine("judgement", ZONE, file.name, parsed.line, day)
        except FlywheelError:  # a damaged file was not landed either
            continue
