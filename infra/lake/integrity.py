"""Compares a table's own log with what the ledger recorded: a log that lost its newest commits reads like fewer rows.

Delta reads a table from its log alone. If the newest commit is removed or emptied, every engine shows the table as it
was before, without an error. The ledger (`ops.runs`) knows which version each run wrote, and how many rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from infra.contracts import contract, table_names
from infra.errors import FlywheelError
from infra.lake import Lake, ledger
from infra.lake.erasures import erased_until, how_to_restore

_COMMIT: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
_NEWEST_COMMITS: Final = 3


@dataclass(frozen=True)
class Fault:
    """Something in a table that is not as the ledger or the log itself says."""

    table: str
    what: str
    remedy: str = ""


def faults(lake: Lake, tables: Sequence[str] | None = None, thorough: bool = False) -> list[Fault]:
    """What is wrong with the tables (default: all that have been migrated).

    Quick: the version is at least the one that the ledger recorded, and the newest commits can be read. Thorough: also
    all commits since the last checkpoint, and the rows of each day that a job replaces as a whole.
    """
    names = sorted(lake.readable(tables))
    recorded = recorded_versions(lake)
    # A table whose whole log is gone is no table any more; its files tell that it was one.
    found = [
        Fault(name, "its log holds no commit")
        for name in sorted(set(table_names() if tables is None else tables) - set(names))
        if lake.folder(name).entries()
    ]
    for name in names:
        of_table = _log_faults(lake, name, thorough)
        try:
            version = lake.version(name)
        except Exception as error:  # noqa: BLE001  whatever delta-rs makes of a damaged log
            found += of_table or [Fault(name, f"its log cannot be read ({type(error).__name__})")]
            continue
        if version < recorded.get(name, -1):
            of_table.append(
                Fault(
                    name,
                    f"it is at version {version}, and a run recorded version {recorded[name]}: commits are gone",
                )
            )
        if thorough and not of_table:
            of_table += _row_faults(lake, name)
        found += of_table
    remedy = how_to_restore(lake) if found else ""
    return [replace(fault, remedy=remedy) for fault in found]


def recorded_versions(lake: Lake) -> dict[str, int]:
    """The newest version of each table that a run recorded; nothing where the ledger cannot be read."""
    try:
        rows = ledger.query(
            lake,
            "SELECT table_name, max(output_version) FROM ops_runs WHERE output_version IS NOT NULL GROUP BY table_name",
            [],
            ["ops.runs"],
        )
    except FlywheelError:
        return {}
    return dict(rows)


def _log_faults(lake: Lake, table: str, thorough: bool) -> list[Fault]:
    """Commits that are missing between the last checkpoint and the newest, or that cannot be read."""
    folder = lake.folder(table).at("_delta_log")
    entries = {entry.name: entry.size for entry in folder.entries() if not entry.is_folder}
    commits = sorted(int(match[1]) for name in entries if (match := _COMMIT.fullmatch(name)))
    checkpoints = [int(match[1]) for name in entries if (match := _CHECKPOINT.fullmatch(name))]
    if not commits and not checkpoints:
        return [Fault(table, "its log holds no commit")]
    first = max(checkpoints, default=-1) + 1
    needed = [version for version in commits if version >= first]
    newest = max([*commits, *checkpoints])
    missing = sorted(set(range(first, newest + 1)) - set(commits))
    found = [Fault(table, f"version {missing[0]} is missing from its log")] if missing else []
    for version in needed if thorough else needed[-_NEWEST_COMMITS:]:
        content = folder.read_if_there(f"{version:020d}.json")
        if content is not None and not _is_commit(content):
            found.append(Fault(table, f"version {version} of its log is empty or damaged"))
    return found


def _is_commit(content: bytes) -> bool:
    """Whether each line is one action, and there is at least one."""
    lines = content.splitlines()
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def _row_faults(lake: Lake, table: str) -> list[Fault]:
    """Days of a table that jobs replace as a whole, whose number of rows is not the recorded one.

    A day that was made before the last erasure may have fewer rows than its run recorded, also when the erasure was
    killed before it certified the table: the landing zones are certified first. No day ever has more.
    """
    if contract(table).write != "replace_days":
        return []
    erased = erased_until(lake)
    before = ledger.expired_before(lake).get(table, date.min)
    recorded = {
        day: (rows, erased is not None and ended < erased)
        for day, rows, ended in ledger.query(
            lake,
            """SELECT ds, rows_out, ended_ts FROM ops_runs
               WHERE table_name = ? AND state = 'succeeded' AND scope IS NULL AND rows_out IS NOT NULL
               QUALIFY row_number() OVER (
                   PARTITION BY ds ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, run_id DESC
               ) = 1""",
            [table],
            ["ops.runs"],
        )
        if day >= before
    }
    there = _rows_by_day(lake, table)
    wrong = sorted(
        day
        for day, (rows, may_be_fewer) in recorded.items()
        if there[day] > rows or (there[day] < rows and not may_be_fewer)
    )
    if not wrong:
        return []
    example = f"{wrong[0]} has {there[wrong[0]]:,} rows, and a run recorded {recorded[wrong[0]][0]:,}"
    return [Fault(table, f"{len(wrong)} day(s) differ from what runs recorded: {example}")]


def _rows_by_day(lake: Lake, table: str) -> Counter[date]:
    import pyarrow as pa

    files = pa.table(lake.open(table).get_add_actions(flatten=True))
    rows: Counter[date] = Counter()
    for day, count in zip(files["partition.ds"].to_pylist(), files["num_records"].to_pylist(), strict=True):
        rows[day] += count or 0
    return rows


def lines_of(found: Iterable[Fault]) -> list[str]:
    """Each fault as one line."""
    return [f"{fault.table}: {fault.what}. {fault.remedy}" for fault in found]
