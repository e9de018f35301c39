"""From a training row to the landed lines that it was made of, by the ids of the lake and of the product."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import TurnUnknown
from infra.ids import id_of
from infra.lake import Lake
from infra.lake.facts import id_in_lake, user_key
from infra.settings import Settings
from jobs.maintenance.origin import LandedLine, origin_of
from tests.conftest import DAY, put

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(number: int, kind: str, turn: str | None, line: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}", "event_type": kind, "source": "user", "turn_id": turn, "conversation_id": "c1",
        "source_file": "received_ds=2026-11-20/a.jsonl", "line": line, "received_ds": DAY, "ds": DAY,
        "event_ts": START + timedelta(minutes=number),
    } | more  # fmt: skip


@pytest.fixture
def turns(settings: Settings, lake: Lake) -> str:
    """Two turns of a conversation, and a message in another one; gives the id of the second as the lake holds it."""
    second = id_in_lake(settings, "turn", "second turn of anna@example.com")
    put(
        lake, "traffic.events",
        [event(0, "message", None, 1), event(1, "response", "t1", 2), event(2, "message", None, 7),
         event(3, "message", None, 8), event(4, "response", second, 9), event(5, "message", None, 10),
         event(6, "reaction", second, 4, source_file="received_ds=2026-11-21/b.jsonl"),
         event(3, "message", None, 99, conversation_id="c2", event_id="other")],
    )  # fmt: skip
    put(
        lake,
        "traffic.turns",
        [
            {"turn_id": t, "conversation_id": "c1", "split": "train", "source": "user", "ds": DAY}
            for t in ("t1", second)
        ],
    )
    put(
        lake,
        "curation.samples",
        [{"dataset_id": "d", "turn_id": second, "split": "train", "ds": DAY, "weight": 1.0}],
    )
    return second


@pytest.mark.parametrize("as_written", [True, False])
def test_a_turn_leads_to_its_messages_response_and_reactions(
    settings: Settings, turns: str, as_written: bool
) -> None:
    origin = origin_of(settings, "second turn of anna@example.com" if as_written else turns)
    assert [(line.what, line.file.partition("/")[2], line.line) for line in origin.lines] == [
        ("message", "a.jsonl", 7), ("message", "a.jsonl", 8), ("response", "a.jsonl", 9), ("reaction", "b.jsonl", 4),
    ]  # fmt: skip
    assert ("curation.samples", "d", "train") in [(use.table, use.unit, use.how) for use in origin.uses]


def test_a_judged_pair_leads_to_its_lines(settings: Settings, lake: Lake) -> None:
    judged = {
        "annotator_id": "ann", "mode": "static", "source": "vendor", "winner": "a", "response_a": "x",
        "response_b": "y", "context": {"messages": [{"role": "user", "content": "hello"}]},
    }  # fmt: skip
    zone = Path(lake.landing_of("landing/preferences")) / f"received_ds={DAY}"
    zone.mkdir(parents=True)
    given = "pair of anna@example.com"
    lines = [json.dumps(judged | {"pair_id": name}) for name in ("p1", given, "p2", given)]
    (zone / "judged.jsonl").write_text("\n".join(["not json", *lines]) + "\n")
    pair = id_of("pair", given, user_key(settings))
    put(lake, "annotation.preferences", [{"pair_id": pair, "winner": "a", "mode": "static", "split": "train",
                                          "response_a": "x", "response_b": "y", "ds": DAY}])  # fmt: skip
    for name in (pair, given):
        assert origin_of(settings, name).lines == tuple(
            LandedLine("judgement", "landing/preferences", f"received_ds={DAY}/judged.jsonl", number, DAY)
            for number in (3, 5)
        )


def test_what_nobody_knows_is_told_with_what_is_near(settings: Settings, lake: Lake) -> None:
    with pytest.raises(
        TurnUnknown, match=r"no model, table, turn or judged pair.*Did you mean curation\.samples"
    ):
        origin_of(settings, "curation.smaples")
