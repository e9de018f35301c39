"""Erases users: removes their rows from all tables, all stored versions and the landed files, and keeps them out.

Erasure wins over pins: a version with the users' rows is vacuumed even if a registered model was made from it, and
the certificates (`ops.erasures`) name those models. Pinned versions without their rows stay.

The order makes a killed erasure safe to call again. First the landed files; then tables that know the users only
through others (by turn or text), each rewritten and vacuumed; last the tables by which their turns are found. From the
first certificate on, landing refuses what still arrives of them (`erased_user`).

What is left: aggregates (readouts, compositions, centroids), `ops.raw_reads` (who was shown which turn, by its id),
the certificates with their keyed hashes, registered weights, and copies that were pulled out of the lake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from infra.contracts import contract, table_names
from infra.errors import ContractError, ErasureFailed
from infra.lake import Lake, ledger
from infra.lake.facts import user_key
from infra.lake.locks import TableLock, hold
from infra.settings import Settings
from jobs.declaration import all_jobs, is_landed
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.lines import pseudonym
from jobs.landing.zone import LandingFile, landing_days, landing_files
from jobs.maintenance.vacuum import in_use, is_whole
from models.registry.pins import models_touching
from models.reward.registration import folder_of_runs
from models.training.run import clear_unfinished

USER, CREATOR, TURN, CONVERSATION, CHARACTER, TEXT = (
    "user_id", "creator_id", "turn_id", "conversation_id", "character_id", "text_hash",
)  # fmt: skip
KEPT = frozenset({"ops.erasures", "ops.raw_reads"})
"""Tables that keep what identifies: the certificates, and on whose eyes raw text has been."""
_EMBEDDINGS, _PRUNED, _EVENTS = "curation.embeddings", "curation.pruned", "traffic.events"
_IDS_A_DELETE = 2_000
_CAUSE = "a user was erased"

Owners = dict[str, dict[str, str]]
"""Column to value to the keyed hash of the user that it belongs to."""


@dataclass(frozen=True)
class Erased:
    """Result of erasing users from a table or a landing zone, or of its dry run.

    Attributes:
        place: `stage.table`, or `landing` and `landing/KIND`.
        rows: rows, or lines, that were erased, by keyed hash of the user.
        lost: deleted versions that were in use, with the models and settings that used them.
        oldest_kept: versions before it are gone, but for pinned ones that held none of their rows.
        models: registered versions made from what was lost, or from such models.
    """

    place: str
    rows: Counter[str]
    lost: dict[int, list[str]] = field(default_factory=dict)
    oldest_kept: int = 0
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """The users' rows in a table: how many by user, and on which days."""

    rows: Counter[str]
    days: frozenset[date]


def erase(
    settings: Settings,
    users: Sequence[str],
    dry_run: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Erased]:
    """Erase users, named by the ids of the product; a certificate is written for each place as it is done.

    Args:
        dry_run: only count; nothing is locked or changed.
        tell: called with each line of progress.

    Raises:
        KeyMismatch: the key is not the one that the lake was filled with; nothing was changed.
        ContractError: a table does not exist or cannot be read by the caller; nothing was changed.
        RegistryUnavailable: the versions that models use are unknown; nothing was changed.
        LockHeld, TrainingRefused: a job or a training is under way; nothing was changed.
        LandingFileBroken: a landed file is damaged; no table was changed.
        ErasureFailed: rows are left where there should be none. Call it again.
    """
    lake = Lake.of(settings)
    # With another key nobody would be found, and the certificates would be wrong.
    hashes = {user: pseudonym(user, user_key(settings)) for user in users}
    tables = [name for name in table_names() if columns_of(name)]
    readable = lake.readable()
    if missing := [name for name in [*tables, *sorted(KEPT)] if name not in readable]:
        raise ContractError(
            "the table does not exist, or this account may not read it, so its rows cannot be checked",
            table=missing[0], hint="Run flywheel migrate, or erase with an account that may read both roots.",
        )  # fmt: skip
    if dry_run:
        yield from _Erasure(settings, lake, tables, hashes, "", {}, tell).run()
        return
    run_id = ledger.new_run_id()
    with hold(lake.locks, tables, run_id, settings.lake.lock_seconds) as locks:
        clear_unfinished(folder_of_runs(settings))
        yield from _Erasure(settings, lake, tables, hashes, run_id, locks, tell).run()


def columns_of(table: str) -> tuple[str, ...]:
    """The columns that identify a user's rows in a table. Empty for tables without rows of single users."""
    if table in KEPT:
        return ()
    if table == _EMBEDDINGS:
        return (TEXT,)
    declared = contract(table)
    columns = [name for name in (USER, CREATOR) if name in declared.column_names]
    if not columns and TURN in declared.column_names:
        columns = [TURN]
    if CHARACTER in declared.key or table == _EVENTS:
        columns.append(CHARACTER)
    return tuple(columns)


class _Erasure:
    """One call of `erase`. Without locks it is a dry run that only counts."""

    def __init__(
        self, settings: Settings, lake: Lake, tables: Sequence[str], hashes: Mapping[str, str], run_id: str,
        locks: Mapping[str, TableLock], tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.settings, self.lake, self.hashes, self.run_id = settings, lake, hashes, run_id
        self.locks, self.tell, self.dry_run = locks, tell, not locks
        self.tables = sorted(tables, key=lambda name: (_place(name), name))
        self.requested_ts = ledger.now()
        self.standing = in_use(settings)

    def run(self) -> Iterator[Erased]:
        owners = self._owners()
        matches = {name: self._matches(self.lake.open(name), name, owners) for name in self.tables}
        if not self.dry_run:
            touched = {name: match.days for name, match in matches.items()}
            self._mark_stale(touched | self._days_of_characters(owners, touched))
        for zone in sorted({read for job in all_jobs() for read in job.reads if is_landed(read)}):
            yield self._certify(Erased(zone, self._erase_zone(zone, owners)))
        for name in self.tables:
            self.tell(f"{name}: {matches[name].rows.total():,} row(s)")
            lost = self._lost(name, owners)
            models = models_touching(self.settings, name, lost) if lost else []
            if not self.dry_run:
                self.locks[name].check()
                self._delete(name, owners, matches[name])
                self.locks[name].check()
                self._vacuum(name, [v for v in self.standing.get(name, {}) if v not in lost])
            version = self.lake.version(name)
            yield self._certify(Erased(name, matches[name].rows, lost, version, tuple(models)))

    def _owners(self) -> Owners:
        """The users' ids of each kind, from all tables with user columns: latest version and versions in use."""
        users = {who: who for who in self.hashes.values()}
        owners: Owners = {USER: users, CREATOR: users, TURN: {}, CONVERSATION: {}, CHARACTER: {}, TEXT: {}}
        for name in self.tables:
            named = contract(name).column_names
            for by, wanted in ((USER, (TURN, CONVERSATION)), (CREATOR, (CHARACTER,))):
                if by not in named or not (there := [column for column in wanted if column in named]):
                    continue
                for version in {self.lake.version(name), *self.standing.get(name, {})}:
                    if (delta := self._opened(name, version)) is None:
                        continue
                    for batch in _scan(delta, [by, *there], lambda scanned: _among(scanned.column(0), users)):
                        who = batch.column(0).to_pylist()
                        for column, values in zip(there, batch.columns[1:], strict=True):
                            owners[column] |= {
                                value: user
                                for value, user in zip(values.to_pylist(), who, strict=True)
                                if value
                            }
        owners[TEXT] = self._texts(owners[TURN])
        return owners

    def _texts(self, turns: Mapping[str, str]) -> dict[str, str]:
        """Hashes of texts that only these users wrote."""
        delta = self.lake.open(_PRUNED)
        owners_by_text = {
            text: turns[turn]
            for batch in _scan(delta, [TURN, TEXT], lambda scanned: _among(scanned.column(0), turns))
            for turn, text in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        }

        def of_others(batch: pa.RecordBatch) -> Any:
            return pc.and_(_among(batch.column(1), owners_by_text), pc.invert(_among(batch.column(0), turns)))

        shared = {
            text for batch in _scan(delta, [TURN, TEXT], of_others) for text in batch.column(1).to_pylist()
        }
        return {text: user for text, user in owners_by_text.items() if text not in shared}

    def _matches(self, delta: DeltaTable, name: str, owners: Owners) -> Matches:
        columns = columns_of(name)
        rows, days = Counter[str](), set[date]()
        wanted = [*columns, "ds", *(["event_type"] if name == _EVENTS else [])]
        for batch in _scan(delta, wanted, lambda scanned: _theirs(scanned, name, owners)):
            values = {column: batch.column(column).to_pylist() for column in columns}
            for row in range(batch.num_rows):
                owning = (owners[column].get(values[column][row] or "") for column in columns)
                rows[next(who for who in owning if who)] += 1
            days |= set(batch.column("ds").unique().to_pylist())
        return Matches(rows, frozenset(days))

    def _lost(self, name: str, owners: Owners) -> dict[int, list[str]]:
        """Versions in use that must be deleted: those with the users' rows, and those that cannot be read."""
        lost = {}
        for version, who in sorted(self.standing.get(name, {}).items()):
            delta = self._opened(name, version)
            if delta is None or self._matches(delta, name, owners).rows:
                lost[version] = who
        return lost

    def _opened(self, name: str, version: int) -> DeltaTable | None:
        return self.lake.open(name, version) if is_whole(self.lake, name, version) else None

    def _days_of_characters(
        self, owners: Owners, touched: Mapping[str, frozenset[date]]
    ) -> dict[str, frozenset[date]]:
        """By table: the touched days and the days on which other users talked to the users' characters."""
        if not owners[CHARACTER]:
            return {}

        def theirs(batch: pa.RecordBatch) -> Any:
            return _among(batch.column(1), owners[CHARACTER])

        days = {}
        for name in self.tables:
            if CHARACTER in contract(name).column_names:
                batches = _scan(self.lake.open(name), ["ds", CHARACTER], theirs)
                days[name] = touched[name].union(
                    *(scanned.column(0).unique().to_pylist() for scanned in batches)
                )
        return days

    def _mark_stale(self, touched: Mapping[str, frozenset[date]]) -> None:
        """Mark every day of a job that read or wrote a day with the users' rows; rather too many than too few."""
        known = ledger.successes(self.lake)
        for job in all_jobs():
            if not job.is_daily:
                continue  # a dataset is due when the days that it reads have changed
            replaced = [name for name in job.writes if contract(name).write == "replace_days"]
            days = {day for name in replaced for day in touched.get(name, ())}
            for name, reach in job.reads.items():
                after = reach.days_after(self.settings)
                offsets = range(-after, reach.days_before(self.settings) + 1)
                days |= {day + timedelta(days=n) for day in touched.get(name, ()) for n in offsets}
            ran = known.get((job.closing_table, job.name), {})
            due = {day for day in days if day.isoformat() in ran}
            ledger.mark_stale(self.lake, job.name, due, _CAUSE, self.run_id)

    def _erase_zone(self, zone: str, owners: Owners) -> Counter[str]:
        root = self.lake.landing_of(zone)
        theirs = Theirs(self.hashes, owners[CONVERSATION], owners[TURN], owners[CHARACTER])
        counted = Counter[str]()
        for day in landing_days(root):
            files = landing_files(root, day)
            self.tell(f"{zone}: {day}, {len(files)} file(s)")
            for file in files:
                erased = erase_lines(file, theirs, self.settings.landing.max_line_bytes, self.dry_run)
                if erased and not self.dry_run:
                    self._check_erased(file, theirs)
                counted += erased
        return counted

    def _check_erased(self, file: LandingFile, theirs: Theirs) -> None:
        left = erase_lines(file, theirs, self.settings.landing.max_line_bytes, dry_run=True).total()
        if left:
            raise ErasureFailed(
                f"{left} line(s) of {file.name} are left",
                day=file.received_ds,
                hint="Run flywheel erase again.",
            )

    def _delete(self, name: str, owners: Owners, expected: Matches) -> None:
        if not expected.rows:
            return
        delta = self.lake.open(name)
        for column in columns_of(name):
            narrowed = (
                " AND event_type = 'character_update'" if (name, column) == (_EVENTS, CHARACTER) else ""
            )
            ids = sorted(owners[column])
            for start in range(0, len(ids), _IDS_A_DELETE):
                listed = ", ".join(
                    "'" + value.replace("'", "''") + "'" for value in ids[start : start + _IDS_A_DELETE]
                )
                delta.delete(f"{column} IN ({listed}){narrowed}")
        if rows_left := self._matches(self.lake.open(name), name, owners).rows.total():
            raise ErasureFailed(f"{rows_left} row(s) are left", table=name, hint="Run flywheel erase again.")

    def _vacuum(self, name: str, spared: Sequence[int]) -> None:
        """Delete all files but those of the latest and the spared versions, also what killed writers left."""
        self.lake.open(name).vacuum(
            retention_hours=0,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            keep_versions=[*spared],
        )
        latest = self.lake.version(name)
        if broken := [version for version in (*spared, latest) if not is_whole(self.lake, name, version)]:
            raise ErasureFailed(
                f"vacuum deleted files of version {broken[0]}, which is still needed", table=name,
                hint="Restore the table's folder from a copy, and erase again.",
            )  # fmt: skip

    def _certify(self, done: Erased) -> Erased:
        """One certificate for each user with erased rows; of a landing zone for every user: landing reads these."""
        if self.dry_run:
            return done
        moment: datetime = ledger.now()
        rows = [
            {
                "erasure_id": self.run_id, "table_name": done.place, "user_id": who, "requested_ts": self.requested_ts,
                "completed_ts": moment, "rows_erased": done.rows[who], "oldest_version_kept": done.oldest_kept,
                "affected_models": list(done.models), "ds": moment.date(), "run_id": self.run_id,
            }
            for who in sorted(self.hashes.values())
            if done.rows[who] or done.lost or is_landed(done.place)
        ]  # fmt: skip
        ledger.append(self.lake, "ops.erasures", rows, f"{self.run_id}-{done.place}")
        return done


def _place(table: str) -> int:
    """Sort key of the erasure order: tables that are needed to find rows of other tables come last."""
    columns = columns_of(table)
    if table == _EMBEDDINGS:
        return 0
    return 3 if CREATOR in columns else 2 if USER in columns else 1


def _theirs(batch: pa.RecordBatch, name: str, owners: Owners) -> Any:
    """Mask of the users' rows in a batch."""
    mask = pa.array([False] * batch.num_rows, pa.bool_())
    for column in columns_of(name):
        theirs = _among(batch.column(column), owners[column])
        if (name, column) == (_EVENTS, CHARACTER):
            theirs = pc.and_(theirs, pc.equal(batch.column("event_type"), "character_update"))
        mask = pc.or_(mask, theirs)
    return mask


def _among(values: Any, wanted: Collection[str]) -> Any:
    return pc.is_in(values.cast(pa.string()), pa.array([*wanted], pa.string()))


def _scan(
    delta: DeltaTable, columns: Sequence[str], wanted: Callable[[pa.RecordBatch], Any]
) -> Iterator[pa.RecordBatch]:
    """The wanted rows in bounded memory. Not filtered by the data set: its bounds of strings are of a type that Arrow
    cannot compare, and of keyed hashes they would spare nothing."""
    for batch in delta.to_pyarrow_dataset().to_batches(columns=[*columns]):
        if (rows := batch.filter(wanted(batch))).num_rows:
            yield rows


def pulled_copies(settings: Settings, tables: Sequence[str]) -> list[tuple[str, str, datetime]]:
    """Raw copies that were pulled from the tables: `table@version`, by whom, when. Erasure cannot reach them."""
    rows = ledger.query(
        Lake.of(settings),
        """SELECT split_part(turn_id, ' ', 1), reader, read_ts FROM ops_raw_reads
           WHERE split_part(turn_id, '@', 1) IN (SELECT unnest(?)) AND turn_id LIKE '%@%' ORDER BY read_ts""",
        [[*tables]],
        ["ops.raw_reads"],
    )
    return [(str(table), str(reader), moment) for table, reader, moment in rows]
