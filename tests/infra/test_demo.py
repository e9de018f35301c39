"""What `make demo` says: its queries run, the commands that it names exist, and what it costs is told first."""

from __future__ import annotations

import re
import subprocess

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.query import query
from infra.lake import Lake
from tests.conftest import REPOSITORY

DEMO = (REPOSITORY / "infra" / "demo.sh").read_text(encoding="utf-8")
ENDING = DEMO[DEMO.index("What became of the turns") :]
QUERIES = [found.replace('\\"', '"') for found in re.findall(r'flywheel sql "((?:[^"\\]|\\.)*)"', DEMO)]
COMMANDS = re.findall(
    r"flywheel ([a-z]+(?: (?:list|declare|curation\.samples))?)",
    re.sub(r"^umask.*", "", DEMO, flags=re.MULTILINE),
)


def test_the_script_can_be_read_by_bash() -> None:
    assert subprocess.run(["bash", "-n"], input=DEMO, text=True, check=False).returncode == 0


@pytest.mark.parametrize("statement", QUERIES)
def test_its_queries_run(lake: Lake, statement: str) -> None:
    query(lake, statement)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_the_commands_that_it_names_exist(command: str) -> None:
    words = [word for word in command.split() if "." not in word]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_it_ends_with_what_matters() -> None:
    assert len(QUERIES) >= 4
    assert "never run" not in ENDING
    assert "flywheel plan\n" not in ENDING  # forty days of late events say nothing to a newcomer
    assert ENDING.index("95 % interval") < ENDING.index("true lift") < ENDING.index("Open in a browser")
    assert len(re.findall(r"^echo '  ", ENDING, re.MULTILINE)) == 3


def test_size_and_time_are_told_before_the_installation() -> None:
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    told = recipe.index("8 GB on disk. On two cores the demo then takes about 8 minutes")
    assert told < recipe.index("$(UV) sync")
