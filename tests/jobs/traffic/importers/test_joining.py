"""Records that continue a conversation become one conversation, each turn once; strangers are never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.traffic.importers import ImportOptions, import_chats
from jobs.traffic.importers.chat import Chat, Message
from jobs.traffic.importers.joining import Pieces, Place, merged
from tests.jobs.traffic.importers.conftest import START, Imports


def said(*texts: str) -> list[dict[str, str]]:
    """Messages of user and assistant in turn."""
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


def line(*texts: str, **fields: Any) -> dict[str, Any]:
    return {**fields, "messages": said(*texts)}


FIRST = ("a river?", "The Po.")
SECOND = (*FIRST, "a town on it?", "Turin.")
THIRD = (*SECOND, "is it old?", "Very.")


def told(found: Any) -> list[str]:
    """All texts, in order."""
    return [text for _, text in found.said]


@pytest.mark.parametrize(
    "fields",
    [
        [{}] * 3,
        [{"user": "u"}] * 3,
        [{"id": "c"}] * 3,
        [{"id": "r1"}, {"id": "r2"}, {"id": "r3"}],
        [{"id": "r1", "user": "u"}, {"id": "r2", "user": "u"}, {"id": "r3", "user": "u"}],
        [{"conversation_id": "c"}] * 3,
        [{"created_at": 1_750_000_000 + 60 * n} for n in range(3)],
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_history_that_each_request_repeats_is_one_conversation(
    fields: list[dict[str, Any]], order: tuple[int, ...], imports: Imports
) -> None:
    lines = [line(*texts, **own) for texts, own in zip((FIRST, SECOND, THIRD), fields, strict=True)]
    found = imports({"a.jsonl": [lines[n] for n in order]})
    assert told(found) == list(THIRD)
    assert (found.report.conversations, found.report.continued) == (1, 2)
    assert "3 lines of 1 file(s) as openai = 1 conversations + 2 that continue one" in str(found.report)


def test_each_message_has_the_time_of_the_request_that_brought_it(imports: Imports) -> None:
    lines = [
        line(*texts, created_at=1_750_000_000 + 60 * n) for n, texts in enumerate((FIRST, SECOND, THIRD))
    ]
    found = imports({"a.jsonl": lines}, real_times="keep")
    asked = [event["event_ts"][14:19] for event in found.events if event["event_type"] == "message"]
    assert asked == ["06:40", "07:40", "08:40"]
    assert [event["payload"].get("is_synthetic_time", False) for event in found.events] == [False, True] * 3


def test_a_history_may_begin_in_another_file_and_in_requests_without_answers(imports: Imports) -> None:
    files = {
        "1.jsonl": [line("a river?")],
        "2.jsonl": [line(*FIRST, "a town on it?")],
        "3.jsonl": [line(*THIRD)],
    }
    assert told(imports(files)) == list(THIRD)


def test_a_window_on_the_history_is_put_behind_what_it_repeats(imports: Imports) -> None:
    found = imports({"a.jsonl": [line(*SECOND, id="c"), line(*THIRD[2:], id="c")]})
    assert told(found) == list(THIRD)


def test_an_answer_given_again_is_a_regeneration(imports: Imports) -> None:
    again = (*FIRST[:1], "The Rhine.")
    found = imports({"a.jsonl": [line(*FIRST, id="c", user="u"), line(*again, id="c", user="u")]})
    assert [kind for kind, _ in found.said] == ["message", "response", "regenerate", "response"]
    assert found.said[-1] == ("response", "The Rhine.")
    replaced, asked, _ = found.events[1:]
    assert replaced["turn_id"] == asked["turn_id"]
    assert replaced["payload"]["logged_signals"] == ["regenerated"]


def test_the_same_line_twice_is_one_conversation(imports: Imports) -> None:
    found = imports({"a.jsonl": [line(*SECOND, id="c")] * 2})
    assert told(found) == list(SECOND)


def test_strangers_who_begin_alike_stay_apart(imports: Imports) -> None:
    lines = [
        line(*FIRST, user="ann"),
        line(*SECOND, user="ben"),
        line(*FIRST, "and a lake?", "Como.", user="ann"),
    ]
    found = imports({"a.jsonl": lines})
    by_user = {
        user: [e["payload"]["text"] for e in found.events if e["user_id"] == user] for user in ("ann", "ben")
    }
    assert by_user == {"ann": [*FIRST, "and a lake?", "Como."], "ben": list(SECOND)}
    # Without users: one line continues another once, the next one that begins alike is somebody else's.
    lines = [line(*FIRST), line(*SECOND), line(*FIRST, "and a lake?", "Como.")]
    assert imports({"b.jsonl": lines}).report.conversations == 2


@pytest.mark.parametrize("has_ids", [True, False])
def test_a_common_greeting_joins_no_strangers(has_ids: bool, imports: Imports) -> None:
    greeting = ("hi", "Hello! How can I help?")
    chats = [greeting, greeting, *((*greeting, f"question {n}", "answer") for n in range(6))]
    lines = [line(*texts, **({"id": f"c{n}"} if has_ids else {})) for n, texts in enumerate(chats)]
    assert imports({"a.jsonl": lines}).report.conversations == len(chats)


def test_ids_of_conversations_are_taken_at_their_word(imports: Imports) -> None:
    lines = [line(*FIRST, conversation_id="1", user="u"), line(*SECOND, conversation_id="2", user="u")]
    assert imports({"a.jsonl": lines}).report.conversations == 2


def test_the_same_id_in_two_files_is_one_conversation_unless_told_otherwise(imports: Imports) -> None:
    files = {"jan.jsonl": [line(*FIRST, id=1)], "feb.jsonl": [line("a hill?", "Etna.", id=1)]}
    found = imports(files)
    assert sorted(told(found)) == sorted([*FIRST, "a hill?", "Etna."])
    assert found.of("conversation_id") == {"1"}
    assert len({event["event_id"] for event in found.events}) == 4
    assert "1 conversation id(s) stand in several files" in str(found.report)
    apart = imports(files, separate_files=True)
    assert apart.of("conversation_id") == {"jan.jsonl/1", "feb.jsonl/1"}
    assert sorted(told(apart)) == sorted(told(found))


def test_two_users_with_one_conversation_id_have_two_conversations(imports: Imports) -> None:
    found = imports({"a.jsonl": [line(*FIRST, id=1, user="ann"), line("a hill?", "Etna.", id=1, user="ben")]})
    assert found.report.conversations == 2
    assert len(found.of("conversation_id")) == 2
    assert len({event["event_id"] for event in found.events}) == 4


def test_ids_are_those_of_the_log_until_an_origin_is_given(imports: Imports) -> None:
    log = {"a.jsonl": [line(*FIRST, id=34, user=90210, metadata={"character_id": 7})]}
    ids = ("user_id", "conversation_id", "character_id")
    assert [imports(log).of(name) for name in ids] == [{"90210"}, {"34"}, {"7"}]
    found = imports(log, origin="shop")
    assert [found.of(name) for name in ids] == [{"shop/90210"}, {"shop/34"}, {"shop/7"}]


texts_of_chats = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=1, max_size=8)


@given(texts_of_chats, st.sampled_from([None, "u"]))
def test_no_text_is_lost_or_made_up(chats: list[list[str]], user: str | None) -> None:
    pieces = [
        Chat(None, "d", None, None, user, None, None, None,
             tuple(Message("user" if n % 2 == 0 else "character", text) for n, text in enumerate(texts)))
        for texts in chats
    ]  # fmt: skip
    met = Pieces()
    for piece in pieces:
        met.meet(piece, 0)
    whole = list(met.joined().whole((piece, Place("f", n)) for n, piece in enumerate(pieces)))
    assert sum(count for _, _, count in whole) == len(pieces)
    kept = [tuple(message.text for message in chat.messages) for chat, _, _ in whole]
    for texts in chats:  # the last answer of a piece may have been replaced, so it may be followed by another
        assert any(_in_order(texts, conversation) for conversation in kept)
    assert len({chat.conversation_id for chat, _, _ in whole}) == len(whole)


def _in_order(texts: list[str], conversation: tuple[str, ...]) -> bool:
    left = iter(conversation)
    return all(text in left for text in texts)


def test_merging_one_piece_changes_no_message() -> None:
    chat = Chat(
        "c", "d", None, None, None, "m", None, None, (Message("user", "x"), Message("character", "y"))
    )
    assert [message.text for message in merged([chat]).messages] == ["x", "y"]


def test_ids_that_are_made_up_depend_on_what_was_said_first(imports: Imports) -> None:
    short = [line(*FIRST, user="u"), line("a hill?", "Etna."), line("a hill?", "Etna.")]
    first = imports({"a.jsonl": short}).of("conversation_id")
    assert len(first) == 3
    # Moved and grown: the same conversations have the same ids.
    moved = imports({"deep/a.jsonl": [line(*SECOND, user="u"), *short, line("a sea?", "Azov.")]})
    assert first < moved.of("conversation_id")
    assert moved.report.conversations == 4
    # Of another file, or of another time: other conversations that begin alike.
    later = [{**one, "created_at": 1_750_000_000} for one in short]
    for other in ({"b.jsonl": short}, {"a.jsonl": later}):
        assert not first & imports(other).of("conversation_id")


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for name, texts in (("a", FIRST), ("b", ("a hill?", "Etna."))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text(json.dumps(line(*texts)) + "\n")
        for _ in range(2):  # and a second import of the same file adds nothing
            import_chats(tmp_path / name / "log.jsonl", tmp_path / "landing", ImportOptions(START, 1))
    assert len(list((tmp_path / "landing").rglob("*.gz"))) == 2
