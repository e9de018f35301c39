"""Two score columns on the same responses: the library's rank correlation, and wins of planted policies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from models.signals.correlation import agreement, spearman


def scores(noise: float, users: int = 80, seed: int = 1) -> pd.DataFrame:
    """Three policies answer five turns of each user; V3 is better than V2, and V2 than V1; both models see it."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "turn_id": f"t{user}-{turn}",
            "user_id": f"u{user}",
            "policy": f"V{place}",
            "true": place + random.normal(),
        }
        for user in range(users)
        for turn in range(5)
        for place in (1, 2, 3)
    ]
    made = pd.DataFrame(rows)
    made["preference"] = made.true + random.normal(0, noise, len(made))
    made["signal"] = made.true + random.normal(0, noise, len(made))
    return made


def test_the_correlation_is_the_library_s_also_of_resampled_rows() -> None:
    random = np.random.default_rng(2)
    x, y = random.integers(0, 5, 60).astype(float), random.integers(0, 5, 60).astype(float)
    weights = random.integers(0, 4, (3, 60))
    for row, found in zip(weights, spearman(x, y, weights.astype(float)), strict=True):
        assert found == pytest.approx(spearmanr(np.repeat(x, row), np.repeat(y, row)).statistic)


def test_models_that_see_the_same_agree_on_pairs_and_on_policies() -> None:
    found = agreement(scores(0.5))
    assert (found.rows, found.users, found.pairs) == (1200, 80, 1200)
    assert found.spearman.low is not None
    assert found.spearman.low > 0.7
    assert found.alike.low is not None
    assert found.alike.low > 0.75
    assert [(one.first, one.second, one.agrees, one.turns) for one in found.win_rates] == [
        ("V1", "V2", True, 400), ("V1", "V3", True, 400), ("V2", "V3", True, 400),
    ]  # fmt: skip
    # One of three intervals may miss 0 by chance: what both see apart stays small.
    assert all(abs(one.difference.value or 0) < 0.05 for one in found.win_rates)
    rising = [signal.value or 0 for _, signal, _ in found.trend]
    assert rising == sorted(rising)


def test_a_model_that_sees_something_else_does_not_agree() -> None:
    made = scores(0.5).assign(signal=np.random.default_rng(4).normal(size=1200))
    found = agreement(made)
    assert found.spearman.low is not None
    assert found.spearman.high is not None
    assert found.spearman.low < 0 < found.spearman.high
    assert found.alike.low is not None
    assert found.alike.high is not None
    assert found.alike.low < 0.5 < found.alike.high


def test_too_few_users_and_missing_scores_are_told() -> None:
    made = scores(0.5, users=10)
    made.loc[0, "signal"] = np.nan
    found = agreement(made)
    assert found.rows == 149
    assert found.spearman.value is None
    assert set(found.metrics()) == {"rows", "users", "pairs"}
