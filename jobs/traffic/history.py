"""Reads whole conversations: all events, of any day, of the conversations that were active on given days.

A turn's place depends on what came before and whether it was superseded after, so turns and conversations are always
computed from whole conversations. So results do not depend on how a range of days was cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext


def whole_conversations(ctx: JobContext, event_types: Sequence[str]) -> DataFrame:
    """Events of the given types of every conversation that has one in `ctx.days`.

    Two narrow columns of the whole table say on which days these conversations have events; only those days are read.
    """
    wanted = F.col("event_type").isin(list(event_types))
    active = ctx.read("traffic.events", ctx.days).where(wanted).select("conversation_id").distinct()
    met = ctx.read("traffic.events").where(wanted).select("conversation_id", "ds")
    days = sorted(
        row["ds"]
        for row in met.join(active, "conversation_id", "left_semi").select("ds").distinct().collect()
    )
    return ctx.read("traffic.events", days=days).where(wanted).join(active, "conversation_id", "left_semi")
