"""Table 10 replayed: verdict counts, the intervals that equation 17 cannot give, and the changes of section 3.3."""

from __future__ import annotations

import pytest

from jobs.experiments import table10
from jobs.experiments.comparison import Verdict
from jobs.experiments.table10 import LIFTS, POST_LAUNCH, PRE_LAUNCH

CELLS = table10.read()
COUNTS = {(count.phase, count.scope): count for count in table10.counts(CELLS)}


def test_the_table_has_its_filled_cells_only() -> None:
    assert len(CELLS) == 510 - 199
    assert len({(cell.metric, cell.version) for cell in CELLS}) == len(CELLS)


def test_seven_of_eight_are_positive_per_metric_and_six_jointly() -> None:
    after = {scope: COUNTS[POST_LAUNCH, scope] for scope in ("breadth", "depth", "both")}
    assert {scope: (len(count.above_zero), count.releases) for scope, count in after.items()} == {
        "breadth": (7, 8), "depth": (7, 8), "both": (6, 8),
    }  # fmt: skip
    assert "V8" not in after["breadth"].above_zero
    assert "V12" not in after["depth"].above_zero


def test_five_of_eight_are_significant_per_metric_and_one_is_significantly_worse() -> None:
    assert COUNTS[POST_LAUNCH, "breadth"].positive == ("V9", "V10", "V11", "V13", "V14")
    assert COUNTS[POST_LAUNCH, "breadth"].negative == ()
    assert COUNTS[POST_LAUNCH, "depth"].positive == ("V10", "V11", "V13", "V14", "V15")
    assert COUNTS[POST_LAUNCH, "depth"].negative == ("V12",)
    assert COUNTS[POST_LAUNCH, "both"].positive == ("V10", "V11", "V13", "V14")
    assert COUNTS[PRE_LAUNCH, "breadth"].positive == ("V2",)
    assert COUNTS[PRE_LAUNCH, "depth"].positive == ("V2", "V3")
    assert COUNTS[PRE_LAUNCH, "both"].positive == ("V2",)
    lifts = [cell for cell in CELLS if cell.metric in LIFTS.values()]
    assert len(lifts) == 22
    assert sum(cell.verdict in (Verdict.positive, Verdict.negative) for cell in lifts) == 14


def test_three_intervals_cannot_come_from_equation_17_and_the_others_do_to_the_printed_digit() -> None:
    flagged = table10.impossible(CELLS)
    assert [(one.cell.metric, one.cell.version) for one in flagged] == [
        (LIFTS[POST_LAUNCH, "breadth"], "V12"),
        (LIFTS[POST_LAUNCH, "depth"], "V8"),
        (LIFTS[POST_LAUNCH, "depth"], "V9"),
    ]
    assert [(one.plus, one.minus) for one in flagged] == [
        pytest.approx((0.441, 0.439), abs=5e-4), pytest.approx((4.32, 4.14), abs=5e-3),
        pytest.approx((4.30, 4.13), abs=5e-3),
    ]  # fmt: skip
    for cell in CELLS:
        if cell.plus is None or cell.minus is None or any(one.cell == cell for one in flagged):
            continue
        plus, minus = table10.fieller_arms(cell.value, cell.plus + cell.minus)
        assert (plus, minus) == pytest.approx((cell.plus, cell.minus), abs=0.5 * 10**-cell.decimals + 1e-9)


def test_relative_changes_name_their_versions() -> None:
    changes = {change.metric: change for change in table10.changes(CELLS)}
    expected = {
        "False Refusal (Internal) (%)": ("V1", "V15", 15, -25.5), "False Refusal (User) (%)": ("V9", "V15", 7, -58.2),
        "Avg Response Length (tokens)": ("V1", "V15", 15, -13.7), "Contains List (%)": ("V2", "V15", 13, 238.5),
        "Contains Emoji (%)": ("V1", "V12", 12, -39.9), "Instruction Violation (%)": ("V2", "V8", 7, -78.2),
        "Cooperative Ratio (%)": ("V3", "V13", 11, 17.0), "Wall-of-Text Failure (%)": ("V5", "V14", 10, -92.6),
        "Non-Preachy Rate (%)": ("V4", "V11", 8, 24.4), "Preachy Tone (%)": ("V3", "V6", 4, -30.9),
        "Positive Sentiment (%)": ("V1", "V8", 8, 33.2), "Templated Responses (%)": ("V4", "V5", 2, -23.3),
    }  # fmt: skip
    for metric, (first, last, reported, pct) in expected.items():
        change = changes[metric]
        assert (change.first_version, change.last_version, change.reported) == (first, last, reported)
        assert change.pct == pytest.approx(pct, abs=0.051)
        assert f"{first} to {last}, {reported} of 15" in change.label
    assert not any("Lift" in metric for metric in changes)
    # Section 3.3 prints six of them under other metrics' names.
    assert set(table10.PRINTED_ELSEWHERE) < set(expected)


def test_cumulative_growth_starts_at_one() -> None:
    breadth = table10.cumulative(CELLS, "breadth")
    assert breadth[:2] == [("V7", 1.0), ("V8", pytest.approx(0.9962))]
    assert len(breadth) == 9
    assert dict(table10.cumulative(CELLS, "depth"))["V10"] == pytest.approx(1.0352 * 1.0138 * 1.038)
