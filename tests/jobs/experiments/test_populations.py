"""Who counts, by arm, and when the arms are not as large as declared."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.experiments.populations import Population, populations, without_share
from jobs.experiments.statistics import sample_ratio_p_value
from tests.jobs.experiments.conftest import date_of, declared


def cell(
    arm: str, users: int, day: int = 0, excluded: str | None = None, language: str | None = None
) -> dict[str, Any]:
    return {
        "arm": arm, "users": users, "first_exposure_ds": date_of(day), "excluded": excluded, "language": language,
        "locale": None, "surface": None, "tenure": None,
    }  # fmt: skip


def test_counts_and_ratios() -> None:
    cells = [
        cell("control", 500),
        cell("test", 480),
        cell("test", 30, day=1),
        cell("control", 9, excluded="bot"),
    ]
    found = {(one.segment, one.basis): one for one in populations(cells, declared(), 0.001)}
    assert dict(found["all", "assigned"].users) == {"control": 509, "test": 510}
    assert dict(found["all", "exposed"].users) == {"control": 500, "test": 510}
    assert dict(found["all", "bot"].users) == {"control": 9, "test": 0}
    assert dict(found["all", "internal"].users) == {"control": 0, "test": 0}
    assert found["all", "exposed"].sample_ratio_p == sample_ratio_p_value([500, 510], [0.1, 0.1])
    assert found["all", "bot"].sample_ratio_p is None
    # Thirty users of one arm on the second day, none of the other: the day is told from the whole.
    second = found[f"first_exposure_ds={date_of(1)}", "exposed"]
    assert second.sample_ratio_p == pytest.approx(4.3e-8, rel=0.05)
    assert second.sample_ratio_p_adjusted == pytest.approx(2 * (second.sample_ratio_p or 0))
    assert alarms(list(found.values())) == {
        (f"first_exposure_ds={date_of(1)}", "assigned"), (f"first_exposure_ds={date_of(1)}", "exposed")
    }  # fmt: skip


def alarms(found: list[Population]) -> set[tuple[str, str]]:
    return {(one.segment, one.basis) for one in found if one.sample_ratio_alarm}


def test_a_level_is_corrected_among_all_levels_and_small_ones_are_not_tested() -> None:
    levels = [cell(arm, 1000, language=f"l{n}") for n in range(20) for arm in ("control", "test")]
    tilted = [*levels, cell("control", 1000, language="tilted"), cell("test", 1160, language="tilted")]
    found = {
        (one.segment, one.basis): one
        for one in populations([*tilted, cell("test", 8, language="few")], declared(), 0.001)
    }
    tilt = found["language=tilted", "exposed"]
    assert (tilt.sample_ratio_p or 1) < 0.001 < (tilt.sample_ratio_p_adjusted or 0)
    assert not tilt.sample_ratio_alarm
    assert found["language=few", "exposed"].sample_ratio_p is None


def test_users_in_an_arm_without_a_share_are_an_alarm_and_no_part_of_the_test() -> None:
    cells = [cell("control", 100), cell("test", 100), cell("variant", 1)]
    found = {(one.segment, one.basis): one for one in populations(cells, declared(), 0.001)}
    assert alarms(list(found.values())) == {("all", "assigned"), ("all", "exposed")}
    assert found["all", "exposed"].sample_ratio_p == 1
    assert without_share(found["all", "exposed"].users, declared().shares) == {"variant": 1}
    assert alarms(populations(cells[:2], declared(), 0.001)) == set()
    # Also where too few users are there to test the others.
    (few,) = (
        one
        for one in populations(cells[2:], declared(), 0.001)
        if (one.segment, one.basis) == ("all", "exposed")
    )
    assert (few.sample_ratio_p, few.sample_ratio_alarm) == (None, True)


def test_shares_need_not_be_equal() -> None:
    one = declared(shares={"control": 0.2, "test": 0.1})
    assert alarms(populations([cell("control", 2000), cell("test", 1000)], one, 0.001)) == set()
    assert ("all", "exposed") in alarms(populations([cell("control", 1500), cell("test", 1500)], one, 0.001))
