"""Nothing that a user wrote acts on what shows it: a terminal, a spreadsheet, a browser."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from infra.inert import csv_cell, json_text, visible

runner = CliRunner()

ATTACKS = {
    "erase the line": "safe\x1b[2K\x1b[1Ahidden",
    "window title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "C1 sequence": "\x9b2Jgone",
    "backspaces": "reject\b\b\b\b\b\bpass",
    "carriage return": "unsafe\rsafe  ",
    "delete": "a\x7fb",
    "null": "a\x00b",
    "form feed": "a\x0cb\x0bc",
    "bidi override": "\u202eesrever\u202c",
    "bidi isolate": "\u2066\u2067\u2068\u2069",
    "marks": "\u200e\u200f\u061c",
    "zero width": "pass\u200b\u200c\u200d\u2060\ufeff",
    "separators": "a\u2028b\u2029c\x85d",
    "tags": "\U000e0001\U000e0041",
    "blank letters": "\u115f\u3164\uffa0\u2800\u034f",
    "variation selectors that carry bytes": "x\U000e0100\U000e01ef",
    "a lone surrogate": "\ud83d",
}
SENT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What no output may hold, tab and line feed aside."""


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_acts_on_a_terminal_is_shown_and_not_sent(attack: str) -> None:
    shown = visible(attack)
    assert not SENT.search(shown)
    assert shown.isascii()
    assert len(shown) > len(attack)


@pytest.mark.parametrize(
    "text",
    [
        "नमस्ते दुनिया",
        "日本語、テキスト",
        "🙂👍🏽❤️",
        "café – “quotes” … €",
        "a b\u00a0c\u3000d",
        "[bold]:x: {x} %s",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_a_line_feed_stays_only_where_lines_are_asked_for() -> None:
    assert visible("a\nb") == "a\\nb"
    assert visible("a\nb\r\n", multiline=True) == "a\nb\\r\n"


@given(st.text(st.characters(), max_size=40))
def test_json_is_exact_and_inert(text: str) -> None:
    written = json_text({text: [text, 1, None]})
    assert json.loads(written) == {text: [text, 1, None]}
    assert not SENT.search(written)
    assert not SENT.search(visible(text))


@pytest.mark.parametrize(
    "formula",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\x00=1",
        "＝1",
        "＋1",
        "－1",
        "＠A",
    ],
)
def test_a_cell_is_never_a_formula(formula: str) -> None:
    cell = csv_cell(formula)
    assert cell.startswith("'")
    assert not SENT.search(cell)


def test_numbers_in_cells_stay_numbers() -> None:
    from decimal import Decimal

    values = [-1, -0.5, None, True, Decimal("-2.50"), "5", "a-b"]
    assert [csv_cell(value) for value in values] == values


# The doors: each command prints data.

EVIL = "x\x1b[2K\u202e\u200b\x9b31m[bold]b[/bold]:x:"
SHOWN = "x\\x1b[2K\\u202e\\u200b\\x9b31m[bold]b[/bold]:x:"
SQL = "SELECT 'x' || chr(27) || '[2K' || chr(8238) || chr(8203) || chr(155) || '31m[bold]b[/bold]:x:' AS text"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    return tmp_path


def test_sql_shows_data_as_it_is(home: Path) -> None:
    told = runner.invoke(app, ["sql", SQL]).stdout
    assert SHOWN in told
    assert not SENT.search(told)


def test_a_cell_cannot_look_like_another_row(home: Path) -> None:
    told = runner.invoke(app, ["sql", "SELECT 'a' || chr(10) || 'pass' AS verdict"]).stdout
    assert "a\\npass" in told


def test_a_column_name_is_data_too(home: Path) -> None:
    """A statement may have been copied, and tables of models are named by them."""
    named = 'SELECT 1 AS "=1\x1b[1m:x:"'
    for form in ("table", "csv", "json"):
        told = runner.invoke(app, ["sql", named, "--format", form])
        assert told.exit_code == 0
        assert not SENT.search(told.stdout)
        assert ":x:" in told.stdout
    assert runner.invoke(app, ["sql", named, "--format", "csv"]).stdout.startswith("'=1")


def test_sql_to_csv_and_json(home: Path) -> None:
    query = SQL.replace("'x' ||", "'=1' ||") + ", -1 AS number, '-1' AS text_number, [chr(27)] AS list"
    (row,) = csv.DictReader(io.StringIO(runner.invoke(app, ["sql", query, "--format", "csv"]).stdout))
    assert row["text"] == "'=1" + SHOWN[1:]
    assert (row["number"], row["text_number"]) == ("-1", "'-1")
    told = runner.invoke(app, ["sql", query, "--format", "json"]).stdout
    assert not SENT.search(told)
    assert json.loads(told) == [
        {"text": "=1" + EVIL[1:], "number": -1, "text_number": "-1", "list": ["\x1b"]}
    ]


def test_review_show_forges_no_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jobs.curation.reviews as reviews

    monkeypatch.setattr(
        reviews, "show", lambda *_: reviews.RawTurn(EVIL, f"hello\ncharacter fine\n{EVIL}", ("unsafe:S1",))
    )
    told = runner.invoke(app, ["review", "show", "t", "--reviewer", "maria"]).stdout
    assert not SENT.search(told)
    assert told.count(SHOWN) == 2
    labelled = [line for line in told.splitlines() if line.startswith(("user", "character"))]
    assert len(labelled) == 2, told


def test_errors_are_inert(home: Path) -> None:
    evil = "exp\x1b[2K:x:[bold]\u202e\npass"
    told = subprocess.run(
        [sys.executable, "-m", "cli.main", "readout", evil], capture_output=True, text=True, check=False,
        env={**os.environ, "FLYWHEEL_HOME": str(home)},
    ).stderr  # fmt: skip
    assert "exp\\x1b[2K:x:[bold]\\u202e\\npass" in told
    assert not SENT.search(told)
    assert len(told.splitlines()) == 1


def test_every_console_is_inert(capsys: pytest.CaptureFixture[str]) -> None:
    """Also what no helper was called for: a line, a table, a tree, and a bar's label."""
    from rich.table import Table
    from rich.tree import Tree

    from cli.console import InertConsole

    console = InertConsole(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    table = Table(EVIL)
    table.add_row(EVIL)
    tree = Tree(EVIL)
    tree.add(EVIL)
    console.print(EVIL, EVIL)
    console.print(table)
    console.print(tree)
    console.rule(EVIL)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert told.count(SHOWN) >= 6
    assert not SENT.search(told)


def test_no_printer_passes_the_helpers_by() -> None:
    """Rich's own Console and markup, `print` and the csv module are used in one place each."""
    root = Path(__file__).resolve().parents[2]
    allowed = {"cli/console.py", "infra/progress.py", "infra/spark/jars.py"}
    pattern = re.compile(
        r"\bprint\(|typer\.echo|click\.echo|sys\.std(out|err)\.write|csv\.(Dict)?[wW]riter|to_csv|rich\.markup|Console\("
    )
    found = {}
    for folder in ("cli", "jobs", "infra", "models", "dags"):
        for file in (root / folder).rglob("*.py"):
            name = file.relative_to(root).as_posix()
            lines = [
                line for line in file.read_text(encoding="utf-8").splitlines()
                if pattern.search(re.sub(r"\b(out|err)\.print\(", "", line))
            ]  # fmt: skip
            if lines and name not in allowed:
                found[name] = lines
    assert not found, "print by cli.console or infra.progress, which show data as it is"


# Pages.

HTML = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;{{7*7}}\u202e\x1b"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_page_escapes_texts_attributes_and_plots(tmp_path: Path) -> None:
    from cli.reports.curation import figures
    from cli.reports.curation.data import Report
    from cli.reports.figures import Plot
    from cli.reports.page import Tile, write_page

    counted = [{"name": HTML, "count": 1, "share_pct": 100.0, "bar_pct": 100.0}]
    report = Report(HTML, None, None, *([()] * 3), [{"similarity": 1.0, "language": HTML, "ds": HTML, "kept": HTML,
        "removed": HTML}], *([()] * 3), [{"encoder": HTML}], *([()] * 3))  # type: ignore[arg-type]  # fmt: skip
    plots = {
        "map": figures.prompt_map([{"fate": "kept", "x": 0.0, "y": 0.0, "message": f"</script>{HTML}"}]),
        f'x"]</script>{HTML}': Plot("{}", HTML, [(HTML, HTML)]),
    }
    page = write_page(
        "report.html.j2", tmp_path / "page.html", plots, report=report, steps=counted, hard={}, targets={},
        dimensions={}, jobs=[], alarms=[], quality=[], drawn={}, reasons=counted, tiles=[Tile(HTML, HTML, HTML)],
    ).read_text(encoding="utf-8")  # fmt: skip
    elements = _Elements()
    elements.feed(page)
    assert [tag for tag, _ in elements.tags].count("script") == 3
    assert not [tag for tag, attributes in elements.tags if tag == "img" or "onerror" in attributes]
    assert "\x1b" not in page
    assert "\u202e" not in page
    inline = re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    assert inline is not None
    assert set(json.loads(inline[1])) == set(plots)


def policy_of(page: str) -> dict[str, str]:
    """The directives of the page's Content Security Policy, which must come before all that it governs."""
    elements = _Elements()
    elements.feed(page)
    place, policy = next(
        (place, attributes["content"])
        for place, (tag, attributes) in enumerate(elements.tags)
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert [tag for tag, _ in elements.tags[:place]] == ["html", "head", "meta"]
    return dict(part.strip().partition(" ")[::2] for part in str(policy).split(";"))


def test_a_page_says_what_it_may_run_and_load(tmp_path: Path) -> None:
    from hashlib import sha256

    from cli.reports.page import plotly_library
    from cli.reports.table10.page import render

    page = render(tmp_path / "page.html").read_text(encoding="utf-8")
    policy = policy_of(page)
    assert policy["default-src"] == "'none'"
    assert {name: source for name, source in policy.items() if name not in ("default-src", "script-src")} == {
        "style-src": "'unsafe-inline'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    run = [*re.findall(r"<script>(.*?)</script>", page, re.DOTALL), plotly_library()]
    hashes = [base64.b64encode(sha256(script.encode()).digest()).decode() for script in run]
    assert len(run) == 2
    assert sorted(policy["script-src"].split()) == sorted(f"'sha256-{digest}'" for digest in hashes)


def test_every_page_is_made_from_the_one_with_the_policy() -> None:
    templates = Path(__file__).parents[2] / "cli" / "reports" / "templates"
    for path in templates.glob("*.j2"):
        text = path.read_text(encoding="utf-8")
        not_a_page = ("page.html.j2", "macros.html.j2")
        assert path.name in not_a_page or text.startswith('{% extends "page.html.j2" %}'), path
        assert path.name == "page.html.j2" or "<script" not in text, path
        assert not re.search(r"\son[a-z]+=", text), path


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_the_page_and_refuses_a_strangers_script(tmp_path: Path) -> None:
    from cli.reports.table10.page import render

    def opened(path: Path) -> tuple[str, str]:
        shown = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--enable-logging=stderr", "--virtual-time-budget=8000", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return shown.stdout, "\n".join(line for line in shown.stderr.splitlines() if "CONSOLE" in line)

    page = render(tmp_path / "page.html")
    drawn, said = opened(page)
    assert 'class="main-svg"' in drawn
    assert said == ""
    attack = tmp_path / "attacked.html"
    injected = """<main><script>document.title = 'taken'</script><img src="http://127.0.0.1:9/x">
    <img src=x onerror="document.title = 'taken'">"""
    attack.write_text(page.read_text(encoding="utf-8").replace("<main>", injected))
    drawn, said = opened(attack)
    assert "taken</title>" not in drawn
    assert 'class="main-svg"' in drawn
    assert said.count("Content Security Policy") >= 3


@pytest.mark.parametrize(
    "name", ["<b>x</b>", '<a href="http://evil.example">x</a>', "%{level}", "a<br>b", "\u202e\x1b"]
)
def test_a_plot_reads_no_markup_in_names(name: str) -> None:
    from datetime import date

    from cli.reports.curation import figures
    from cli.reports.readout.figures import exposures, forest

    lift = dict.fromkeys(("lift_pct", "low_pct", "high_pct", "gap_low_pct", "gap_high_pct", "verdict"))
    lift |= {"lift_pct": 1.0, "low_pct": 0.0, "high_pct": 2.0, "interval_kind": "bounded"}
    day = date(2026, 11, 20)
    row = {
        "level": name, "before": 1, "achieved": 1, "kind": "target", "wanted": 1, "usable": 1, "ds": day,
        "target_pct": 1.0, "selected_pct": 1.0, "outcome": "selected", "turns": 1,
    }  # fmt: skip
    for drawn in (
        figures.before_after([row]), figures.by_day([row]), figures.strata([row]),
        forest([{**lift, "status": "ok"}], [name]), exposures({name: [("2026-11-20", 1)]}),
    ):  # fmt: skip
        texts = " ".join(_strings(json.loads(drawn.drawing)))
        assert name not in texts
        assert not SENT.search(texts)


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []
