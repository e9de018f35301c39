"""Labels each served response by what the user did after it: true, false, or NULL while it is not yet known.

A label is NULL until its window and the margin for late arrivals have passed, even when the event is already there.
If true labels were published at once, every rate would be too high while windows are open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from infra.errors import SettingsError
from infra.lake import ledger
from infra.settings import Settings
from jobs.curation.sampling.attributes import depth_band
from jobs.traffic import ABOUT_A_TURN, CHAT

if TYPE_CHECKING:
    from jobs.context import JobContext

REACTIONS = ("love", "thumb_up", "thumb_down")
_OTHER_REACTION = "emoji_reaction"
_KINDS = (*REACTIONS, _OTHER_REACTION, "feedback", "regenerated")
_PAYLOAD = "reaction string, removed boolean, dataset string, logged_signals array<string>"
_CARRIED = [
    "turn_id", "conversation_id", "session_id", "turn_index", "session_turn_index", "is_final", "user_id",
    "character_id", "model_version", "source", "surface", "locale", "language", "split", "response_ts",
    "is_synthetic_time", "ds",
]  # fmt: skip


@dataclass(frozen=True)
class LabelRules:
    """Windows of the labels in minutes, the margin for late events, and the last turn of each depth band."""

    continue_minutes: int
    reaction_minutes: int
    session_gap_minutes: int
    late_margin_minutes: int
    depth_bands: tuple[int, ...]
    lookahead_days: int

    @classmethod
    def of(cls, settings: Settings) -> LabelRules:
        """The rules as the settings state them.

        Raises:
            SettingsError: a session can go on after a silence longer than the days that are looked ahead.
        """
        signals, gap = settings.signals, settings.turns.session_gap_minutes
        if gap + signals.late_margin_minutes > signals.lookahead_days * 1440:
            raise SettingsError(
                "the session gap is longer than the number of days that the signals job reads ahead",
                setting="turns.session_gap_minutes",
                hint="Raise signals.reaction_minutes to the session gap, or lower the session gap.",
            )
        return cls(
            signals.continue_minutes,
            signals.reaction_minutes,
            gap,
            signals.late_margin_minutes,
            settings.sampling.depth_bands,
            signals.lookahead_days,
        )


def label(turns: DataFrame, events: DataFrame, observed: DataFrame, rules: LabelRules) -> DataFrame:
    """One row a turn in the columns of `signals.labels` without `run_id`.

    Args:
        turns: rows of `traffic.turns`.
        events: rows of `traffic.events` of their days and of `lookahead_days` more.
        observed: `ds` and `observed_until_ts`: until when the log of a day's turns is complete.
        rules: windows and bands.
    """
    parsed_events = events.withColumn("said", F.from_json("payload", _PAYLOAD))
    labelled = (
        turns.select(*_CARRIED)
        .join(_replies(parsed_events), "turn_id", "left")
        .join(_reactions(parsed_events, turns, rules), "turn_id", "left")
        .join(F.broadcast(observed), "ds")
    )

    def closed(minutes: int) -> Column:
        return F.col("response_ts") + F.expr(f"INTERVAL {minutes} MINUTES") <= F.col("observed_until_ts")

    gap = rules.session_gap_minutes
    answered = F.coalesce(F.col("silence") <= rules.continue_minutes * 60_000_000, F.lit(False))
    same_session = F.coalesce(F.col("silence") < gap * 60_000_000, F.lit(False))
    continued = F.col("is_final") & ~F.col("is_synthetic_time") & closed(rules.continue_minutes)
    reactions = {
        kind: F.when(F.col("logs").isNull() | F.array_contains("logs", kind), F.coalesce(kind, F.lit(False)))
        for kind in _KINDS
    }
    return labelled.select(
        *_CARRIED,
        depth_band(F.col("turn_index"), rules.depth_bands).alias("depth_band"),
        F.when(continued, answered).alias("continued"),
        F.when(F.col("is_final") & closed(gap), same_session).alias("replied_in_session"),
        *(F.when(closed(rules.reaction_minutes), known).alias(kind) for kind, known in reactions.items()),
        "observed_until_ts",
    )


def _replies(parsed_events: DataFrame) -> DataFrame:
    """Each response's `silence`, microseconds until the user wrote again (NULL: never in these days), and what its log
    records (`logs`): NULL for a product's own log, which records everything; an imported one names its signals."""
    in_order = Window.partitionBy("conversation_id").orderBy("event_ts", "event_id")
    # What follows a final response is a message or nothing: another response would have superseded it.
    next_type, next_ts = F.lead("event_type").over(in_order), F.lead("event_ts").over(in_order)
    silence = F.when(next_type == "message", F.unix_micros(next_ts) - F.unix_micros("event_ts"))
    logs = F.when(F.col("said.dataset").isNotNull(), F.coalesce("said.logged_signals", F.array()))
    return (
        parsed_events.where(F.col("event_type").isin(*CHAT))
        .withColumn("silence", silence)
        .where("event_type = 'response'")
        .select("turn_id", "silence", logs.alias("logs"))
    )


def _reactions(parsed_events: DataFrame, turns: DataFrame, rules: LabelRules) -> DataFrame:
    """Whether each kind of reaction to a turn, feedback and regeneration stood at the end of its window; by turn_id.

    The last word on a reaction counts: one taken back within the window does not stand.
    """
    reaction = F.col("said.reaction")
    kind = (
        F.when(F.col("event_type") == "feedback", "feedback")
        .when(F.col("event_type") == "regenerate", "regenerated")
        .when(reaction.isin(*REACTIONS), reaction)
        .otherwise(_OTHER_REACTION)
    )
    within = F.expr(
        f"event_ts BETWEEN response_ts AND response_ts + INTERVAL {rules.reaction_minutes} MINUTES"
    )
    last = F.max_by(~F.coalesce("said.removed", F.lit(False)), F.struct("event_ts", "event_id"))
    return (
        parsed_events.where(F.col("event_type").isin(*ABOUT_A_TURN))
        .join(turns.select("turn_id", "response_ts"), "turn_id")
        .where(within)
        .groupBy("turn_id", kind.alias("kind"), reaction.alias("reaction"))
        .agg(last.alias("stands"))
        .groupBy("turn_id")
        .agg(*(F.max(F.when(F.col("kind") == name, F.col("stands"))).alias(name) for name in _KINDS))
    )


def observed_until(days: Iterable[date], landed: set[date], rules: LabelRules) -> dict[date, datetime]:
    """Until when the log of each day's turns is complete.

    That is the end of the landed days which follow the day without a gap, as far as is looked ahead, less the margin.
    """
    ends: dict[date, datetime] = {}
    for day in days:
        end = day
        while end in landed and (end - day).days <= rules.lookahead_days:
            end += timedelta(days=1)
        complete = datetime.combine(end, time(), UTC)
        ends[day] = complete - timedelta(minutes=rules.late_margin_minutes)
    return ends


def run(ctx: JobContext) -> None:
    """Label the turns of `ctx.days`; days whose windows are still open run again when the next day has landed."""
    rules = LabelRules.of(ctx.settings)
    turns = ctx.read("traffic.turns")
    until = observed_until(ctx.days, _landed(ctx), rules)
    observed = ctx.spark.createDataFrame(sorted(until.items()), "ds date, observed_until_ts timestamp")
    rows = {row["ds"]: row["count"] for row in turns.groupBy("ds").count().collect()}
    ctx.write("signals.labels", label(turns, ctx.read("traffic.events"), observed, rules), rows_in=rows)


def _landed(ctx: JobContext) -> set[date]:
    """Received days whose events stand in the version that this run reads."""
    known = ledger.successes(ctx.lake).get(("traffic.events", "traffic.land"), {})
    version = ctx.version("traffic.events")
    return {date.fromisoformat(unit) for unit, success in known.items() if success.output_version <= version}
