"""Hundreds of A/A experiments through the whole Spark path at once, with the real hash.

The same simulated users are in every experiment; each experiment has a salt of its own, so its arms cut them anew, and
no arm does anything. Exposures and messages go through assignments, covariates, unit totals and readouts as any others.
Then: how often is a lift of nothing called significant, and how often do the arms look wrongly sized? And every readout
is computed again from the users in numpy, to the last digits.

`--size` is the number of experiments; ten thousand experiments go through the comparison alone in `calibration`.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks import race
from benchmarks.experiment_lake import ExperimentLake, exposures, messages

Column = npt.NDArray[Any]
DAYS = tuple(date(2026, 11, 9) + timedelta(days=n) for n in range(7))
BEFORE = tuple(DAYS[0] - timedelta(days=n) for n in range(7, 0, -1))
SHARE = 0.1
ARRIVE = (0.6, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05)
"""Share of users first exposed on each day of the window."""
TESTS = (
    ("breadth", "plain"),
    ("breadth", "cuped"),
    ("depth", "plain"),
    ("depth", "winsorised"),
    ("depth", "cuped"),
)
ALPHA = 0.05
SAMPLE_RATIO_ALPHA = 0.001
GOAL = {
    "false_positives": "within the 99.9 % band of 5 %",
    "agree_to": 1e-9,
    "sample_ratio_alarms": "as 0.001 allows",
}


@dataclass(frozen=True)
class Users:
    """One entry a user; messages by day, shape (users, 7), before and in the window."""

    user_id: Column
    first: Column
    before: Column
    within: Column

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int) -> Users:
        """Users who like the product more or less, before as well as in the window."""
        liking = rng.beta(0.8, 1.6, count)
        pace = rng.lognormal(0.8, 0.9, count)

        def days() -> Column:
            engaged = rng.random((count, len(DAYS))) < liking[:, None]
            return np.where(engaged, 1 + rng.poisson(pace[:, None], (count, len(DAYS))), 0)

        first = rng.choice(len(DAYS), count, p=ARRIVE)
        within = np.where(np.arange(len(DAYS)) >= first[:, None], days(), 0)
        return cls(np.array([f"u{n:07d}" for n in range(count)]), first, days(), within)


def experiments(count: int) -> list[Any]:
    """Definitions that differ in their salt alone."""
    from jobs.experiments.definition import Definition

    return [
        Definition(
            experiment_id=f"aa-{n:04d}", title="Nothing is tested", owner="benchmarks", salt=f"aa-{n:04d}",
            shares={"control": SHARE, "test": SHARE}, eligibility="everybody", start_ds=DAYS[0], end_ds=DAYS[-1],
        )
        for n in range(count)
    ]  # fmt: skip


def run_through(place: ExperimentLake, users: Users, definitions: Sequence[Any]) -> list[Column]:
    """Land, run and read out; the arm of each user by experiment (None: outside)."""
    place.declare(definitions)
    moments = [users_messages(users.user_id, users.before[:, n], day) for n, day in enumerate(BEFORE)]
    moments += [users_messages(users.user_id, users.within[:, n], day) for n, day in enumerate(DAYS)]
    arms: list[Column] = []
    shown = []
    for one in definitions:
        arm = np.array([one.arm_of(user) for user in users.user_id], dtype=object)
        chosen = np.flatnonzero(arm != None)  # noqa: E711 - elementwise
        days = [DAYS[n] for n in users.first[chosen]]
        shown.append(
            exposures(
                one.experiment_id,
                list(users.user_id[chosen]),
                list(arm[chosen]),
                days,
                [3600.0] * len(chosen),
            )
        )
        arms.append(arm)
    place.land([*moments, *shown], (*BEFORE, *DAYS))
    place.run(DAYS, DAYS[-1:])
    return arms


def users_messages(user_id: Column, counts: Column, day: date) -> Any:
    """What all users sent on a day, after they were exposed."""
    some = np.flatnonzero(counts)
    return messages(user_id[some], [day] * len(some), counts[some], 7200.0, str(day))


def farthest(place: ExperimentLake, users: Users, arms: Sequence[Column]) -> float:
    """Largest relative difference of an estimate or variance of the jobs to numpy's."""
    rows = place.rows(
        "SELECT experiment_id, metric, estimate_test, variance_of_mean_test, "
        "estimate_control, variance_of_mean_control FROM experiments.readouts "
        "WHERE segment = 'all' AND method = 'plain' AND metric IN ('breadth', 'depth')"
    )
    days, amount = (users.within > 0).sum(axis=1) / len(DAYS), users.within.sum(axis=1)
    apart = 0.0 if len(rows) == 2 * len(arms) else math.inf
    for name, metric, *told in rows:
        arm = arms[int(name.split("-")[1])]
        for at, side in enumerate(("test", "control")):
            values = days[arm == side] if metric == "breadth" else amount[(arm == side) & (amount > 0)]
            ours = (values.mean(), values.var(ddof=1) / len(values))
            apart = max(
                apart, *(abs(a - b) / abs(b) for a, b in zip(told[2 * at : 2 * at + 2], ours, strict=True))
            )
    return float(apart)


def band(count: int, chance: float, level: float = 0.999) -> tuple[float, float]:
    """Shares of `count` between which a binomial of `chance` falls with probability `level`."""
    low, high = stats.binom.interval(level, count, chance)
    return low / count, high / count


def main() -> bool:
    """Run all experiments and say how often nothing was called something."""
    asked = race.arguments(
        __doc__, 200, {"users": ("20000", "simulated users"), "memory": ("2g", "Java's heap")}
    )
    users = Users.draw(np.random.default_rng(asked.seed), int(asked.users))
    definitions = experiments(asked.size)
    with tempfile.TemporaryDirectory() as home:
        place = ExperimentLake.fresh(Path(home), asked.memory)
        arms = run_through(place, users, definitions)
        apart = farthest(place, users, arms)
        told = place.rows(
            "SELECT metric, method, p_value, lift_pct FROM experiments.readouts "
            "WHERE segment = 'all' AND status = 'ok'"
        )
        ratios = [p for (p,) in place.rows(
            "SELECT sample_ratio_p FROM experiments.populations WHERE segment = 'all' AND basis = 'exposed'"
        )]  # fmt: skip
        user_days = place.rows("SELECT count(*) FROM experiments.unit_days")[0][0]
    low, high = band(asked.size, ALPHA)
    lines, shares, uniform = [], {}, {}
    for metric, method in TESTS:
        found = [(p, lift) for m, how, p, lift in told if (m, how) == (metric, method)]
        p_values = np.array([p for p, _ in found])
        up, down = (sum(p < ALPHA and sign * lift > 0 for p, lift in found) for sign in (1, -1))
        shares[f"{metric}_{method}"] = share = float((p_values < ALPHA).mean()) if found else math.nan
        uniform[f"{metric}_{method}"] = ks = (
            float(stats.kstest(p_values, "uniform").pvalue) if found else math.nan
        )
        lines.append((metric, method, len(found), f"{100 * share:.1f}", up, down, f"{ks:.3f}"))
    alarms = sum(p < SAMPLE_RATIO_ALPHA for p in ratios)
    allowed = int(stats.binom.ppf(0.999, asked.size, SAMPLE_RATIO_ALPHA))
    mean_users = np.mean([np.sum(arm == "test") for arm in arms])
    print(f"{asked.size} experiments, {mean_users:.0f} users an arm, {user_days:,} user-days\n")
    print(
        race.table(
            ["metric", "method", "read out", "false positives %", "up", "down", "p of uniformity"], lines
        )
    )
    print(
        f"99.9 % band of 5 %: {100 * low:.1f} to {100 * high:.1f}; sample-ratio alarms {alarms} (at most {allowed})"
    )
    print(f"largest relative difference to numpy: {apart:.1e}")
    return race.close(
        "aa_through_spark",
        {
            "experiments": asked.size, "users_per_arm": float(mean_users), "user_days": user_days,
            "false_positives": shares, "uniformity_p": uniform, "sample_ratio_alarms": alarms, "apart": apart,
        },
        GOAL,
        {
            # Heavy tails make the raw interval too wide, never too narrow.
            "false_positives_in_band": all(
                share <= high and (share >= low or name == "depth_plain") for name, share in shares.items()
            ),
            "all_read_out": len(ratios) == asked.size and all(line[2] == asked.size for line in lines),
            "sample_ratio_alarms": alarms <= allowed,
            "answers_agree": apart <= 1e-9,
        },
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
