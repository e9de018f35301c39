"""Labels of real logged chats: thumbs are all there, what the log cannot tell stays unknown."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.landing.zone import landing_days, landing_files
from jobs.traffic.importers.chat import ImportOptions
from jobs.traffic.importers.read import import_chats
from jobs.traffic.parse import LandingRules, parse_file
from tests.jobs.signals.test_labels import SIGNALS, labels_of

RULES = LandingRules(1_000_000, timedelta(days=30), timedelta(minutes=5), b"key")


@pytest.mark.real_data
def test_thumbs_of_volunteers(spark: SparkSession, shared_data: Path, tmp_path: Path) -> None:
    log = shared_data / "chatlogs" / "convai2_volunteers.jsonl.gz"
    if not log.exists():
        pytest.skip(f"{log} is not present")
    landing = tmp_path / "landing"
    import_chats(log, landing, ImportOptions(date(2026, 3, 1), 40), "chatlogs")
    events = [
        row.event._asdict() | {"ds": row.event.event_ts.date()}
        for day in landing_days(str(landing))
        for file in landing_files(str(landing), day)
        for row in parse_file(file, RULES)
        if row.event is not None
    ]
    found = labels_of(spark, events, datetime(2030, 1, 1, tzinfo=UTC))
    assert expected(log) == Counter(
        {name: sum(bool(one[name]) for one in found.values()) for name in ("thumb_up", "thumb_down")}
        | {"responses": len(found), "replied": sum(bool(one["replied_in_session"]) for one in found.values())}
    )
    assert all(one["replied_in_session"] is not None for one in found.values())
    unknown = {"continued", *SIGNALS} - {"thumb_up", "thumb_down"}
    assert {one[name] for one in found.values() for name in unknown} == {None}


def expected(log: Path) -> Counter[str]:
    """Counted in the log: blocks of the character's messages, their thumbs, and whether the user wrote after."""
    counts: Counter[str] = Counter()
    for line in gzip.decompress(log.read_bytes()).splitlines():
        messages: list[dict[str, Any]] = json.loads(line)["messages"]
        blocks = [(role, [*group]) for role, group in groupby(messages, key=lambda one: one["role"])]
        for place, (role, block) in enumerate(blocks):
            if role == "character":
                thumbs = {one["thumb"] for one in block}
                counts.update(responses=1, thumb_up=1 in thumbs, thumb_down=0 in thumbs)
                counts.update(replied=place + 1 < len(blocks))
    return counts
