"""OpenAI-style messages become events: each part is judged by its kind, and what was not served is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from jobs.traffic.importers import ImportOptions, import_logs
from jobs.traffic.importers.chat import Chat, NotAChat, Source
from jobs.traffic.importers.openai_messages import chats_of
from tests.jobs.traffic.importers.conftest import START, Imports

LINE: dict[str, Any] = {
    "id": "x1", "user": "ann", "model": "m-2", "metadata": {"locale": "es", "dataset": "shop"},
    "messages": [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "Arr"},
    ],
}  # fmt: skip
ASKED = {"role": "user", "content": "Name a star."}


def read(line: dict[str, Any]) -> tuple[Chat, dict[str, int]]:
    """The conversation of a line, and what of it was left out."""
    source = Source("logs/a.jsonl", 1)
    (chat,) = chats_of(line, source)
    return chat, dict(source.skipped)


def texts(chat: Chat) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in chat.messages]


def test_a_conversation_by_hand() -> None:
    chat, skipped = read(LINE)
    assert texts(chat) == [("user", "look"), ("character", "Arr")]
    assert skipped == {"part_not_text": 1, "no_text": 1, "tool": 1}
    assert (chat.user_id, chat.model, chat.language, chat.dataset) == ("ann", "m-2", "es", "shop")
    assert chat.persona is not None
    assert (chat.persona.name, chat.persona.instructions) == (None, "You are a pirate.")
    assert read({**LINE, "id": "x2"})[0].persona == chat.persona


SERVED = "Vega."
PARTS: list[tuple[dict[str, Any], str | None, dict[str, int]]] = [
    ({"content": SERVED}, SERVED, {}),
    ({"content": ""}, None, {"no_text": 1}),
    ({"content": " \n "}, None, {"no_text": 1}),
    ({"content": []}, None, {"no_text": 1}),
    ({"content": None, "tool_calls": [{"id": "1"}]}, None, {"tool_call": 1}),
    ({"content": "", "function_call": {"name": "f"}}, None, {"tool_call": 1}),
    ({"tool_calls": [{"id": "1"}]}, None, {"tool_call": 1}),
    ({"content": SERVED, "tool_calls": [{"id": "1"}]}, SERVED, {}),
    ({"content": None, "refusal": SERVED}, SERVED, {}),
    ({"content": "", "refusal": SERVED}, SERVED, {}),
    ({"content": [], "refusal": SERVED}, SERVED, {}),
    ({"content": SERVED, "refusal": None}, SERVED, {}),
    ({"content": [{"type": "refusal", "refusal": SERVED}]}, SERVED, {}),
    ({"content": [{"type": "output_text", "text": SERVED}]}, SERVED, {}),
    ({"content": [{"type": "text", "text": {"value": SERVED, "annotations": []}}]}, SERVED, {}),
    (
        {"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": SERVED}]},
        SERVED,
        {"reasoning": 1},
    ),
    (
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": SERVED}]},
        SERVED,
        {"reasoning": 1},
    ),
    ({"content": [{"type": "thinking", "text": "hm"}]}, None, {"reasoning": 1, "no_text": 1}),
    ({"content": [{"type": "audio_note", "text": "hm"}, {"text": SERVED}]}, SERVED, {"part_not_text": 1}),
    ({"content": [{"type": "tool_use", "name": "f"}, SERVED]}, SERVED, {"tool_call": 1}),
    ({"content": SERVED, "reasoning_content": "hm"}, SERVED, {"reasoning": 1}),
    ({"content": None, "reasoning": "hm"}, None, {"reasoning": 1, "no_text": 1}),
    ({"content": f"<think>hm\nhm</think>\n\n{SERVED}"}, SERVED, {"reasoning": 1}),
    ({"content": "<think>cut off"}, None, {"reasoning": 1, "no_text": 1}),
    ({"content": None, "audio": {"id": "a", "transcript": SERVED}}, SERVED, {}),
]


@pytest.mark.parametrize(("answer", "served", "skipped"), PARTS)
def test_a_message_is_what_was_served_of_it(
    answer: dict[str, Any], served: str | None, skipped: dict[str, int]
) -> None:
    chat, left_out = read({"messages": [ASKED, {"role": "assistant", **answer}]})
    assert texts(chat)[1:] == ([("character", served)] if served else [])
    assert left_out == skipped
    is_refusal = "refusal" in str(answer) and answer.get("content") != SERVED
    assert bool(chat.messages[-1].fields.get("is_refusal")) == is_refusal


def test_a_refusal_in_the_middle_keeps_question_and_answer_together() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "No."}
    again = [{"role": "user", "content": "And a moon?"}, {"role": "assistant", "content": "Io."}]
    chat, _ = read({"messages": [ASKED, refused, *again]})
    assert [text for _, text in texts(chat)] == ["Name a star.", "No.", "And a moon?", "Io."]


@pytest.mark.parametrize("role", ["tool", "function", "Tool"])
def test_results_of_tools_are_counted_by_their_role(role: str) -> None:
    chat, skipped = read(
        {"messages": [ASKED, {"role": role, "content": "42"}, {"role": "assistant", "content": "x"}]}
    )
    assert len(chat.messages) == 2
    assert skipped == {role.lower(): 1}


REQUEST = {"model": "m", "user": "u", "messages": [ASKED]}
ANSWER = {"index": 0, "message": {"role": "assistant", "content": SERVED}}
LOGGED: list[dict[str, Any]] = [
    {**REQUEST, "choices": [ANSWER]},
    {"request": REQUEST, "response": {"id": "chatcmpl-1", "choices": [ANSWER]}},
    {"request": {"body": REQUEST}, "response": {"status_code": 200, "body": {"choices": [ANSWER]}}},
    {"request_body": '{"messages": [{"role": "user", "content": "Name a star."}], "user": "u", "model": "m"}',
     "response_body": '{"choices": [{"message": {"role": "assistant", "content": "Vega."}}]}'},
    {**REQUEST, "response": {"choices": [ANSWER]}, "call_type": "acompletion"},
    {"object": "response", "model": "m", "user": "u", "input": "Name a star.",
     "output": [{"type": "reasoning", "summary": []}, {"type": "function_call", "name": "f"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SERVED}]}]},
    {"prompt": "Name a star.", "completion": SERVED, "user": "u", "model": "m"},
]  # fmt: skip


@pytest.mark.parametrize("line", LOGGED)
def test_requests_and_responses_are_one_conversation(line: dict[str, Any], imports: Imports) -> None:
    found = imports({"a.jsonl": [line]})
    assert found.said == [("message", "Name a star."), ("response", SERVED)]
    assert found.of("user_id") == {"u"}
    assert list(found.report.formats) == ["openai"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": None}, "missing_field:messages"),
        ({"messages": [{"role": "system", "content": "only"}]}, "no_messages"),
        ({"messages": ["hi"]}, "wrong_type:message"),
        ({"messages": [{"role": "user", "content": 5}]}, "wrong_type:content"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown_role"),
        ({"user": ["x"]}, "wrong_type:user"),
        ({"user": True}, "wrong_type:user"),
        ({"metadata": []}, None),
        ({"metadata": [1]}, "wrong_type:metadata"),
        ({"created_at": "soon"}, "bad_timestamp:created_at"),
    ],
)
def test_what_is_no_conversation_has_a_reason(change: dict[str, Any], reason: str | None) -> None:
    if reason is None:
        assert read({**LINE, **change})
        return
    with pytest.raises(NotAChat) as refused:
        read({**LINE, **change})
    assert str(refused.value) == reason


def test_real_message_times_keep_their_gaps_and_are_not_called_invented(imports: Imports) -> None:
    messages = [
        {"role": "user", "content": "q", "timestamp": 1_700_000_000},
        {"role": "assistant", "content": "a", "timestamp": 1_700_000_090.5},
    ]
    found = imports({"a.jsonl": [{"messages": messages}]})
    assert found.report.synthetic == {"user": 1, "model": 1}
    said, answered = found.events
    assert "is_synthetic_time" not in said["payload"]
    assert said["payload"]["time_shift_seconds"] > 0
    assert (said["event_ts"], answered["event_ts"]) == (
        "2026-03-01T22:13:20+00:00",
        "2026-03-01T22:14:50.500000+00:00",
    )
    assert answered["payload"]["is_synthetic_model"]
    assert answered["model_version"] == "unknown"


def test_a_time_that_one_message_lacks_is_invented_between_its_neighbours(imports: Imports) -> None:
    times = [1_700_000_000, None, 1_700_000_020, None]
    messages = [
        {"role": "user" if n % 2 == 0 else "assistant", "content": str(n), "created_at": time}
        for n, time in enumerate(times)
    ]
    found = imports({"a.jsonl": [{"messages": messages}]}, real_times="keep")
    assert [event["event_ts"][11:19] for event in found.events[:3]] == ["22:13:20", "22:13:30", "22:13:40"]
    assert [event["payload"].get("is_synthetic_time", False) for event in found.events] == [
        False,
        True,
        False,
        True,
    ]


def test_the_command_line_gets_its_books(tmp_path: Path, settings: Settings) -> None:
    import json

    (tmp_path / "a.jsonl").write_text(json.dumps(LINE) + "\n{\n")
    report = import_logs(
        settings, str(tmp_path / "out"), tmp_path / "a.jsonl", "openai", ImportOptions(START, 1)
    )
    counts = report.counts()
    assert counts["lines"] == counts["conversations"] + counts["rejected: malformed_json"] == 2
    assert counts["messages skipped: tool"] == 1
    assert "messages skipped: 1 no_text, 1 part_not_text, 1 tool" in str(report)
    assert (report.first_day, report.last_day) == (START, START)
