"""The readout page: every verdict and every kind of set is told as what it is, and no text can break out of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.reports.readout import words
from cli.reports.readout.data import read_readout
from cli.reports.readout.page import exclusion_rows, exposure_rows, sample_ratio_checks, write_readout
from infra.errors import ExperimentUnknown
from infra.lake import Lake
from jobs.experiments.comparison import METHODS, METRICS, Comparison, Status, Verdict, compare, judge
from jobs.experiments.moments import Arm
from jobs.experiments.statistics import IntervalKind, lift_interval
from tests.conftest import put

START = date(2026, 11, 18)
MARKUP = '</script><b>5 < 6 & "so on"</b>'
BASES = ("assigned", "exposed", "in_several_arms", "bot", "ineligible", "internal")


def arm(rng: np.random.Generator, users: int, more: float, k: int) -> Arm:
    """Users whose liking of the product differs; `more` is the true lift of daily engagement."""
    liking = rng.beta(2, 2, users)
    days = rng.binomial(k, np.clip(liking * (1 + more), 0, 1))
    amount = np.where(days > 0, days + rng.poisson(days * 5 * liking), 0)
    before = rng.binomial(7, liking)
    return Arm.of_users(days, amount, k, bound=40.0, days_before=before, amount_before=before * 4)


def declare(lake: Lake, arms: Sequence[str], days: int = 7, **more: Any) -> None:
    """A definition whose first arm is the control."""
    put(lake, "experiments.definitions", [
        {"experiment_id": "exp-1", "declared_ts": datetime(2026, 11, 1, tzinfo=UTC), "title": "A kinder greeting",
         "owner": "analysts", "control_arm": arms[0], "arms": list(arms), "shares": dict.fromkeys(arms, 0.1),
         "eligibility": "all users", "start_ds": START, "end_ds": START + timedelta(days=days - 1),
         "metrics": ["breadth", "depth"], "segments": ["locale"], "bot_messages_per_day": 500,
         "winsor_quantile": 0.99, **more}
    ])  # fmt: skip


def lift_rows(
    day: int, compared: Mapping[str, Sequence[Comparison]], control: str, *, blocked: bool = False, days: int = 7,
    segment: str = "all", run: str = "run", versions: int = 3,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of `experiments.readouts` as the job writes them."""
    primary = ["breadth", "depth"] if segment == "all" else []
    judged = judge(compared, primary, blocked=blocked, final=day == days)
    as_of = START + timedelta(days=day - 1)
    return [
        {**asdict(row), "experiment_id": "exp-1", "as_of_ds": as_of, "k": day, "arm": name, "control_arm": control,
         "segment": segment, "winsor_bound": 40.0 if row.method == "winsorised" else None, "schema_version": 1,
         "input_versions": json.dumps({"experiments.unit_totals": versions}), "ds": as_of, "run_id": f"{run}-{day}"}
        for name, rows in judged.items()
        for row in rows
    ]  # fmt: skip


def population_rows(
    day: int, segment: str, counts: Mapping[str, Mapping[str, int]], alarm: bool = False
) -> list[dict[str, Any]]:
    """Rows of `experiments.populations`; `counts` is basis to users by arm."""
    as_of = START + timedelta(days=day - 1)
    return [
        {"experiment_id": "exp-1", "as_of_ds": as_of, "segment": segment, "basis": basis, "users": dict(users),
         "sample_ratio_p": p, "sample_ratio_p_adjusted": p, "sample_ratio_alarm": alarm and p is not None,
         "input_versions": "{}", "schema_version": 1, "ds": as_of, "run_id": f"run-{day}"}
        for basis, users in counts.items()
        for p in [(1e-9 if alarm else 0.31) if basis in ("assigned", "exposed") else None]
    ]  # fmt: skip


def experiment(
    lake: Lake, effects: Mapping[str, float], until: int = 7, users: int = 2_000, alarm: bool = False
) -> None:
    """An experiment read out on each day up to `until`; `effects` is arm to true lift, the control first."""
    arms = list(effects)
    declare(lake, arms)
    lifts, populations = [], []
    for day in range(1, until + 1):
        for segment, share in (("all", 1.0), ("locale=en-US", 0.7), (f"locale={MARKUP}", 0.3)):
            rng = np.random.default_rng([7, day, int(10 * share)])
            exposed = int(users * share * (0.4 + 0.6 * day / 7))
            found = {name: arm(rng, exposed, more, day) for name, more in effects.items()}
            control = found.pop(arms[0])
            compared = {name: compare(one, control, fraction=day / 7) for name, one in found.items()}
            lifts += lift_rows(day, compared, arms[0], blocked=alarm, segment=segment)
            sizes = {name: exposed + place for place, name in enumerate(arms)}
            broken = alarm and segment == "all"
            populations += population_rows(day, segment, {"exposed": sizes, "assigned": sizes}, broken)
        populations += population_rows(day, "all", {basis: dict.fromkeys(arms, 3) for basis in BASES[2:]})
        for first in range(day):
            sizes = {name: 100 + 10 * first + place for place, name in enumerate(arms)}
            segment = f"first_exposure_ds={START + timedelta(days=first)}"
            populations += population_rows(day, segment, {"exposed": sizes})
    put(lake, "experiments.readouts", lifts)
    put(lake, "experiments.populations", populations)


def of_kind(kind: IntervalKind, ends: tuple[float, float, float, float]) -> Comparison:
    """Depth whose numbers make a set of that kind."""
    found = lift_interval(*ends)
    assert found.kind is kind
    return Comparison(
        "depth", "plain", Status.ok, 50, 50, ends[0], ends[2], ends[1], ends[3], found.lift, found.low, found.high,
        found.gap_low, found.gap_high, found.kind, 0.5,
    )  # fmt: skip


def kinds(lake: Lake) -> None:
    """Arms whose depth forms each kind of set, or none for each reason."""
    sets = {
        "asymmetric": of_kind(IntervalKind.bounded, (1.1, 0.01, 1.0, 0.04)),
        "complement": of_kind(IntervalKind.complement, (3.0, 0.01, 1.0, 1.0)),
        "one end": replace(of_kind(IntervalKind.bounded, (1.1, 0.01, 1.0, 0.04)), interval_kind=IntervalKind.half_line,
                           high_pct=None, low_pct=-20.0),
        "other end": replace(of_kind(IntervalKind.bounded, (1.1, 0.01, 1.0, 0.04)), high_pct=9.0, low_pct=None,
                             interval_kind=IntervalKind.half_line),
        "whole line": of_kind(IntervalKind.whole_line, (0.1, 1.0, 0.1, 1.0)),
        **{status.value: Comparison("depth", "plain", status, 0, 0) for status in Status if status is not Status.ok},
    }  # fmt: skip
    declare(lake, ["control", *sets])
    put(lake, "experiments.readouts", lift_rows(7, {name: [row] for name, row in sets.items()}, "control"))


def row_of(**values: Any) -> dict[str, Any]:
    """A readout row as the words need it."""
    plain = {
        "arm": "V3", "control_arm": "control", "metric": "breadth", "method": "plain", "status": "ok", "k": 7,
        "verdict": "positive", "lift_pct": 2.5, "low_pct": 1.0, "high_pct": 4.2, "interval_kind": "bounded",
    }  # fmt: skip
    return {**plain, **values}


def test_every_set_is_told_as_what_it_is(lake: Lake, tmp_path: Path) -> None:
    kinds(lake)
    page = write_readout(read_readout(lake, "exp-1"), tmp_path / "page.html").read_text(encoding="utf-8")
    told = {
        cells[0]: cells[1] for cells in re.findall(r'<th scope="row">([^<]+)</th>\s*<td>(.*?)<small>', page)
    }
    assert told["asymmetric"] == '<b class="v">+10.0 %</b> (−25.3 to +85.2)'
    # a = 1 - 1.96^2, b = 3, c = 9 - 0.0384: the roots are 1.0103 and -3.1219.
    assert told["complement"] == '<b class="v">+200 %</b> (−412 % or less, or +1 % or more)'
    assert "−20.0 % or more" in told["one end"]
    assert "+9.0 % or less" in told["other end"]
    assert "any lift is possible" in told["whole line"]
    for status in set(Status) - {Status.ok}:
        assert f'<th scope="row">{status.value}</th>' in page
        assert f"<td>{words.STATUSES[status]}</td>" in page
    plots = json.loads(re.search(r'id="plots">(.*?)</script>', page, re.DOTALL).group(1))  # type: ignore[union-attr]
    drawn = [trace for trace in plots["lift-depth"]["data"] if trace["mode"] == "lines+markers"]
    assert len(drawn) == 1 + 2 + 1 + 1 + 1  # a complement is two stretches; what is undefined is none
    assert not any(low > high for trace in drawn for low, high in [trace["x"]])


def test_words_stand_for_every_value_that_tables_hold() -> None:
    assert set(words.VERDICTS) == set(words.VERDICT_MEANINGS) == set(Verdict)
    assert set(words.STATUSES) == set(Status)
    assert set(words.KIND_MEANINGS) == set(IntervalKind)
    assert tuple(words.METRICS) == tuple(words.MEANINGS) == METRICS
    assert tuple(words.METHODS) == tuple(words.METHOD_MEANINGS) == METHODS


@pytest.mark.parametrize(
    ("rows", "tone", "told"),
    [
        ([], "waiting", "There are no results yet."),
        ([row_of()], "better", "V3 is better than control: breadth +2.5 % (+1.0 to +4.2)."),
        ([row_of(verdict="negative", lift_pct=-2.5, low_pct=-4.0, high_pct=-1.1)], "worse",
         "V3 is worse than control: breadth −2.5 % (−4.0 to −1.1)."),
        ([row_of(), row_of(metric="depth", verdict="negative", lift_pct=-2.5, low_pct=-4.0, high_pct=-1.1)], "mixed",
         "V3 is better than control in one metric and worse in another: "
         "breadth +2.5 % (+1.0 to +4.2) and depth −2.5 % (−4.0 to −1.1)."),
        ([row_of(verdict="inconclusive")], "open",
         "No difference shown between V3 and control: breadth +2.5 % (+1.0 to +4.2)."),
        ([row_of(verdict="undetermined", status="none_engaged")], "waiting", "No verdict on V3 can be given."),
        ([row_of(verdict="blocked")], "refused", "No verdict: the arms do not have the declared sizes."),
        ([row_of(verdict="not_final", k=3), row_of(method="always_valid")], "waiting", "No verdict yet: day 3 of 7."),
        ([row_of(), row_of(arm="V4", verdict="inconclusive"), row_of(arm="V5", verdict="negative")], "mixed",
         "Of 3 arms compared with control: 1 better (V3), 1 worse (V5) and 1 with no difference shown."),
    ],
)  # fmt: skip
def test_the_first_sentence(rows: list[dict[str, Any]], tone: str, told: str) -> None:
    found = words.headline(rows, 7)
    assert (found.tone, found.verdict) == (tone, told)
    if rows and rows[-1]["method"] == "always_valid":
        assert found.more == (
            "The always-valid interval, which you can check every day, already shows breadth of V3 above control.",
        )


def test_one_page_that_text_cannot_break(lake: Lake, tmp_path: Path) -> None:
    experiment(lake, {"control": 0.0, "V3": 0.1}, until=7)
    readout = read_readout(lake, "exp-1")
    out = write_readout(readout, tmp_path / "page.html")
    page = out.read_text(encoding="utf-8")
    assert out.stat().st_size < 5_000_000
    assert MARKUP not in page
    assert not re.search(r'(?:src|href)="|@import|url\(', page.split("<script>")[0])
    plots = json.loads(re.search(r'id="plots">(.*?)</script>', page, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert all(f'id="{name}"' in page for name in plots)
    assert {"lift-breadth", "days-depth-0", "segment-locale-breadth", "exposures"} <= set(plots)
    assert not any(
        "<b>" in label for label in plots["segment-locale-breadth"]["layout"]["yaxis"]["categoryarray"]
    )
    assert "V3 is better than control: breadth" in page
    row = next(one for one in readout.lifts_on_day(method="plain", metric="breadth"))
    assert words.interval(row) in page
    assert [len(plots["days-breadth-0"]["data"][at]["x"]) for at in (1, 2)] == [7, 7]
    # Numbers beside the lifts are those of the tables.
    assert [(one["arm"], one["users"], len(one["days"])) for one in exposure_rows(readout)] == [
        ("control", 2_000, 7), ("V3", 2_001, 7),
    ]  # fmt: skip
    assert [one["users"] for one in exclusion_rows(readout)] == [6, 6, 6, 6]
    assert [(check["tests"], check["alarms"]) for check in sample_ratio_checks(readout)] == [
        (1, []), (1, []), (7, []), (4, []),
    ]  # fmt: skip
    assert readout.versions == {"experiments.unit_totals": 3}


def test_a_broken_sample_ratio_is_named_and_an_earlier_day_reads_as_it_did(
    lake: Lake, tmp_path: Path
) -> None:
    experiment(lake, {"control": 0.0, "V3": 0.1, "V4": 0.0}, until=3, alarm=True, users=200)
    broken = read_readout(lake, "exp-1")
    page = write_readout(broken, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No verdict: the arms do not have the declared sizes." in page
    assert "The sample-ratio test failed for all users assigned and all users exposed." in page
    # Day 2 was read out again, from other versions: the page shows the later readout of it, and nothing of day 3.
    again = {"V3": [of_kind(IntervalKind.bounded, (1.1, 0.01, 1.0, 0.04))]}
    put(lake, "experiments.readouts", lift_rows(2, again, "control", run="rune", versions=4))
    before = read_readout(lake, "exp-1", START + timedelta(days=1))
    assert [row["arm"] for row in before.lifts_on_day()] == ["V3"]
    assert before.versions == {"experiments.unit_totals": 4}
    assert {row["as_of_ds"].day for row in before.lifts} == {18, 19}


def test_what_was_never_declared_or_read_out_says_so(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ExperimentUnknown, match="no experiment 'exp-1'"):
        read_readout(lake, "exp-1")
    declare(lake, ["control", "V3"])
    page = write_readout(read_readout(lake, "exp-1"), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "There are no results yet." in page
    with pytest.raises(ExperimentUnknown, match=r"has no readout.*day 2026-11-18"):
        read_readout(lake, "exp-1", START)
