"""The job on a lake: every landed line is kept, a duplicate or quarantined; the first batch wins in any order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from infra.lake import Lake
from infra.settings import Settings
from jobs.annotation import ZONE
from jobs.landing.zone import day_folder
from jobs.plan import Plan
from jobs.runner import run_job, run_stale
from models.chat.preferences import pairs, unanimous

JOB = "annotation.preferences"
EARLY, LATE = date(2024, 9, 23), date(2024, 10, 28)


def judged(pair: str, annotator: str, winner: str, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": f"Tell me about boats, please, friend {pair}."}]
    return {
        "pair_id": pair, "annotator_id": annotator, "winner": winner, "mode": "static", "source": "s",
        "user_id": "u1", "context": {"messages": said}, "response_a": "They float on the calm sea.",
        "response_b": "They are made of wood and rope.", "guideline_version": "g1", **more,
    }  # fmt: skip


def land(lake: Lake, day: date, rows: Sequence[dict[str, Any] | str], name: str = "a.jsonl") -> None:
    folder = Path(lake.landing_of(ZONE)) / day_folder(day)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))


def rows(lake: Lake, table: str, *columns: str) -> list[tuple[Any, ...]]:
    found = lake.open(table).to_pyarrow_table().to_pylist()
    return sorted(tuple(row[name] for name in columns) for row in found)


LATE_ROWS: list[dict[str, Any] | str] = [
    judged("p1", "x", "a"), judged("p1", "y", "a"), judged("p1", "z", "b"),
    judged("p1", "x", "a"),
    judged("p1", "x", "tie"),
    judged("p1", "w", "a", response_a="Something else altogether."),
    judged("p2", "x", "tie", user_id=None, response_b="write to ann.lee@example.com"),
    judged("p3", "x", "a", response_a="my card is 4111 1111 1111 1111"),
    judged("p3", "y", "a", response_a="my card is 4111 1111 1111 1111"),
    judged("p4", "x", "a", response_b="  "),
    "{half",
]  # fmt: skip


@pytest.mark.nightly
def test_a_batch_a_rerun_and_an_earlier_batch_that_comes_late(
    spark: SparkSession, settings: Settings, lake: Lake
) -> None:
    land(lake, LATE, LATE_ROWS)
    run_job(settings, JOB, [LATE])
    (told,) = (r for r in lake.open("ops.runs").to_pyarrow_table().to_pylist() if r["table_name"] == JOB)
    rejected = dict(told["rows_rejected"])
    assert rejected == {
        "duplicate": 1, "conflicting_duplicate": 2, "screening:identifier:CREDIT_CARD": 2, "empty_response": 1,
        "malformed_json": 1,
    }  # fmt: skip
    assert told["rows_in"] == len(LATE_ROWS) == told["rows_out"] + sum(rejected.values())
    quarantined = Counter(reason for (reason,) in rows(lake, "annotation.quarantine", "reason"))
    assert quarantined == {reason: n for reason, n in rejected.items() if reason != "duplicate"}
    kept = lake.open(JOB).to_pyarrow_table().to_pylist()
    assert sorted((r["pair_id"], r["batch"], r["winner"]) for r in kept) == [
        ("p1", "241028", "a"), ("p1", "241028", "a"), ("p1", "241028", "b"), ("p2", "241028", "tie"),
    ]  # fmt: skip
    assert {r["response_b"] for r in kept if r["pair_id"] == "p2"} == {"write to <EMAIL_ADDRESS>"}
    assert "4111" not in str(kept)
    assert pairs(kept).counts == {"used": 3, "tie": 1}
    assert unanimous(kept).counts == {"disagreement": 3, "too_few_reviews": 1}

    assert run_job(settings, JOB, [LATE]).run_id is None

    land(lake, EARLY, [judged("p1", "x", "b"), judged("p5", "x", "a")])
    assert [(due.job, due.days) for due in Plan(settings).everything()] == [(JOB, (EARLY,))]
    run_job(settings, JOB, [EARLY])
    assert [due.days for due in Plan(settings).everything()] == [(LATE,)]
    run_stale(settings)
    expected = [
        ("p1", "240923", "b"), ("p1", "241028", "a"), ("p1", "241028", "b"), ("p2", "241028", "tie"),
        ("p5", "240923", "a"),
    ]  # fmt: skip
    assert rows(lake, JOB, "pair_id", "batch", "winner") == expected
    assert Plan(settings).everything() == []

    land(
        lake, EARLY, [judged("p5", "x", "a")]
    )  # delivered again without the pair: the later batch may have it back
    run_job(settings, JOB, [EARLY])
    assert [due.days for due in Plan(settings).everything()] == [(LATE,)]
