"""One landed line is a judgement or has a reason; a reason never holds what the line says."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ids import pseudonym
from infra.records import RawRow
from jobs.annotation.parse import JudgementRules, LandedJudgement, parse_row
from jobs.landing.zone import LandingFile

FILE = LandingFile("/l", "received_ds=2024-09-23/a.jsonl", date(2024, 9, 23), 1, 0)
RULES = JudgementRules(1_000_000, b"key")
GOOD: dict[str, Any] = {
    "pair_id": "p1", "annotator_id": "ann@example.com", "mode": "static", "source": "s", "winner": "a",
    "context": {"messages": [{"role": "user", "content": "hello there"}]}, "response_a": "x", "response_b": "y",
    "user_id": "raw-user", "guideline_version": "g2",
}  # fmt: skip


def parsed(**changed: Any) -> LandedJudgement:
    return parse_row(RawRow(3, json.dumps({**GOOD, **changed}).encode(), True), FILE, RULES)


def reason(**changed: Any) -> str | None:
    return parsed(**changed).reason


def test_ids_of_people_leave_as_keyed_hashes() -> None:
    one = parsed().judgement
    assert one is not None
    assert one.user_id != "raw-user"
    assert "example" not in one.annotator_id
    assert one == parsed(unknown="kept out").judgement
    assert (one.pair_id, one.winner, one.guideline_version) == ("p1", "a", "g2")


def test_nothing_of_an_erased_user_is_landed_again() -> None:
    gone = JudgementRules(1_000_000, b"key", frozenset({pseudonym("raw-user", b"key")}))

    def fate(**fields: Any) -> str | None:
        return parse_row(RawRow(3, json.dumps(GOOD | fields).encode(), True), FILE, gone).reason

    assert fate() == "erased_user"
    assert fate(user_id="other") is None
    assert fate(user_id=None) is None
    assert reason(event_type="erased") == "erased_user"


def test_contexts_have_one_spelling_of_known_parts() -> None:
    split = [{"role": "user", "content": "hello"}, {"role": "user", "content": "there", "secret": "s"}]
    one = parsed(context={"messages": split, "character": {"traits": ["kind", "dry"], "age": 3}, "note": "n"})
    assert one.judgement is not None
    assert json.loads(one.judgement.context) == {
        "character": {"traits": "kind, dry"}, "messages": [{"role": "user", "content": "hello\nthere"}],
    }  # fmt: skip


def test_the_opening_is_what_the_user_said_first_however_it_is_spelt() -> None:
    said = [{"role": "assistant", "content": "Welcome"}, {"role": "user", "content": " Hello   THERE "}]
    one, other = parsed().judgement, parsed(context={"messages": said, "system": "be kind"}).judgement
    assert one is not None
    assert other is not None
    assert one.opening == other.opening
    assert one.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"winner": "chosen"}, "unknown_winner"),
        ({"mode": "live"}, "unknown_mode"),
        ({"response_a": " \n"}, "empty_response"),
        ({"response_b": "x"}, "identical_responses"),
        ({"response_b": 3}, "wrong_type:response_b"),
        ({"pair_id": ""}, "missing_field:pair_id"),
        ({"pair_id": "x" * 600}, "too_long:pair_id"),
        ({"annotator_id": None}, "missing_field:annotator_id"),
        ({"context": None}, "missing_field:context"),
        ({"context": "text"}, "wrong_type:context"),
        ({"context": {}}, "missing_field:context.messages"),
        ({"context": {"messages": []}}, "no_context"),
        ({"context": {"messages": [{"role": "tool", "content": "x"}]}}, "unknown_role"),
        ({"context": {"messages": [{"role": "user", "content": " "}]}}, "empty_message"),
        ({"context": {"messages": ["x"]}}, "wrong_type:context.messages"),
        ({"context": {"messages": [], "character": ["x"]}}, "wrong_type:context.character"),
        ({"context": {"messages": [], "system": 3}}, "wrong_type:context.system"),
    ],
)
def test_reasons(changed: dict[str, Any], why: str) -> None:
    assert reason(**changed) == why


def test_a_greeting_needs_a_character() -> None:
    assert reason(context={"messages": [], "character": {"name": "Mira"}}) is None


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_line_ends_the_run(content: bytes) -> None:
    assert parse_row(RawRow(1, content, True), FILE, RULES).judgement is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([name for name in GOOD if name != "guideline_version"]), json_values)
def test_no_field_ends_the_run_or_is_quoted(name: str, value: Any) -> None:
    landed = parsed(**{name: value})
    assert (landed.judgement is None) != (landed.reason is None)
    if isinstance(value, str) and len(value) > 3:
        assert value not in (landed.reason or "")
