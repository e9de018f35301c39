"""What plots share: names are never cut, colours can be told apart, and every plot says in words what it shows."""

from __future__ import annotations

import re
from datetime import date

import pytest

from cli.reports import figures
from cli.reports.curation import figures as curation
from cli.reports.figures import Plot, heights, labelled, listed, percent, signed
from cli.reports.readout import figures as readout
from cli.reports.table10.figures import lift_text
from jobs.experiments.table10 import Cell

NAMES = [
    "Not sampled · one per conversation", "Waits for review · Possibly indiscriminate weapons (S9)",
    "hi-Latn-IN/hi-Latn · 416", "a_level_without_any_blank_that_is_longer_than_a_line", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_label_has_all_of_its_name_in_lines_that_fit_a_phone(name: str) -> None:
    lines = labelled([name])[0].split("<br>")
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert max(map(len, lines)) <= 22


def test_equal_labels_stay_apart_and_rows_are_as_high_as_their_lines() -> None:
    assert len(set(labelled(["same", "same", "same"]))) == 3
    assert heights(["one", "one<br>two<br>three"], 20) > heights(["one", "one"], 20)
    endless = labelled(["word " * 500])[0]
    assert endless.count("<br>") < 6
    assert endless.endswith("…")


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_texts_and_marks_have_the_contrast_that_wcag_asks_for() -> None:
    for text in (figures.INK, figures.MUTED):
        assert contrast(text, "#ffffff") >= 4.5
    for mark in (figures.GOOD, figures.BAD, figures.WORSE, figures.GREY, *figures.LINES):
        assert contrast(mark, "#ffffff") >= 3, mark
    assert contrast(figures.INK, curation.GONE) >= 4.5  # a number on the reddest field of the drift plot


def test_every_plot_says_what_it_shows_and_what_its_colours_mean() -> None:
    day = date(2026, 11, 20)
    share = {"ds": day, "usable": 9, "target_pct": 30.0}
    lift = {
        "lift_pct": -3.63, "low_pct": -14.32, "high_pct": 8.42, "gap_low_pct": None, "gap_high_pct": None,
        "status": "ok", "interval_kind": "bounded", "verdict": "not_final", "k": 3,
    }  # fmt: skip
    told: dict[str, Plot] = {
        "Largest change: first, 20 % before and 50 % in the sample (target 30 %).": curation.before_after([
            {"level": "first", "kind": "target", "wanted": 3.0, "before": 2, "achieved": 5},
            {"level": "second", "kind": "monitored", "wanted": None, "before": 5, "achieved": 3},
            {"level": "third", "kind": "monitored", "wanted": None, "before": 3, "achieved": 2},
        ]),
        "Varies most: en, 25 % to 40 % of a day's sample.": curation.by_day([
            {**share, "level": "en", "selected_pct": 40.0}, {**share, "level": "es", "selected_pct": 60.0},
            {**share, "level": "en", "selected_pct": 25.0, "ds": date(2026, 11, 19)},
            {**share, "level": "es", "selected_pct": 75.0, "ds": date(2026, 11, 19)},
        ]),
        "Sampled: 50 % of 2 turns of first and 10 % of 10 turns of later.": curation.strata([
            {"level": level, "outcome": outcome, "turns": turns}
            for level, outcome, turns in (("first", "selected", 1), ("first", "rejected", 1), ("later", "selected", 1),
                                          ("later", "not_sampled", 9))
        ]),
        "Of 2 pairs of a day and a dimension: 1 alarm and 1 steady.": curation.drift([
            {"dimension": "jtbd", "ds": day, "excess": 0.3, "status": "alarm"},
            {"dimension": "first_turn", "ds": day, "excess": 0.0, "status": "steady"},
        ], {"jtbd": "Job to be done", "first_turn": "First turn"}),
        "2 prompts: 1 kept, 0 diversity budget and 1 near-duplicate.": curation.prompt_map([
            {"fate": fate, "x": 0.0, "y": 0.0, "message": "hello"} for fate in ("kept", "near_duplicate")
        ]),
        "Lift: test −3.6 % (−14.3 to +8.4).": readout.forest([lift], ["test"]),
        "Day 3: −3.6 % (−14.3 to +8.4); always valid: −14.3 to +8.4.": readout.curve([lift], [lift], 7),
        "Users in all: control 64 and test 73.": readout.exposures({"control": [("d", 64)], "test": [("d", 73)]}),
    }  # fmt: skip
    for summary, plot in told.items():
        assert plot.summary.replace("\u00a0", " ") == summary
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for _, colour in plot.key)


def test_numbers_are_written_as_people_read_them() -> None:
    assert [percent(share).replace("\u00a0", " ") for share in (10.0, 18.63, -2.5, 0.04)] == [
        "10 %",
        "18.6 %",
        "−2.5 %",
        "0 %",
    ]
    assert [signed(value) for value in (-3.63, 8.42, 0.0)] == ["−3.6", "+8.4", "+0.0"]
    assert listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"
    cell = Cell("Engagement", "Depth", "V12", "Nov 25", -2.9, 2.7, 2.7, 1)
    assert lift_text(cell) == "−2.90 % (−5.6 to −0.2)"
