"""The context of a sampled turn (Spark) and of a signal model's row (DuckDB) are one rule, said in two languages."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa

from jobs.curation.sampling.conversation_context import contexts, unsafe_contexts
from models.signals.rows import _COLUMNS, USED, _load, assemble
from tests.jobs.curation.conftest import Bench

_TURNS = 2


def conversations(bench: Bench, draw: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Turns of sixty conversations, some superseded, failing, wordless or greetings; versions of six characters."""
    turns = []
    for talk in range(60):
        who = f"k{talk % 7}"  # k6 is not known
        for place in range(draw.randint(1, 7)):
            for attempt in range(draw.choice((1, 1, 2))):
                turn = bench.turn(
                    f"t{talk:02d}-{place}-{attempt}", f"asked {talk} {place}", day=draw.choice((0, 0, 1)),
                    conversation_id=f"v{talk:02d}", turn_index=place + 1, character_id=who,
                    redacted_response=f"said {talk} {place} {attempt}",
                    verdict=draw.choice(("pass", "pass", "pass", "review", "reject")),
                )  # fmt: skip
                if place == 0 and draw.random() < 0.3:
                    turn["redacted_user_message"] = None
                minute = timedelta(minutes=3 * place + attempt)
                turns.append(turn | {"response_ts": turn["response_ts"] + minute})
            for earlier in turns[-2:-1]:
                if earlier["turn_id"].startswith(f"t{talk:02d}-{place}-"):
                    earlier["is_final"] = False
    noon = bench.turn("x", "x")["response_ts"]
    characters = [
        {
            "character_id": f"k{number}", "valid_from": start, "valid_to": end, "redacted_name": f"Name {number}",
            "redacted_traits": ["kind"] if number % 2 else None, "redacted_instructions": None,
            "verdict": draw.choice(("pass", "pass", "review")), "ds": turns[0]["ds"],
        }
        for number in range(6)
        for start, end in (
            (noon - timedelta(days=2), noon + timedelta(minutes=5)), (noon + timedelta(minutes=5), None),
        )
    ]  # fmt: skip
    return turns, characters


def plain(context: str) -> dict[str, Any]:
    """JSON without what is NULL: one engine leaves it out."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if v is not None}
        return [kept(one) for one in value] if isinstance(value, list) else value

    found: dict[str, Any] = kept(json.loads(context))
    return found


def test_both_engines_show_the_same_words_and_refuse_the_same_turns(bench: Bench) -> None:
    turns, characters = conversations(bench, random.Random(5))
    bench.put("curation.screened", turns)
    bench.put("curation.screened_characters", characters)
    screened, known = bench.read("curation.screened", None), bench.read("curation.screened_characters", None)
    spark = {row["turn_id"]: row["context"] for row in contexts(screened, screened, known, _TURNS).collect()}
    unsafe = {row["turn_id"] for row in unsafe_contexts(screened, screened, known).collect()}

    rows = {
        "curation.screened": turns, "curation.screened_characters": characters, "signals.features": [],
        "signals.labels": [turn | {"source": "user", "session_id": "s", "user_id": "u"} for turn in turns],
    }  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, name in zip(_COLUMNS, ("labels", "screened", "characters", "features"), strict=True):
            made = pa.Table.from_pylist([{c: row.get(c) for c in _COLUMNS[table]} for row in rows[table]])
            _load(connection, name, table, iter(made.to_batches()))
        assemble(connection, _TURNS)
        judged = connection.execute("SELECT turn_id, outcome, context FROM judged").fetchall()
    outcomes = {turn_id: outcome for turn_id, outcome, _ in judged}
    assert {one for one, outcome in outcomes.items() if outcome == "context_unsafe"} == {
        one for one in unsafe if outcomes[one] in ("context_unsafe", USED, "context_later")
    }
    used = {turn_id: plain(context) for turn_id, outcome, context in judged if outcome == USED}
    assert len(used) > 40
    assert {turn_id: plain(spark[turn_id]) for turn_id in used} == used
    assert max(len(one["messages"]) for one in used.values()) == 2 * _TURNS + 1
