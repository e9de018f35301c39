"""`flywheel import`: it says what it read and what became of it, and an import of nothing fails."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.datasets.importing import ImportFormat
from cli.main import app
from infra.errors import InputDamaged, SettingsError
from jobs.traffic.importers import AUTO, FORMATS

runner = CliRunner()
ANSWER = {"role": "assistant", "content": None, "refusal": "No."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
LINE = {"id": 7, "user": "u", "created_at": 0, "messages": [{"role": "user", "content": "hm?"}, CALL, ANSWER]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    return tmp_path


def landed(home: Path) -> list[Path]:
    return list(home.rglob("*.jsonl.gz"))


def test_the_command_knows_every_format_and_the_docs_do_too() -> None:
    assert {format.value for format in ImportFormat} == {AUTO, *FORMATS}
    page = (Path(__file__).parents[3] / "docs" / "importers.md").read_text(encoding="utf-8")
    assert [name for name in FORMATS if page.count(f"`{name}`") < 2] == []


def test_it_tells_what_it_read_and_what_became_of_it(home: Path) -> None:
    (home / "a.jsonl").write_text(json.dumps(LINE) + '\n{"messages": 3}\n')
    told = runner.invoke(app, ["import", str(home / "a.jsonl")])
    assert told.exit_code == 0
    assert "1 file(s) read as openai (OpenAI messages)" in told.stderr
    words = " ".join(told.stdout.split())
    assert "2 lines of 1 file(s) as openai = 1 conversations + rejected: 1 wrong_type:messages" in words
    assert "messages skipped: 1 tool_call" in words
    assert "1 time(s) before 2000 or after tomorrow count as missing" in words
    assert "Next: flywheel run traffic.land --days 2026-01-" in words
    assert landed(home)


@pytest.mark.parametrize(
    ("options", "day"),
    [([], "2025-10-27"), (["--start", "2026-11-02"], "2026-11-02"), (["--days", "3"], "2026-01-05")],
)
def test_known_times_stay_unless_days_are_asked_for(home: Path, options: list[str], day: str) -> None:
    messages = [{"role": "user", "content": "hi", "created_at": 1761556800123}, ANSWER]
    (home / "a.jsonl").write_text(json.dumps({"id": 7, "user": "u", "messages": messages}))
    assert runner.invoke(app, ["import", *options, str(home / "a.jsonl")]).exit_code == 0
    assert {path.parent.name for path in landed(home)} == {f"received_ds={day}"}
    if not options:
        assert b"2025-10-27T09:20:00.123" in gzip.decompress(landed(home)[0].read_bytes())


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ('{"messages": [{"role": "narrator", "content": "x"}]}', ["--format", "openai"], "1 unknown_role"),
        ("{\n{", ["--format", "openai"], "2 malformed_json"),
        ("", ["--format", "openai"], "0 lines"),
        ("", [], "is empty"),
        ('{"conversations": [{"from": "human", "value": "x"}]}', ["--format", "openai"], "is ShareGPT, not OpenAI"),
        ("13/02/24, 09:05 - Ann: hello", [], "of 1 people.*--assistant"),
        ("13/02/24, 09:05 - Ann: hello", ["--assistant", "Bob"], "Nobody in the chat"),
        (json.dumps(LINE), ["--timezone", "Mars/Olympus"], "no such time zone"),
        (json.dumps(LINE), ["--days", "0"], "1 to 366 days"),
    ],
)  # fmt: skip
def test_an_import_of_nothing_fails_and_writes_nothing(
    text: str, options: list[str], words: str, home: Path
) -> None:
    (home / "a.txt").write_text(text)
    name = home / ("a.txt" if text.startswith("13/") else "a.jsonl")
    (home / "a.txt").rename(name)
    told = runner.invoke(app, ["import", str(name), *options])
    assert told.exit_code == 1
    assert isinstance(told.exception, InputDamaged | SettingsError)
    with pytest.raises(type(told.exception), match=words):
        raise told.exception
    assert not landed(home)
