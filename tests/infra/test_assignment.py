"""Assignment: the stated shares, the same arm for ever, and independence between experiments."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

from scipy.stats import chi2_contingency

from infra.assignment import arm_of
from infra.sandbox.settings import ExperimentSettings
from jobs.experiments.statistics import sample_ratio_p_value

# The arms of the past: another hash would move the users of experiments that run.
KNOWN = ["control", None, None, None, "control", "control", None, "test"]
USERS = [f"u{i}" for i in range(20_000)]
SHARES = {"control": 0.1, "test": 0.1, "other": 0.1}


def test_arms_have_their_shares_and_users_stay_in_them() -> None:
    arms = [arm_of(user, "x", SHARES) for user in USERS]
    counts = Counter(arms)
    observed = [*(counts[arm] for arm in SHARES), counts[None]]
    assert sample_ratio_p_value(observed, [0.1, 0.1, 0.1, 0.7]) > 0.001
    assert arms == [arm_of(user, "x", SHARES) for user in USERS]
    assert [arm_of(f"u{i}", "exp-001", ExperimentSettings().shares) for i in range(8)] == KNOWN
    assert {arm_of(user, "x", {"a": 0.5, "b": 0.5}) for user in USERS} == {"a", "b"}


def test_experiments_are_independent_of_one_another() -> None:
    shares = {"control": 0.5, "test": 0.5}
    arms = {salt: [arm_of(user, salt, shares) for user in USERS] for salt in map(str, range(12))}
    p_values = []
    for one, other in combinations(arms.values(), 2):
        joint = Counter(zip(one, other, strict=True))
        table = [[joint[a, b] for b in shares] for a in shares]
        assert all(joint[pair] for pair in product(shares, shares))
        p_values.append(chi2_contingency(table, correction=False).pvalue)
    # 66 pairs at a level of 0.001 together.
    assert min(p_values) > 0.001 / len(p_values)
    assert sum(p < 0.05 for p in p_values) <= 10
