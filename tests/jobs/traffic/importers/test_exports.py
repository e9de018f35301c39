"""A small export of each format, told by its first records, and what of it is kept."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import InputDamaged, SettingsError
from jobs.traffic.importers import FORMATS, ImportOptions, import_chats
from tests.jobs.traffic.importers.conftest import START, Imports

EXPORTS = Path(__file__).parent / "exports"
M, R, G, T = "message", "response", "regenerate", "reaction"
SAID: dict[str, list[tuple[str, Any]]] = {
    "chatlogs.jsonl": [(M, "Do bees sleep?"), (R, "They do, at night."), (T, "thumb_up")],
    "openai.jsonl": [
        (M, "Can I plant tulips in May?"), (R, "Better in autumn."),
        (M, "Tell me how to poison a well."), (R, "I will not help with that."),
        (M, "How is a well dug?"), (R, "With patience, and a pump."),
    ],
    "sharegpt.jsonl": [(M, "Why is the sea salty?"), (R, "Rivers carry salt into it.")],
    "wildchat.jsonl": [(M, "Dime un río."), (R, "El Ebro.")],
    "lmsys.jsonl": [(M, "Name a gas."), (R, "Neon.")],
    "oasst.jsonl": [
        (M, "What is moss?"), (R, "A green thing."), (G, None), (R, "A small plant without roots."),
        (M, "Does it flower?"), (R, "No, it has spores."),
    ],
    "chatgpt.json": [
        (M, "How do I tie a bowline?"), (R, "With a rope."), (G, None), (R, "The rabbit comes out of the hole."),
        (M, "Like this?"), (R, "Yes, just so."),
    ],
    "claude.json": [
        (M, "Which tea is smoky?"), (R, "Green tea."), (G, None), (R, "Lapsang souchong."),
        (M, "Sum this file."), (R, "It is 3."),
    ],
    "langfuse.jsonl": [(M, "Name a moon."), (R, "Io."), (M, "Of which planet?"), (R, "Jupiter.")],
    "telegram.json": [(M, "Look at example.org!"), (R, "A fine page."), (T, "thumb_up")],
    "discord.json": [
        (M, "How deep do bulbs go?"), (M, "And seeds?"), (R, "Three times their height."), (T, "thumb_up"),
        (R, "Seeds: twice their width."),
    ],
    "whatsapp_ios.txt": [(M, "When do I prune?\nThe apple tree, I mean: the old one."), (R, "In late winter.")],
    "whatsapp_android.txt": [(M, "Is moss bad for the lawn?"), (R, "Not at all.")],
    "events.jsonl": [(M, "Is it open?"), (R, "Until six.")],
}  # fmt: skip
SKIPPED: dict[str, dict[str, int]] = {
    "openai.jsonl": {"tool_call": 1, "tool": 1, "reasoning": 1},
    "oasst.jsonl": {"deleted": 1},
    "chatgpt.json": {"reasoning": 1, "part_not_text": 1, "tool_call": 1, "other_branch": 1},
    "claude.json": {"reasoning": 1, "attachment": 1},
    "langfuse.jsonl": {"no_generation": 1},
    "telegram.json": {"system": 1, "attachment": 1},
    "discord.json": {"system": 1},
    "whatsapp_ios.txt": {"system": 1, "attachment": 1},
    "whatsapp_android.txt": {"system": 1, "attachment": 1},
}
ASSISTANTS = {"telegram.json": "Mira Bot", "discord.json": "quill", "whatsapp_ios.txt": "Garden line"}
ASSISTANTS["whatsapp_android.txt"] = ASSISTANTS["whatsapp_ios.txt"]
USERS = {
    "chatlogs.jsonl": {"u1"}, "wildchat.jsonl": {"22fd87"}, "oasst.jsonl": {"w1"}, "claude.json": {"acc-5"},
    "langfuse.jsonl": {"u-5"}, "telegram.json": {"user77"}, "discord.json": {"11", "12"},
    "whatsapp_ios.txt": {"Rosa Lind"}, "whatsapp_android.txt": {"Tom Ash"}, "events.jsonl": {"u9"},
}  # fmt: skip


def name_of(file: str) -> str:
    return file.partition(".")[0].partition("_")[0]


def test_there_is_an_export_of_each_format() -> None:
    assert {name_of(file.name) for file in EXPORTS.iterdir()} == set(FORMATS)
    assert {file.name for file in EXPORTS.iterdir()} == set(SAID)


@pytest.mark.parametrize("file", sorted(SAID))
def test_an_export_is_told_by_its_records_and_read(file: str, imports: Imports) -> None:
    found = imports(EXPORTS / file, assistant=ASSISTANTS.get(file), real_times="keep")
    assert list(found.report.formats) == [name_of(file)]
    assert sorted(map(str, found.said)) == sorted(map(str, SAID[file]))
    if file != "openai.jsonl":  # one of its two conversations has no time and stands on an invented day
        assert found.said == SAID[file]
    assert found.report.skipped_messages == SKIPPED.get(file, {})
    if file in USERS:
        assert found.of("user_id") == USERS[file]
    report = found.report
    begun = _lines_of_chats(file, report.conversations)
    others = report.continued + report.single_events + report.without_chat
    assert report.lines == begun + others + report.rejected.total()


def _lines_of_chats(file: str, conversations: int) -> int:
    """Records that begin a conversation: of a channel there is one record for two conversations."""
    return 1 if file == "discord.json" else conversations


@pytest.mark.parametrize("file", sorted(SAID))
def test_an_export_of_another_format_is_refused_by_name_and_writes_nothing(
    file: str, imports: Imports, tmp_path: Path
) -> None:
    given = "sharegpt" if name_of(file) != "sharegpt" else "claude"
    with pytest.raises(SettingsError, match="nothing was imported") as refused:
        imports(EXPORTS / file, given, assistant="x")
    assert FORMATS[name_of(file)].title in str(refused.value)
    assert f"--format {name_of(file)}" in str(refused.value)
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.parametrize("file", sorted(ASSISTANTS))
def test_who_is_the_assistant_among_people_must_be_said(file: str, imports: Imports) -> None:
    people = 3 if file == "discord.json" else 2
    with pytest.raises(SettingsError, match=f"of {people} people.*--assistant") as refused:
        imports(EXPORTS / file)
    for name in ("Mira", "Ole", "quill", "Rosa", "Tom"):
        assert name not in str(refused.value)
    nobody = imports(EXPORTS / file, assistant="Nobody")
    assert nobody.report.rejected == {"no_assistant": 1}
    assert not nobody.report.days
    assert not nobody.lines


def test_times_and_models_are_those_of_the_exports(imports: Imports) -> None:
    chatgpt = imports(EXPORTS / "chatgpt.json", real_times="keep").events
    models = [event["model_version"] for event in chatgpt if event["event_type"] == R]
    assert models == ["gpt-x-mini", "gpt-x", "gpt-x"]
    assert chatgpt[0]["event_ts"] == "2025-03-03T11:06:41+00:00"
    assert {event["user_id"] for event in chatgpt} == {chatgpt[0]["user_id"]}
    assert chatgpt[0]["payload"]["is_synthetic_user"]
    gateway = imports(EXPORTS / "openai.jsonl", real_times="keep").events
    asked = [
        event["event_ts"] for event in gateway if event["event_type"] == M and event["user_id"] == "u-31"
    ]
    assert asked == ["2025-06-15T15:06:40+00:00", "2025-06-15T15:07:40+00:00"]
    langfuse = imports(EXPORTS / "langfuse.jsonl", real_times="keep").events
    assert [event["event_ts"][11:] for event in langfuse if event["event_type"] != "character_update"] == [
        "10:00:00+00:00", "10:00:02.500000+00:00", "10:01:00+00:00", "10:01:01+00:00",
    ]  # fmt: skip
    wildchat = imports(EXPORTS / "wildchat.jsonl").events
    assert {event["locale"] for event in wildchat} == {"es"}


@pytest.mark.parametrize(
    ("file", "clock"),
    [
        ("whatsapp_ios.txt", "2024-02-13T20:15:30+00:00"),
        ("whatsapp_android.txt", "2024-02-05T20:06:00+00:00"),
    ],
)
def test_both_orders_of_day_and_month_and_a_time_zone(file: str, clock: str, imports: Imports) -> None:
    found = imports(EXPORTS / file, assistant="Garden line", real_times="keep", timezone="Europe/Berlin")
    assert found.events[0]["event_ts"] == clock


def test_each_person_of_a_channel_has_a_conversation_of_their_own(imports: Imports) -> None:
    found = imports(EXPORTS / "discord.json", assistant="99", real_times="keep")
    asked = {
        (event["user_id"], event["payload"].get("text")) for event in found.events if event["event_type"] != T
    }
    assert asked == {
        ("11", "How deep do bulbs go?"), ("11", "Three times their height."),
        ("12", "And seeds?"), ("12", "Seeds: twice their width."),
    }  # fmt: skip
    assert len(found.of("conversation_id")) == 2
    # A thumb under one response says that the log records thumbs at all.
    logged = [event["payload"]["logged_signals"] for event in found.events if event["event_type"] == R]
    assert logged == [["thumb_up", "thumb_down"]] * 2


def test_a_folder_of_mixed_exports_is_read_file_by_file(imports: Imports) -> None:
    files = {
        file: (EXPORTS / file).read_bytes() for file in ("chatgpt.json", "claude.json", "sharegpt.jsonl")
    }
    found = imports(
        {**files, "user.json": '{"id": "user-x", "email": "x"}', "chat.html": "<p>", "notes.txt": "hello"}
    )
    assert found.report.formats == {"chatgpt": 1, "claude": 1, "sharegpt": 1}
    assert found.report.conversations == 4
    assert found.report.unread_files == 3
    assert "3 file(s) of the folder were not read" in str(found.report)


def test_an_export_of_chatgpt_is_of_the_user_whose_file_lies_beside_it(imports: Imports) -> None:
    files = {
        "conversations.json": (EXPORTS / "chatgpt.json").read_bytes(),
        "user.json": '{"id": "user-7", "email": ""}',
    }
    found = imports(files)
    assert found.of("user_id") == {"user-7"}
    assert found.report.synthetic == {}


@pytest.mark.parametrize(
    ("heads", "days"),
    [
        (["13/02/24, 09:05 - ", "14/02/24, 09:05 - "], ["2024-02-13", "2024-02-14"]),
        (["02/13/24, 09:05 - ", "02/14/24, 09:05 - "], ["2024-02-13", "2024-02-14"]),
        (["2024-02-03, 09:05 - ", "2024-02-04, 09:05 - "], ["2024-02-03", "2024-02-04"]),
        (["[3.2.2024 klo 9.05.00] ", "[4.2.2024 klo 9.05.00] "], ["2024-02-03", "2024-02-04"]),
        (["03.02.24, 09:05 - ", "04.02.24, 09:05 - "], ["2024-02-03", "2024-02-04"]),
        (["02/03/2024, 09:05 - ", "01/04/2024, 09:05 - "], ["2024-03-02", "2024-04-01"]),
        (["03/02/2024, 09:05 - ", "02/03/2024, 09:05 - "], ["2024-02-03", "2024-03-02"]),
        (
            ["3/2/24, 9:05\u202fa.\u00a0m. - ", "3/2/24, 9:06\u202fp.\u00a0m. - "],
            ["2024-03-02", "2024-03-02"],
        ),
        (["03/02/2024, 09:05 - ", "04/02/2024, 09:05 - "], ["2024-02-03", "2024-02-04"]),
    ],
)
def test_dates_of_whatsapp_are_told_from_the_whole_file(
    heads: list[str], days: list[str], imports: Imports
) -> None:
    text = f"{heads[0]}Ann: Is it raining?\n{heads[1]}Weather: No.\n"
    found = imports({"chat.txt": text}, assistant="Weather", real_times="keep")
    assert [event["event_ts"][:10] for event in found.events] == days
    is_guess = heads[0].startswith("3/") or (heads[0][:5], heads[1][:5]) == ("03/02", "04/02")
    assert found.report.guessed_dates == is_guess
    assert ("do not tell day from month" in str(found.report)) == is_guess


def test_a_file_that_holds_no_chat_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    pairs = {"prompt": "a", "chosen": "b", "rejected": "c"}
    for name, text, words in (
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", '{"a": 1}', "no format that is known"),
        ("a.jsonl", "{\n{\n", "no format that is known"),
        ("a.txt", "Dear diary, today it rained.\n", "no format that is known"),
        ("a.jsonl", json.dumps(pairs), "preference pairs.*flywheel preferences import"),
        ("a.jsonl", '{"instruction": "a", "input": "", "output": "b"}', "Alpaca"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(SettingsError, match=words):
            import_chats(tmp_path / name, tmp_path / "landing", ImportOptions(START, 1))
    assert not (tmp_path / "landing").exists()


def test_newest_first_is_put_in_order(imports: Imports) -> None:
    export = json.loads((EXPORTS / "telegram.json").read_text(encoding="utf-8"))
    export["messages"].reverse()
    found = imports({"result.json": json.dumps(export)}, assistant="Mira Bot", real_times="keep")
    assert found.said == SAID["telegram.json"]


def test_an_account_of_telegram_holds_chats_with_and_without_the_assistant(imports: Imports) -> None:
    chat = json.loads((EXPORTS / "telegram.json").read_text(encoding="utf-8"))
    said = [{**chat["messages"][1], "from": "Eva", "from_id": "user5", "id": 9}]
    other = {"name": "Eva", "type": "personal_chat", "id": 5, "messages": said}
    account = {"about": "", "chats": {"about": "", "list": [chat, other]}}
    found = imports({"result.json": json.dumps(account)}, assistant="user9001", real_times="keep")
    assert found.said == SAID["telegram.json"]
    assert found.report.skipped_messages["chat_without_assistant"] == 1


@pytest.mark.parametrize("file", ["wildchat.jsonl", "lmsys.jsonl", "sharegpt.jsonl", "chatlogs.jsonl"])
def test_parquet_is_read_like_lines(file: str, imports: Imports, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (EXPORTS / file).read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if "timestamp" in row:
            row["timestamp"] = datetime.fromisoformat(row["timestamp"])
            for said in row["conversation"]:
                said["timestamp"] = said["timestamp"] and datetime.fromisoformat(said["timestamp"])
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = imports(path, real_times="keep")
    assert found.said == SAID[file]
    assert found.of("event_ts") == imports(EXPORTS / file, real_times="keep").of("event_ts")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputDamaged, match="truncated or damaged"):
        imports(path)
