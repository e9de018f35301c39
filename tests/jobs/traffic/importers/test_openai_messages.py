"""OpenAI-style messages become events; what has no text is skipped and counted."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from jobs.traffic.importers import FORMATS, ImportOptions, import_chats, import_logs
from jobs.traffic.importers.chat import NotAChat
from jobs.traffic.importers.openai_messages import chat_of

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


def test_a_conversation_by_hand() -> None:
    chat = chat_of(LINE, "a.jsonl", 1)
    assert [(m.role, m.text) for m in chat.messages] == [("user", "look"), ("character", "Arr")]
    assert chat.skipped == {"part_not_text": 1, "no_text": 1, "tool": 1}
    assert (chat.user_id, chat.model, chat.language, chat.dataset) == ("ann", "m-2", "es", "shop")
    assert chat.persona is not None
    assert (chat.persona.name, chat.persona.instructions) == (None, "You are a pirate.")
    assert chat_of({**LINE, "id": "x2"}, "a.jsonl", 2).persona == chat.persona


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": None}, "missing_field:messages"),
        ({"messages": [{"role": "system", "content": "only"}]}, "no_messages"),
        ({"messages": ["hi"]}, "wrong_type:message"),
        ({"messages": [{"role": "user", "content": 5}]}, "wrong_type:content"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown_role"),
        ({"user": 5}, "wrong_type:user"),
        ({"metadata": []}, None),
        ({"metadata": [1]}, "wrong_type:metadata"),
        ({"created_at": "soon"}, "bad_timestamp:created_at"),
    ],
)
def test_what_is_no_conversation_has_a_reason(change: dict[str, Any], reason: str | None) -> None:
    if reason is None:
        assert chat_of({**LINE, **change}, "a.jsonl", 1)
        return
    with pytest.raises(NotAChat) as refused:
        chat_of({**LINE, **change}, "a.jsonl", 1)
    assert str(refused.value) == reason


def test_real_message_times_keep_their_gaps_and_are_not_called_invented(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "q", "timestamp": 1_700_000_000},
        {"role": "assistant", "content": "a", "timestamp": 1_700_000_090.5},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    options = ImportOptions(date(2026, 3, 1), 2)
    report = import_chats(tmp_path / "a.jsonl", tmp_path / "out", options, "openai", FORMATS["openai"])
    assert report.synthetic == {"user": 1, "model": 1}
    (path,) = (tmp_path / "out").rglob("*.gz")
    said, answered = (json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines())
    assert "is_synthetic_time" not in said["payload"]
    assert said["payload"]["time_shift_seconds"] > 0
    assert (said["event_ts"], answered["event_ts"]) == (
        "2026-03-01T22:13:20+00:00",
        "2026-03-01T22:14:50.500000+00:00",
    )
    assert answered["payload"]["is_synthetic_model"]
    assert answered["model_version"] == "unknown"


def test_the_command_line_gets_its_books(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(LINE) + "\n{\n")
    report = import_logs(settings, str(tmp_path / "out"), tmp_path / "a.jsonl", "openai", date(2026, 3, 1), 1)
    counts = report.counts()
    assert counts["lines"] == counts["conversations"] + counts["rejected: malformed_json"] == 2
    assert counts["messages skipped: tool"] == 1
    assert (report.first_day, report.last_day) == (date(2026, 3, 1), date(2026, 3, 1))
