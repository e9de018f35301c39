"""Lands received days: every line of their files becomes an event, a counted duplicate, or a quarantine row.

Insert-only: the first received of an event id wins. A rerun of a received day finds its own rows by file and line.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.lake import ledger
from infra.lake.facts import ids_are_keyed, user_key
from infra.settings import Settings, span_of
from jobs.context import JobContext
from jobs.declaration import LANDING, job, readers_of
from jobs.landing.rows import Line, fates_by_day, landed_rows, refuse_broken
from jobs.landing.zone import LandingFile, day_folder
from jobs.traffic import CHAT
from jobs.traffic.parse import EVENT_TYPES, Event, LandingRules, parse_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EVENTS = "traffic.events"
KEPT, DUPLICATE = "kept", "duplicate"
CONFLICTING_DUPLICATE, CONFLICTING_TURN = "conflicting_duplicate", "conflicting_turn_id"
_UTC = pa.timestamp("us", tz="UTC")
_EVENT_TYPES = {name: _UTC if name.endswith("_ts") else pa.string() for name in Event._fields}
# First received wins. The received day is the first key, so that landing days together or one by one gives the same.
_RECEIVED_ORDER = ("received_ds", "received_ts", "source_file", "line")
# Two deliveries of one id are the same event if these fields agree. Time and file of delivery do not count.
_CONTENT = tuple(name for name in Event._fields if name not in ("event_id", "received_ts"))


def landing_rules(
    settings: Settings, key: bytes, erased: frozenset[str] = frozenset(), keyed_ids: bool = True
) -> LandingRules:
    """The rules of the landing contract: from the settings, the lake's key, the erased users to refuse, and whether the
    lake hashes ids."""
    landing = settings.landing
    return LandingRules(
        landing.max_line_bytes,
        timedelta(days=landing.late_limit_days),
        timedelta(seconds=landing.future_tolerance_seconds),
        key,
        erased,
        landing.max_expansion,
        landing.max_refused_lines,
        keyed_ids,
    )


def parse_landing(spark: SparkSession, files: Sequence[LandingFile], rules: LandingRules) -> DataFrame:
    """Every line of the files, one file a task: an event's columns, or its `reason`.

    A file that is broken as a whole gives one row whose `failure` says so.
    """
    return landed_rows(spark, files, _EVENT_TYPES, partial(_lines, rules=rules))


def settle(parsed: DataFrame, known: DataFrame) -> DataFrame:
    """Decide what becomes of each parsed line.

    Args:
        parsed: rows of `parse_landing`, without failures.
        known: rows of `traffic.events` that share an event id, or the turn id of a response, with them.

    Returns:
        The same rows with `fate` (`kept`, `duplicate` or a quarantine reason) and `is_new` (kept and not yet in the
        table). A response whose turn id another response holds is `conflicting_turn_id`: turn ids are unique.
    """
    stored = known.select(
        "event_id",
        _content().alias("held_content"),
        F.col("source_file").alias("held_file"),
        F.col("line").alias("held_line"),
    )
    by_id = Window.partitionBy("event_id").orderBy(*_RECEIVED_ORDER)
    is_stored = F.col("held_file").isNotNull()
    is_first = F.when(
        is_stored, (F.col("source_file") == F.col("held_file")) & (F.col("line") == F.col("held_line"))
    ).otherwise(F.row_number().over(by_id) == 1)
    judged = (
        parsed.where("reason IS NULL")
        .withColumn("content", _content())
        .join(stored, "event_id", "left")
        .withColumn("is_first", is_first)
        .withColumn("is_same", F.col("content") == F.coalesce("held_content", F.first("content").over(by_id)))
        .withColumn(
            "fate",
            F.when(~F.col("is_same"), CONFLICTING_DUPLICATE)
            .when(F.col("is_first"), KEPT)
            .otherwise(DUPLICATE),
        )
    )
    holders = known.where("event_type = 'response'").select("turn_id", F.col("event_id").alias("turn_holder"))
    is_response = (F.col("fate") == KEPT) & (F.col("event_type") == "response")
    # Every row that is not a kept response gets a window of its own.
    alone_or_turn = F.when(is_response, F.concat(F.lit("t"), "turn_id")).otherwise(
        F.concat(F.lit("e"), "source_file", F.lit(":"), "line")
    )
    by_turn = Window.partitionBy("turn_group").orderBy(*_RECEIVED_ORDER)
    winner = F.coalesce("turn_holder", F.first("event_id").over(by_turn))
    judged = (
        judged.withColumn("turn_group", alone_or_turn)
        .join(holders, "turn_id", "left")
        .withColumn("loses_turn", is_response & (F.col("event_id") != winner))
        .withColumn("fate", F.when(F.col("loses_turn"), CONFLICTING_TURN).otherwise(F.col("fate")))
        .withColumn("is_new", (F.col("fate") == KEPT) & ~is_stored)
    )  # fmt: skip
    refused = parsed.where("reason IS NOT NULL").withColumns(
        {"fate": F.col("reason"), "is_new": F.lit(False)}
    )
    columns = [*parsed.columns, "fate", "is_new"]
    return judged.select(columns).unionByName(refused.select(columns))


def stale_days(
    new: DataFrame,
    history: DataFrame,
    ran: Mapping[str, set[date]],
    settings: Settings,
) -> dict[str, list[date]]:
    """Days that must run again because of new events, by job; only days that the job has run.

    Args:
        new: events about to be inserted.
        history: all events already there.
        ran: the days each job that reads events succeeded for.

    Returns:
        The day of each new event for the jobs that read its type; for those that look back also the days after it;
        for those that look ahead and an event received after its day also the days before that looked at it; for
        turns every later day on which its conversation went on.
    """
    if not any(ran.values()):
        return {}
    touched: dict[str, set[date]] = defaultdict(set)
    day = F.to_date("event_ts")
    # Events received on their own day need no mark for the days before: the plan sees them in the ledger.
    is_late = (F.col("received_ds") > day).alias("is_late")
    for row in new.select("event_type", day.alias("ds"), is_late).distinct().collect():
        for reader in ran:
            reach = job(reader).reads[EVENTS]
            if row["event_type"] in (reach.event_types or EVENT_TYPES):
                back = reach.days_after(settings) if row["is_late"] else 0
                offsets = range(-back, reach.days_before(settings) + 1)
                touched[reader] |= {row["ds"] + timedelta(days=n) for n in offsets} & ran[reader]
    if touched["traffic.turns"]:
        since = (
            new.where(F.col("event_type").isin(*CHAT))
            .groupBy("conversation_id")
            .agg(F.min("event_ts").alias("since_ts"))
        )
        later = (
            history.where(F.col("event_type").isin(*CHAT))
            .select("conversation_id", "event_ts", "ds")
            .join(since, "conversation_id")
            .where("event_ts > since_ts")
        )
        touched["traffic.turns"] |= {row["ds"] for row in later.select("ds").distinct().collect()}
        touched["traffic.turns"] &= ran["traffic.turns"]
    return {reader: sorted(days) for reader, days in touched.items() if days}


def days_without_files(days: Sequence[date], files: Sequence[LandingFile], landing: object) -> str | None:
    """What to tell of received days for which nothing was delivered, None if all have files."""
    empty = sorted(set(days) - {file.received_ds for file in files})
    if not empty:
        return None
    return (
        f"no file for {len(empty)} of {len(set(days))} received day(s): {span_of(empty)}. Files are looked for in "
        f"{landing}/{day_folder(empty[0])}; `flywheel import` writes them there"
    )


def run(ctx: JobContext) -> None:
    """Land the received days `ctx.days`.

    Raises:
        LandingFileBroken: names every broken file of the days; the tables are as they were.
    """
    files = ctx.landed_files(LANDING)
    if missing := days_without_files(ctx.days, files, ctx.lake.landing):
        ctx.warn(missing)
    ctx.say(f"{len(files)} landing file(s), {sum(file.size for file in files) / 1e6:.1f} MB")
    rules = landing_rules(
        ctx.settings, user_key(ctx.settings), ledger.erased_users(ctx.lake), ids_are_keyed(ctx.lake)
    )
    parsed = parse_landing(ctx.spark, files, rules).persist(StorageLevel.MEMORY_AND_DISK)
    refuse_broken(parsed, "traffic.events", ctx.days)
    history = ctx.read("traffic.events")
    settled = settle(parsed, _known(ctx, history, parsed)).persist(StorageLevel.MEMORY_AND_DISK)
    counts = {day: Counter[str]() for day in ctx.days} | fates_by_day(settled, "received_ds")
    quarantined = {
        day: {r: n for r, n in c.items() if r not in (KEPT, DUPLICATE)} for day, c in counts.items()
    }
    refused = {day: sum(reasons.values()) for day, reasons in quarantined.items()}
    ctx.write("traffic.quarantine", _quarantine_rows(settled), rows_in=refused, rows_out=refused)
    events = settled.where(F.col("fate") == KEPT)
    # Mark before the insert, so that a run killed in between marks too much and never too little.
    readers = [reader for reader in readers_of(EVENTS) if reader.name != ctx.job.name]
    ran = {reader.name: ledger.days_run(ctx.lake, reader.closing_table, reader.name) for reader in readers}
    for reader, days in stale_days(events.where("is_new"), history, ran, ctx.settings).items():
        ctx.mark_stale(reader, days, "late_events")
    ctx.write(
        "traffic.events",
        events.withColumn("ds", F.to_date("event_ts")).drop("reason", "failure", "fate", "is_new"),
        rows_in={day: sum(c.values()) for day, c in counts.items()},
        rows_out={day: c[KEPT] for day, c in counts.items()},
        rejected={day: {r: n for r, n in c.items() if r != KEPT} for day, c in counts.items()},
    )
    settled.unpersist()
    parsed.unpersist()
    total = reduce(operator.add, counts.values(), Counter[str]())
    ctx.say(", ".join(f"{fate} {n:,}" for fate, n in total.most_common()) or "no lines")


def _lines(file: LandingFile, rules: LandingRules) -> Iterator[Line]:  # runs on the workers
    for landed in parse_file(file, rules):
        event: Sequence[Any] = landed.event or tuple(
            landed.received_ts if name == "received_ts" else None for name in Event._fields
        )
        yield landed.source_file, landed.line, landed.reason, event


def _content() -> Any:
    """Hash of an event's content. NULL and empty differ, because JSON leaves NULL fields out."""
    fields = [F.unix_micros(name).alias(name) if name.endswith("_ts") else F.col(name) for name in _CONTENT]
    return F.sha2(F.to_json(F.struct(*fields)), 256)


def _known(ctx: JobContext, history: DataFrame, parsed: DataFrame) -> DataFrame:
    """Events already there that share an event id or a response's turn id with the parsed lines.

    Ids are looked up first, in two narrow columns; whole rows are read only of the days where one was met.
    """
    fine = parsed.where("reason IS NULL")
    turns = fine.where("event_type = 'response'").select("turn_id")
    met = (
        history.select("event_id", "ds")
        .join(fine.select("event_id"), "event_id", "left_semi")
        .unionByName(
            history.where("event_type = 'response'")
            .select("event_id", "turn_id", "ds")
            .join(turns, "turn_id", "left_semi")
            .select("event_id", "ds")
        )
    ).distinct()
    days = sorted(row["ds"] for row in met.select("ds").distinct().collect())
    return ctx.read("traffic.events", days=days).join(met.select("event_id"), "event_id", "left_semi")


def _quarantine_rows(settled: DataFrame) -> DataFrame:
    return settled.where(~F.col("fate").isin(KEPT, DUPLICATE)).select(
        "source_file", "line", F.col("fate").alias("reason"), "received_ts", F.col("received_ds").alias("ds")
    )
