"""What stands on both sides of the split is found, counted and refused, and never quoted."""

from __future__ import annotations

import pyarrow as pa
import pytest

from infra.errors import TrainingRefused
from infra.settings import Settings
from models.chat.conversation import context_of
from models.tables.opened import open_snapshot
from models.training.leakage import LeakageReport, Text, check_leakage, measure_leakage
from tests.models.tables.lakes import SAMPLES, write

LONG = "my grandmother's recipe for plum cake needs eleven plums and an oven that is not too hot"


def context(*said: str, character: dict[str, str] | None = None) -> str:
    roles = ("user", "assistant")
    return context_of(
        [{"role": roles[n % 2], "content": one} for n, one in enumerate(said)], character=character
    )


def side(
    *contexts: str,
    users: list[str | None] | None = None,
    responses: list[str] | None = None,
    prefix: str = "u",
) -> pa.Table:
    count = len(contexts)
    return pa.table(
        {
            "user_id": users or [f"{prefix}{n}" for n in range(count)],
            "conversation_id": [f"{prefix}-c{n}" for n in range(count)],
            "context": list(contexts),
            "response": responses or [f"{prefix} answers {n} in words of its own" for n in range(count)],
        }
    )


def measured(train: pa.Table, evaluation: pa.Table, text: Text = "prompt") -> LeakageReport:
    return measure_leakage(train, evaluation, text=text)


def test_sides_that_share_nothing_pass() -> None:
    report = check_leakage(side(context("tell me about owls at night")), side(context(LONG), prefix="e"))
    assert (report.users, report.conversations, report.exact, report.near, report.leaking) == (0, 0, 0, 0, ())


def test_a_user_on_both_sides_is_refused_and_not_named() -> None:
    train = side(context("a b c"), context("tell me about owls"), users=["secret-user", None])
    evaluation = side(context(LONG), users=["secret-user"], prefix="e")
    with pytest.raises(TrainingRefused, match="1 users and 0 conversations") as refused:
        check_leakage(train, evaluation, allowed=1.0)  # no share of texts that is allowed makes up for it
    assert "secret" not in str(refused.value)
    assert measured(train, evaluation).rows_without_user == 1


def test_texts_that_are_met_again_are_counted_once_each_and_numbered() -> None:
    typed = LONG.replace("plum cake", "plumcake").replace("eleven", "elven")
    train = side(
        context("tell me about owls at night"), context(LONG.upper() + "!!"), context(typed), context(typed),
        context("and what did the fox say to the hen then"),
    )  # fmt: skip
    evaluation = side(context(LONG), context(LONG), context("why is the sea salty?"), prefix="e")
    report = measured(train, evaluation)
    assert (report.exact, report.near, report.evaluation_hit, report.leaking) == (1, 2, 2, (1, 2, 3))
    with pytest.raises(TrainingRefused, match="2 of 3 evaluation texts are in training too") as refused:
        report.refuse()
    assert "plum" not in str(refused.value)
    report.refuse(allowed=0.7)
    assert report.figures()["near"] == 2.0
    left = train.filter(pa.array([n not in report.leaking for n in range(len(train))]))
    assert check_leakage(left, evaluation).train_rows == 2


def test_a_short_message_in_another_conversation_is_another_prompt() -> None:
    train = side(context("hi", f"hello! {LONG}", "yes please"))
    evaluation = side(
        context("hi", "good evening, shall I tell you about the sea and its salt?", "yes please"), prefix="e"
    )
    assert measured(train, evaluation).leaking == ()
    same = side(context("hi", f"hello! {LONG}", "Yes, please!"), prefix="e")
    assert measured(train, same).exact == 1


def test_the_whole_compares_responses_too() -> None:
    greeting = context("hi")
    train = side(greeting, greeting, responses=["good day to you, traveller", LONG])
    evaluation = side(greeting, responses=[LONG], prefix="e")
    assert measured(train, evaluation).leaking == (0, 1)
    assert measured(train, evaluation, "whole").leaking == (1,)


def test_a_character_that_many_talk_to_makes_no_two_prompts_alike() -> None:
    character = {"name": "Nora", "instructions": f"{LONG}. " * 20}
    train = side(context("tell me about owls at night", character=character))
    evaluation = side(context("why is the sea salty?", character=character), prefix="e")
    assert measured(train, evaluation).leaking == ()


def test_pairs_without_ids_are_compared_by_text_alone() -> None:
    pairs = pa.table({"context": [context(LONG)], "response_a": ["one"], "response_b": ["two"]})
    report = measured(pairs, pairs)
    assert (report.users, report.conversations, report.rows_without_user, report.exact) == (None, None, 2, 1)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(TrainingRefused, match="without a column context"):
        measured(pa.table({"text": ["x"]}), side(context(LONG)))
    with pytest.raises(TrainingRefused, match="a context is not JSON") as refused:
        measured(side("{broken secret"), side(context(LONG)))
    assert "secret" not in str(refused.value)
    empty = side(context(LONG)).slice(0, 0)
    assert measured(side(context(LONG)), empty).leaking == measured(empty, side(context(LONG))).leaking == ()


def test_a_snapshot_is_read_as_its_table_is(settings: Settings) -> None:
    rows = side(context(LONG), context(LONG), context("tell me about owls at night"))
    write(settings, rows.append_column("split", pa.array(["train", "evaluation", "train"])), group=2)
    train, evaluation = (open_snapshot(settings, SAMPLES, split=name) for name in ("train", "evaluation"))
    assert measure_leakage(train, evaluation).leaking == (0,)
