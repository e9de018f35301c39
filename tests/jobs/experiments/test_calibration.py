"""The calibration of readouts at 2,000 experiments a part; `benchmarks/calibration.py` runs 10,000."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibration
from benchmarks.calibration import Part
from benchmarks.experiment_users import Population, real_pool, simulated_pool

EXPERIMENTS = 2_000
POPULATION = Population()


def test_splits_of_simulated_users_raise_no_more_alarms_than_chance() -> None:
    rng = np.random.default_rng(7)
    _all_met(calibration.splits(simulated_pool(rng, 1_000, POPULATION), rng, EXPERIMENTS))


@pytest.mark.real_data
def test_splits_of_real_players_raise_no_more_alarms_than_chance(shared_data: Path) -> None:
    rng = np.random.default_rng(7)
    players = real_pool(shared_data, rng, 1_000)
    assert players is not None
    _all_met(calibration.splits(players, rng, EXPERIMENTS))


def test_intervals_cover_true_lifts() -> None:
    _all_met(calibration.coverage(POPULATION, np.random.default_rng(7), EXPERIMENTS, users=500))


def test_both_tails_hold_where_the_delta_method_fails_one() -> None:
    part = calibration.ratio_tails(np.random.default_rng(7), EXPERIMENTS)
    _all_met(part)
    tails = part.figures["tails_at_cv_10"]
    assert isinstance(tails, dict)
    assert tails["delta"][0] < 1.5 < 3.5 < tails["delta"][1]


def test_the_planners_own_effect_is_found_as_often_as_planned() -> None:
    _all_met(calibration.power(POPULATION, np.random.default_rng(7), EXPERIMENTS, users=2_000))


def test_peeking_is_free_with_the_always_valid_interval_only() -> None:
    part = calibration.peeking(POPULATION, np.random.default_rng(7), 100)
    _all_met(part)
    ever = part.figures["ever_excluded_pct"]
    assert isinstance(ever, dict)
    assert ever["breadth_plain"] > 8


def _all_met(part: Part) -> None:
    assert all(part.met.values()), part.table
