"""Calibration: by hand, against a simulation whose truth is known, and what chance alone shows."""

from __future__ import annotations

import numpy as np
import pytest

from infra.errors import TrainingRefused
from models.calibration import Calibration, calibrate, calibration_error, error_by_chance, reliability


def test_the_error_by_hand() -> None:
    """Ten rows at .15 of which 3 happened, thirty at .75 of which 24 did: (10 * .15 + 30 * .05) / 40."""
    probabilities = np.array([0.15] * 10 + [0.75] * 30)
    happened = np.array([True] * 3 + [False] * 7 + [True] * 24 + [False] * 6)
    for bins in ("width", "mass"):
        found = reliability(probabilities, happened, bins)
        assert [(b.rows, round(b.predicted, 9), round(b.observed, 9)) for b in found] == [
            (10, 0.15, 0.3), (30, 0.75, 0.8),
        ]  # fmt: skip
        assert calibration_error(found) == pytest.approx((10 * 0.15 + 30 * 0.05) / 40)


def test_equal_rows_see_what_equal_widths_do_not() -> None:
    """Of something rare every prediction lies in the first bin of equal width, whatever it is worth."""
    random = np.random.default_rng(1)
    truth = np.repeat([0.01, 0.08], 20_000)
    happened = random.random(40_000) < truth
    swapped = truth[::-1].copy()
    assert calibration_error(reliability(swapped, happened)) < 0.005
    assert calibration_error(reliability(swapped, happened, "mass")) == pytest.approx(0.07, abs=0.005)


def test_the_error_of_a_known_truth_is_found_and_repaired() -> None:
    """Log-odds that are twice too bold and shifted: the error is E|p - truth|, and Platt's two numbers undo both."""
    random = np.random.default_rng(2)
    true_logits = random.normal(-1, 1, 60_000)
    truth = 1 / (1 + np.exp(-true_logits))
    happened = random.random(60_000) < truth
    bold = 2 * true_logits + 0.7
    claimed = 1 / (1 + np.exp(-bold))
    found = calibration_error(reliability(claimed, happened, "mass"))
    assert found == pytest.approx(float(np.abs(claimed - truth).mean()), abs=0.01)
    for kind in ("platt", "isotonic"):
        fitted = calibrate(bold[:30_000], happened[:30_000], kind)
        repaired = Calibration.of(fitted.as_dict())(bold[30_000:])
        error = calibration_error(reliability(repaired, happened[30_000:], "mass"))
        assert error < error_by_chance(repaired, 3)[1] + 0.005
        assert np.abs(repaired - truth[30_000:]).mean() < 0.01
        assert (np.diff(repaired[np.argsort(bold[30_000:])]) >= 0).all()
    platt = calibrate(bold, happened)
    assert platt.slope == pytest.approx(0.5, abs=0.02)
    assert platt.offset == pytest.approx(-0.35, abs=0.03)


def test_chance_alone_shows_an_error_and_says_which() -> None:
    random = np.random.default_rng(4)
    held = 0
    for seed in range(100):
        probabilities = random.beta(2, 8, 300)
        happened = random.random(300) < probabilities
        _, most = error_by_chance(probabilities, seed)
        held += calibration_error(reliability(probabilities, happened, "mass")) <= most
    assert 88 <= held <= 100


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(TrainingRefused, match="same outcome"):
        calibrate(np.zeros(5), np.zeros(5, dtype=bool))
    with pytest.raises(TrainingRefused, match="not finite"):
        calibrate(np.array([0.0, np.nan]), np.array([True, False]))


def test_log_odds_that_tell_nothing_become_the_rate() -> None:
    """A model that is wrong way round on the calibration rows is not turned: it says the mean."""
    logits = np.linspace(-2, 2, 200)
    happened = logits < -1
    told = calibrate(logits, happened)(logits)
    assert told.mean() == pytest.approx(happened.mean(), abs=1e-3)
    assert np.ptp(told) < 0.01
