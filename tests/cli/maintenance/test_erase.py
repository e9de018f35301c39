"""`flywheel erase --from`: which ids it takes from a list, and what it says of lines that are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.records import BOM
from jobs.maintenance import erasure


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that the command asks to erase; each is found in one row."""
    ids: list[str] = []

    def erase(_: Any, users: Sequence[str], *__: Any) -> Iterator[erasure.Erased]:
        ids.extend(users)
        yield erasure.Erased("traffic.events", erasure.Counter(users))

    monkeypatch.setattr(erasure, "erase", erase)
    monkeypatch.setattr(erasure, "pulled_copies", lambda *_: [])
    return ids


@pytest.mark.parametrize(
    "content",
    [
        b"u-1\nu-2\n",
        BOM + b"u-1\r\nu-2",
        b"u-1 \n\n\tu-2\nu-1\n\n",
        b'["u-1",\n "u-2"]',
        BOM + b'["u-1", "u-2"]\n',
    ],
)
def test_every_list_of_the_same_ids_is_the_same(tmp_path: Path, asked: list[str], content: bytes) -> None:
    (tmp_path / "ids.txt").write_bytes(content)
    result = CliRunner().invoke(app, ["erase", "--from", str(tmp_path / "ids.txt"), "--dry-run"])
    assert (result.exit_code, asked) == (0, ["u-1", "u-2"])


def test_a_line_that_is_no_id_is_named_and_the_exit_code_says_so(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "ids.txt").write_bytes(b"u-1\ncaf\xe9\nu-2\n")
    result = CliRunner().invoke(app, ["erase", "--from", str(tmp_path / "ids.txt"), "--dry-run"])
    assert (result.exit_code, asked) == (1, ["u-1", "u-2"])
    assert "Line 2 of" in result.stderr
    assert "not_utf8" in result.stderr
    assert "1 line(s) of" in result.stderr


def test_another_encoding_erases_nobody(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "ids.txt").write_text("u-1\n", encoding="utf-16")
    result = CliRunner().invoke(app, ["erase", "--from", str(tmp_path / "ids.txt"), "--yes"])
    assert result.exit_code != 0
    assert "UTF-16" in f"{result.exception}{result.stderr}"
    assert asked == []
