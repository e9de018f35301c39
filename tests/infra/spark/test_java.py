"""A run prints our own lines and nothing of Spark's start; when Java does not start, what it said is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.spark.java import _what_java_said
from tests.conftest import REPOSITORY

START = """
import sys
from infra import progress
from infra.settings import load_settings
from infra.spark import session
progress.show("before")
spark = session(load_settings(home=sys.argv[1], spark={"master": "local[1]", "driver_memory": sys.argv[2]}))
assert spark.range(3).count() == 3
progress.show("after")
spark.stop()
"""


def started(home: Path, memory: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, str(home), memory],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.nightly
def test_only_our_own_lines_are_printed(tmp_path: Path) -> None:
    done = started(tmp_path, "1g")
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr.splitlines()) == ("", ["before", "after"])


def test_what_java_says_of_a_start_that_fails_is_told(tmp_path: Path) -> None:
    done = started(tmp_path, "999999999g")
    assert done.returncode != 0
    assert "Java ended before Spark was ready: " in done.stderr
    assert "heap" in done.stderr.lower()
    assert done.stdout == ""
    assert "spark.driver_memory" in done.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "WARNING: Using incubator modules: x\nInvalid heap\nError: no VM\nmore",
            "Invalid heap Error: no VM",
        ),
        ("WARNING: a\n\n", "it said nothing"),
        ("x" * 1_000, "x" * 300),
    ],
)
def test_notes_are_left_out(said: str, told: str) -> None:
    assert _what_java_said(said) == told
