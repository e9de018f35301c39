"""Erases users: removes their rows from all tables, all stored versions and the landed files, and keeps them out.

Erasure wins over pins: a version with the users' rows is vacuumed even if a registered model was made from it, and
the certificates (`ops.erasures`) name those models. Pinned versions without their rows stay.

The order makes a killed erasure safe to call again. First the landed files; then tables that know the users only
through others (by turn or text), each rewritten and vacuumed; last the tables by which their turns are found. From the
first certificate on, landing refuses what still arrives of them (`erased_user`).

Rows are rewritten (`infra.lake.rewriting`), files are vacuumed, and the log is cut (`infra.lake.history`), so that no
file names the users. What is left and can be found is listed with the certificates (`remnants`).

What is left on purpose: aggregates (readouts, compositions, centroids), `ops.raw_reads` (who was shown which turn, by
its id), the certificates with their keyed hashes, registered weights, and copies that were pulled out of the lake.
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
from infra.ids import pseudonym
from infra.lake import Lake, ledger
from infra.lake.facts import ids_are_keyed, user_key
from infra.lake.history import forget, strangers
from infra.lake.locks import TableLock, hold
from infra.lake.rewriting import partition_of, rewrite
from infra.settings import Settings
from jobs.declaration import all_jobs, is_landed
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.leftovers import leftovers
from jobs.landing.zone import LandingFile, landing_days, landing_files
from jobs.maintenance.vacuum import in_use, is_whole
from models.registry.pins import models_touching

USER, CREATOR, TURN, CONVERSATION, CHARACTER, TEXT = (
    "user_id", "creator_id", "turn_id", "conversation_id", "character_id", "text_hash",
)  # fmt: skip
KEPT = frozenset({"ops.erasures", "ops.raw_reads"})
"""Tables that keep what identifies: the certificates, and on whose eyes raw text has been."""
_RAW_READS = "ops.raw_reads"
_EMBEDDINGS, _PRUNED, _EVENTS = "curation.embeddings", "curation.pruned", "traffic.events"
_REFERENCES = {
    "curation.pruned": ("is_duplicate_of", "kept_turn_id"),
    "curation.outcomes": ("detail",),
    "curation.sample_outcomes": ("reason",),
}
"""Columns in which a row names a turn that may be another user's, alone or in the words of `curation.outcomes`."""
_NAMED_TURN = r"^(?P<before>kept turn )?(?P<turn>.+?)(?P<after>, similarity [0-9.]+)?$"
_ERASED_TURN = "(erased)"
_CHAT = ("message", "response")
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
        remnants: what is left of them there, by path, and what a person has to do about it.
    """

    place: str
    rows: Counter[str]
    lost: dict[int, list[str]] = field(default_factory=dict)
    oldest_kept: int = 0
    models: tuple[str, ...] = ()
    remnants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """The users' rows in a table.

    Attributes:
        rows: how many by user.
        days: days of these rows, and of the rows of others that name their turns.
        units: partitions with such rows.
        named: how many rows of others name their turns.
    """

    rows: Counter[str]
    days: frozenset[date]
    units: frozenset[object]
    named: int = 0


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
    if "ops.erasures" in readable and "remnants" not in _columns_there(lake, "ops.erasures"):
        raise ContractError(
            "the table lacks a column of its contract", table="ops.erasures", hint="Run: flywheel migrate"
        )
    if missing := [name for name in [*tables, *sorted(KEPT)] if name not in readable]:
        raise ContractError(
            "the table does not exist, or this account may not read it, so its rows cannot be checked",
            table=missing[0], hint="Run flywheel migrate, or erase with an account that may read both roots.",
        )  # fmt: skip
    if dry_run:
        yield from _Erasure(settings, lake, tables, hashes, "", {}, tell).run()
        return
    from models.reward.registration import folder_of_runs
    from models.training.run import clear_unfinished

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
    # Also beside a user: in a conversation of several, the turns of the others hold the user's words.
    if TURN in declared.column_names and table != _EVENTS:
        columns.append(TURN)
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
        key = user_key(self.settings) if ids_are_keyed(self.lake) else None
        self.theirs = Theirs(self.hashes, owners[CONVERSATION], dict(owners[TURN]), owners[CHARACTER], key)
        owners[TURN] |= self._shared_turns(owners)
        owners[TEXT] = self._texts(owners[TURN])
        matches = {name: self._matches(self.lake.open(name), name, owners) for name in self.tables}
        lost_by_table = {name: self._lost(name, owners) for name in self.tables}
        is_known = (
            any(lost_by_table.values())
            or any(owners[column] for column in (TURN, CHARACTER))
            or any(match.rows for match in matches.values())
            # Whoever was erased before is done again: an older version of this may have left more in the logs.
            or not ledger.erased_users(self.lake).isdisjoint(self.hashes.values())
        )
        if not self.dry_run:
            touched = {name: match.days for name, match in matches.items()}
            self._mark_stale(touched | self._days_of_characters(owners, touched))
        zones = sorted({read for job in all_jobs() for read in job.reads if is_landed(read)})
        # Before a file is replaced: where a link led to can be seen only now.
        unread = [self._unread(zone, zones) for zone in zones]
        yield from map(self._certify, filter(None, unread))
        for zone in zones:
            yield self._certify(Erased(zone, self._erase_zone(zone)))
        for name in self.tables if is_known or self.dry_run else ():
            self.tell(f"{name}: {matches[name].rows.total():,} row(s)")
            lost = lost_by_table[name]
            spared = [version for version in self.standing.get(name, {}) if version not in lost]
            models = models_touching(self.settings, name, lost) if lost else []
            if not self.dry_run:
                self.locks[name].check()
                self._delete(name, owners, matches[name])
                self.locks[name].check()
                self._vacuum(name, spared)
            remnants = self._remnants(name, matches[name], spared)
            version = self.lake.version(name)
            yield self._certify(Erased(name, matches[name].rows, lost, version, tuple(models), remnants))
        if seen := self._readings(owners):
            yield self._certify(Erased(_RAW_READS, Counter(), oldest_kept=0, remnants=(seen,)))

    def _unread(self, zone: str, zones: Sequence[str]) -> Erased | None:
        """What is left of the users in a landing zone where landing does not read."""
        inner = [name.removeprefix("landing/") for name in zones if name != zone] if zone == "landing" else []
        lines = tuple(
            leftovers(self.lake.landing_of(zone), inner, self.theirs, self.settings.landing.max_expansion)
        )
        return Erased(f"{zone} (not read)", Counter(), remnants=lines) if lines else None

    def _remnants(self, name: str, matches: Matches, spared: Sequence[int]) -> tuple[str, ...]:
        """What is left of the users in the table or beside it."""
        if self.dry_run:
            return ()
        found = [
            f"{self.lake.path(name)}/{file}: it belongs to no version of the table: look at it, and delete it"
            for file in strangers(self.lake, name, spared)
        ]
        if name == _EVENTS and matches.named:
            found.append(
                f"{matches.named} event(s) of other users name a turn or conversation of theirs by id: nothing to do"
            )
        return tuple(found)

    def _readings(self, owners: Owners) -> str | None:
        """Says that the record of who was shown their raw text stays."""
        theirs = _scan(
            self.lake.open(_RAW_READS), [TURN], lambda scanned: _among(scanned.column(0), owners[TURN])
        )
        count = sum(batch.num_rows for batch in theirs)
        return (
            f"{count} reading(s) of their turns stay on record, by the turn's id: nothing to do"
            if count
            else None
        )

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
                    is_chat = ["event_type"] if (name, by) == (_EVENTS, USER) else []
                    for batch in _scan(
                        delta, [by, *there, *is_chat], lambda scanned: _spoken(scanned, users)
                    ):
                        who = batch.column(0).to_pylist()
                        for column, values in zip(there, batch.columns[1 : len(there) + 1], strict=True):
                            owners[column] |= {
                                value: user
                                for value, user in zip(values.to_pylist(), who, strict=True)
                                if value
                            }
        return owners

    def _shared_turns(self, owners: Owners) -> dict[str, str]:
        """Turns of others in the users' conversations: they hold the users' words. They are made again without them."""
        shared: dict[str, str] = {}
        for name in self.tables:
            if name == _EVENTS or not {TURN, CONVERSATION} <= set(contract(name).column_names):
                continue
            for version in {self.lake.version(name), *self.standing.get(name, {})}:
                if (delta := self._opened(name, version)) is not None:
                    for batch in _scan(
                        delta,
                        [CONVERSATION, TURN],
                        lambda scanned: _among(scanned.column(0), owners[CONVERSATION]),
                    ):
                        for talk, turn in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                            shared.setdefault(turn, owners[CONVERSATION][talk])
        return {turn: user for turn, user in shared.items() if turn not in owners[TURN]}

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
        columns, partition, references = columns_of(name), partition_of(name), _REFERENCES.get(name, ())
        rows, days, units, named = Counter[str](), set[date](), set[object](), 0
        wanted = {*columns, "ds", *references, *([partition] if partition else [])}
        if name == _EVENTS:
            wanted |= {"event_type", TURN, CONVERSATION}
        there = {field.name for field in delta.schema().fields}

        def theirs_or_naming(batch: pa.RecordBatch) -> Any:
            return pc.or_(_theirs(batch, name, owners), _naming(batch, name, owners))

        for matching in _scan(delta, [*(wanted & there)], theirs_or_naming):
            mask = _theirs(matching, name, owners)
            batch = matching.filter(mask)
            named += matching.num_rows - batch.num_rows
            values = {column: batch.column(column).to_pylist() for column in columns}
            for row in range(batch.num_rows):
                owning = (owners[column].get(values[column][row] or "") for column in columns)
                rows[next(who for who in owning if who)] += 1
            # Rows of others that cannot be changed (events) make no day stale.
            touched = matching if references else batch
            days |= set(touched.column("ds").unique().to_pylist())
            if partition:
                units |= set(touched.column(partition).unique().to_pylist())
        return Matches(rows, frozenset(days), frozenset(units), named)

    def _lost(self, name: str, owners: Owners) -> dict[int, list[str]]:
        """Versions in use that must be deleted: those with the users' rows, and those that cannot be read."""
        lost = {}
        for version, who in sorted(self.standing.get(name, {}).items()):
            delta = self._opened(name, version)
            if delta is None or self._is_in(delta, name, owners):
                lost[version] = who
        return lost

    def _is_in(self, delta: DeltaTable, name: str, owners: Owners) -> bool:
        matches = self._matches(delta, name, owners)
        return bool(matches.rows or (matches.named and name in _REFERENCES))

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

    def _erase_zone(self, zone: str) -> Counter[str]:
        root, theirs = self.lake.landing_of(zone), self.theirs
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
        if not expected.rows and not (expected.named and name in _REFERENCES):
            return
        rewrite(self.lake, name, expected.units, lambda batch: _without_them(batch, name, owners))
        left = self._matches(self.lake.open(name), name, owners)
        if rows_left := left.rows.total() + (left.named if name in _REFERENCES else 0):
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
        # What the log says of the deleted files, and by which conditions rows were deleted before, goes too.
        forget(self.lake, name, spared)
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
                "affected_models": list(done.models), "remnants": list(done.remnants), "ds": moment.date(),
                "run_id": self.run_id,
            }
            for who in sorted(self.hashes.values())
            if done.rows[who] or done.lost or done.remnants or is_landed(done.place)
        ]  # fmt: skip
        ledger.append(self.lake, "ops.erasures", rows, f"{self.run_id}-{done.place}")
        return done


def _columns_there(lake: Lake, table: str) -> set[str]:
    return {field.name for field in lake.open(table).schema().fields}


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


def _naming(batch: pa.RecordBatch, name: str, owners: Owners) -> Any:
    """Mask of rows that name a turn of the users, whosever rows they are."""
    mask = pa.array([False] * batch.num_rows, pa.bool_())
    for column in _REFERENCES.get(name, ()):
        mask = pc.or_(mask, _among(_turns_named(batch.column(column)), owners[TURN]))
    if name == _EVENTS:
        for column in (TURN, CONVERSATION):
            mask = pc.or_(mask, _among(batch.column(column), owners[column]))
    return mask


def _turns_named(column: Any) -> Any:
    return pc.struct_field(pc.extract_regex(column.cast(pa.string()), _NAMED_TURN), "turn")


def _without_them(batch: pa.RecordBatch, name: str, owners: Owners) -> pa.RecordBatch:
    """The rows of all others; where they name a turn of the users, they say that it was erased."""
    kept = batch.filter(pc.invert(_theirs(batch, name, owners)))
    for column in _REFERENCES.get(name, ()):
        place = kept.schema.get_field_index(column)
        values = kept.column(place)
        parts = pc.extract_regex(values.cast(pa.string()), _NAMED_TURN)
        before, after = (pc.struct_field(parts, part) for part in ("before", "after"))
        replaced = pc.binary_join_element_wise(before, pa.scalar(_ERASED_TURN), after, "")
        is_named = _among(pc.struct_field(parts, "turn"), owners[TURN])
        kept = kept.set_column(place, kept.schema.field(place), pc.if_else(is_named, replaced, values))
    return kept


def _spoken(batch: pa.RecordBatch, users: Collection[str]) -> Any:
    """Mask of the users' rows; of events, those that make a conversation theirs, as a reaction to a turn does not."""
    theirs = _among(batch.column(0), users)
    if "event_type" not in batch.schema.names:
        return theirs
    return pc.and_(theirs, _among(batch.column("event_type"), _CHAT))


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
