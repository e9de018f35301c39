"""Help is fast and true: it imports nothing heavy, and every command that help or docs show is one that parses."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).resolve().parents[2]
ROOT_COMMAND: Any = typer.main.get_command(app)

# What takes a tenth of a second or more to import. `flywheel --help` needs none of it.
HEAVY = (
    "pyspark", "delta", "torch", "transformers", "mlflow", "great_expectations", "airflow", "scipy", "sklearn", "numpy",
    "pandas", "pyarrow", "duckdb", "deltalake", "sqlglot", "plotly", "pydantic_settings", "jinja2",
    "rich.markdown",
)  # fmt: skip

HELP_OF_EVERY_COMMAND = """
import json, sys
from typer.testing import CliRunner
from cli.main import app
for path in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0, (path, result.output)
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


def commands(
    command: Any = ROOT_COMMAND, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with its words, the root first."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_the_help_of_no_command_imports_anything_heavy() -> None:
    paths = [path for path, _ in commands()]
    assert len(paths) > 35
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_EVERY_COMMAND, json.dumps(paths), json.dumps(HEAVY)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert json.loads(done.stdout) == []


def test_the_first_page_shows_every_command_on_a_line_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    for name in ROOT_COMMAND.commands:
        (line,) = (line for line in lines if line.split(" ")[0] == name)
        assert len(line) > len(name) + 10


def parse(words: list[str]) -> None:
    """Parse a command as `flywheel` would, without running it and without asking for its files."""
    command, context = ROOT_COMMAND, None
    while hasattr(command, "commands"):
        if "--help" in words[:1]:
            return
        context = command.make_context("flywheel", words[:1], parent=context)
        child = command.get_command(context, words[0])
        assert child is not None, f"no command {words[0]}"
        command, words = child, words[1:]
    if "--help" in words:
        return
    for parameter in command.params:
        if hasattr(parameter, "type_descriptor"):
            parameter.type_descriptor.parameter_info.exists = False
    parsed = command.make_context(command.name, list(words), parent=context)
    if command.name == "submit":
        parse(list(parsed.params["command"]))


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id="-".join(each[0])) for each in commands()]
)
def test_every_command_has_a_help_and_an_example_that_parses(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    for parameter in command.params:
        assert parameter.name in ("help", "install_completion", "show_completion") or parameter.help, (
            parameter.name
        )
    if hasattr(command, "commands"):
        return
    examples = re.findall(r"^ *(flywheel .*)$", command.help, re.MULTILINE)
    assert examples, "the help shows no example"
    for example in examples:
        words = words_of(example)[1:]
        assert tuple(words[: len(path)]) == path
        parse(words)


def words_of(text: str) -> list[str]:
    """The words of a line of shell up to its comment, pipe or redirection."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return list(itertools.takewhile(lambda word: not set(word) <= set("|&;<>"), lexer))


def commands_of(page: Path) -> Iterator[list[str]]:
    """`flywheel` commands of a page: lines of code, and code within sentences that is more than a command's name."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if re.match(r" *flywheel [a-z]", line):
            yield words_of(line)
        else:
            for code in re.findall(r"`(flywheel [a-z-][^`]*)`", line):
                words = words_of(code)
                if tuple(words[1:]) not in NAMES:
                    yield words


NAMES = {path for path, _ in commands()}
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_command_of_a_page_parses(page: Path) -> None:
    for words in commands_of(page):
        try:
            parse(words[1:])
        except Exception as error:  # noqa: BLE001  whatever it is, the page is wrong
            pytest.fail(f"{page.name} shows `{shlex.join(words)}`: {error}")
