"""Files of an import: as many days as a history has, with few streams open at a time."""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from jobs.landing.files import DayFiles

FIRST = date(2020, 1, 1)


@pytest.fixture
def few_open_files() -> Iterator[None]:
    """A limit on open files as a laptop has it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill(landing: Path, days: int) -> dict[str, bytes]:
    with DayFiles(landing, "import") as out:
        for line in range(2):
            for day in range(days):
                out.put(FIRST + timedelta(days=day), {"line": line})
    return {file: (landing / file).read_bytes() for file in out.files_written}


@pytest.mark.usefixtures("few_open_files")
def test_a_history_of_years_is_written_in_order_and_to_the_same_bytes(tmp_path: Path) -> None:
    files = fill(tmp_path / "one", 280)
    assert len(files) == 280
    for content in files.values():
        assert [json.loads(line) for line in gzip.decompress(content).splitlines()] == [
            {"line": 0},
            {"line": 1},
        ]
    assert fill(tmp_path / "two", 280) == files
