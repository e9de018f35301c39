"""Tables for people: they fit the terminal, nothing in them is broken, and numbers have four digits."""

from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from rich.cells import cell_len

from cli.console import InertConsole
from cli.layout import laid_out, number_text

DAY = date(2026, 11, 18)


def printed(rows: list[dict[str, Any]], width: int = 80) -> str:
    stream = io.StringIO()
    console = InertConsole(file=stream, width=width)
    for part in laid_out(rows, list(rows[0]), width):
        console.print(part, soft_wrap=False)
    return stream.getvalue()


def wide(columns: int, rows: int = 3) -> list[dict[str, Any]]:
    return [
        {f"a_rather_long_column_{n}": 0.1234567890123 * (n + 1) + row for n in range(columns)} | {"ds": DAY}
        for row in range(rows)
    ]


SETS: dict[str, list[dict[str, Any]]] = {
    "narrow": [{"job": "curation.screen", "ds": DAY, "rows": 3}],
    "eight columns": [
        {"ds": DAY, "model": "reward-pointwise", "version": 3, "mode": "static", "pairs": 29, "accuracy": 0.48275862,
         "low": 0.3104928374, "high": 0.6592839472}
    ],
    "long text beside days": [
        {"job": "preherding.reward_matrix", "days": "2026-11-18..2026-11-20", "number": "3", "dataset": "",
         "reason": "the inputs changed since the last run: curation.screened, annotation.preferences " * 2}
    ],
    "too wide": wide(9),
    "far too wide": wide(30),
    "times": [{f"moment_{n}": datetime(2026, 11, 20, 1, 2, 3, 456789, tzinfo=UTC) for n in range(6)}] * 2,
    "ids": [{"turn": "5f0c9e" * 12, "run": "20261118T010203-abcdef12", "ds": DAY, "text": "word " * 40}] * 2,
    "wide letters": [{"text": "日本語のとても長い文" * 9, "ds": DAY, "other": "नमस्ते दुनिया " * 6}],
    "constant columns": [
        {"experiment": "exp-001", "as_of": DAY, "segment": "all", "method": "plain", "title": "the new reply model",
         "metric": name, "lift_pct": 1.23456789, "low_pct": -2.3456789, "high_pct": 4.5678912, "verdict": "not_final"}
        for name in ("breadth", "depth")
    ],
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("rows", SETS.values(), ids=SETS)
def test_nothing_is_wider_than_the_terminal(rows: list[dict[str, Any]], width: int) -> None:
    assert max(cell_len(line.rstrip()) for line in printed(rows, width).splitlines()) <= width


@pytest.mark.parametrize("rows", SETS.values(), ids=SETS)
def test_no_day_time_or_number_is_broken(rows: list[dict[str, Any]]) -> None:
    told = printed(rows)
    for row in rows:
        for value in row.values():
            if isinstance(value, datetime):
                assert "2026-11-20 01:02:03" in told
            elif isinstance(value, date):
                assert value.isoformat() in told
            elif isinstance(value, float):
                assert number_text(value) in told
            elif re.fullmatch(r"[0-9.-]+", str(value)):
                assert str(value) in told
    assert not re.search(r"\d\.\d{5}", told), "a number has more digits than it is worth"


def test_rows_that_do_not_fit_are_shown_one_below_the_other() -> None:
    told = printed(wide(12))
    assert "-- row 2 of 3" in told
    assert "a_rather_long_column_11" in told


def test_what_every_row_says_is_said_once() -> None:
    told = printed(SETS["constant columns"])
    assert told.count("exp-001") == 1
    assert told.startswith("In every row: experiment exp-001")
    assert "-- row" not in told


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.68249999999999, "0.6825"), (1.0, "1"), (-0.0, "0"), (123456.789, "123457"), (0.00012345678, "0.0001235"),
        (2.25e-7, "2.2e-07"), (float("nan"), "nan"), (float("-inf"), "-inf"), (99.95, "99.95"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits(value: float, shown: str) -> None:
    assert number_text(value) == shown
