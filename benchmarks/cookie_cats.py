"""A real test of players, from events to readout through the jobs, beside tea-tasting and statsmodels.

`cookie_cats_ab` says of each player the arm, the rounds played in two weeks, and whether the player came back one and
seven days after installing. It has no times, so each round becomes a message at a made-up moment: one on the second day
of the window for who came back after a day, one on the last for who came back after seven, the others on the first.
Breadth is therefore over days one knows of; depth, share and mean over all players are as in the data.

Without the data players are drawn at random, and the output says so. `--size` is in players.
"""

from __future__ import annotations

import gzip
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import race
from benchmarks.experiment_lake import ExperimentLake, exposures, messages

Column = npt.NDArray[Any]
EXPERIMENT = "cookie-cats"
DAYS = tuple(date(2026, 11, 2) + timedelta(days=n) for n in range(7))
GOAL = {"agree_to": 1e-9}
Answer = dict[str, tuple[float, ...]]
"""Metric to estimate and its squared standard error of the test arm, of the control, lift in percent, p."""


@dataclass(frozen=True)
class Players:
    """One entry a player; `rounds` by day of the window, shape (players, 7)."""

    user_id: Column
    arm: Column
    rounds: Column

    @property
    def days_engaged(self) -> Column:
        """Days with a round."""
        return np.asarray((self.rounds > 0).sum(axis=1))

    @property
    def amount(self) -> Column:
        """All rounds."""
        return np.asarray(self.rounds.sum(axis=1))


def read_players(data: Path, size: int, rng: np.random.Generator) -> tuple[Players, bool]:
    """A random `size` of the players, and whether they are real."""
    path = data / "cookie_cats_ab" / "cookie_cats.csv.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            told: Any = pd.read_csv(file)
        told = told.iloc[np.sort(rng.choice(len(told), min(size, len(told)), replace=False))]
        ids = np.array([f"player-{one}" for one in told["userid"]])
        rounds, back = (
            told["sum_gamerounds"].to_numpy(),
            told[["retention_1", "retention_7"]].to_numpy(dtype=bool),
        )
        return Players(ids, told["version"].to_numpy(), _by_day(rounds, back)), True
    rounds = np.floor(rng.lognormal(2.5, 1.7, size)).astype(int)
    back = rng.random((size, 2)) < np.minimum(0.9, 0.1 + rounds / 200)[:, None]
    ids = np.array([f"player-{n}" for n in range(size)])
    return Players(ids, rng.choice(["gate_30", "gate_40"], size), _by_day(rounds, back)), False


def _by_day(rounds: Column, back: Column) -> Column:
    """Rounds by day: one on each day of coming back as long as there are any, the others on the first."""
    later = np.zeros((len(rounds), len(DAYS)), dtype=int)
    later[:, 1] = back[:, 0] & (rounds > 0)
    later[:, -1] = back[:, 1] & (rounds > later[:, 1])
    later[:, 0] = rounds - later.sum(axis=1)
    return later


def through_the_jobs(home: Path, players: Players) -> tuple[Answer, dict[str, int], float]:
    """The readout of the last day by the method plain, users by arm, and the sample-ratio p."""
    from jobs.experiments.definition import Definition

    place = ExperimentLake.fresh(home)
    definition = Definition(
        experiment_id=EXPERIMENT, title="A gate at level 40 instead of 30", owner="benchmarks", salt=EXPERIMENT,
        control_arm="gate_30", shares={"gate_30": 0.5, "gate_40": 0.5}, eligibility="who installed the game",
        start_ds=DAYS[0], end_ds=DAYS[-1],
    )  # fmt: skip
    place.declare([definition])
    count = len(players.user_id)
    events = [
        exposures(EXPERIMENT, list(players.user_id), list(players.arm), [DAYS[0]] * count, [0.0] * count)
    ]
    for number, day in enumerate(DAYS):
        played = np.flatnonzero(players.rounds[:, number])
        events.append(
            messages(
                players.user_id[played], [day] * len(played), players.rounds[played, number], 3600.0, str(day)
            )
        )
    place.land([one for one in events if one.num_rows], DAYS)
    place.run(DAYS, DAYS[-1:])
    rows = place.rows(
        "SELECT metric, estimate_test, variance_of_mean_test, estimate_control, variance_of_mean_control, lift_pct, "
        "p_value FROM experiments.readouts WHERE segment = 'all' AND method = 'plain'"
    )
    users, p = place.rows(
        "SELECT users, sample_ratio_p FROM experiments.populations WHERE segment = 'all' AND basis = 'exposed'"
    )[0]
    return {metric: tuple(numbers) for metric, *numbers in rows}, dict(users), float(p)


def by_libraries(players: Players) -> Answer:
    """Means, variances, lifts and p from the players themselves, by tea-tasting; p again by statsmodels."""
    import tea_tasting as tt
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    some = (players.amount > 0).astype(float)
    frame = pd.DataFrame(
        {
            "arm": players.arm, "breadth": players.days_engaged / len(DAYS), "share_engaged": some,
            "mean_exposed": players.amount.astype(float),
        }
    )  # fmt: skip
    answer: Answer = {}
    frames = dict.fromkeys(("breadth", "mean_exposed", "share_engaged"), frame)
    frames["depth"] = frame[some > 0].rename(columns={"mean_exposed": "depth"}, errors="raise")[
        ["arm", "depth"]
    ]
    for metric, users in frames.items():
        told = tt.Experiment({"m": tt.Mean(metric, equal_var=False, use_t=False)}, variant="arm").analyze(
            users, control="gate_30"
        )["m"]
        test, control = (users.loc[users["arm"] == arm, metric] for arm in ("gate_40", "gate_30"))
        p = CompareMeans(DescrStatsW(test), DescrStatsW(control)).ztest_ind(usevar="unequal")[1]
        if not math.isclose(p, told.pvalue, rel_tol=1e-9):
            raise AssertionError(f"the two libraries disagree on {metric}: {p} and {told.pvalue}")
        answer[metric] = (
            float(told.treatment), float(test.var() / len(test)), float(told.control),
            float(control.var() / len(control)), 100 * float(told.rel_effect_size), float(told.pvalue),
        )  # fmt: skip
    return answer


def distance(ours: Mapping[str, tuple[float, ...]], theirs: Mapping[str, tuple[float, ...]]) -> float:
    """Largest relative difference of two answers; infinite where a metric is missing."""
    if set(ours) != set(theirs):
        return math.inf
    pairs = [pair for metric in ours for pair in zip(ours[metric], theirs[metric], strict=True)]
    return max(abs(a - b) / max(abs(a), abs(b), 1e-300) for a, b in pairs)


def main() -> bool:
    """Read the test out both ways; whether the answers agree."""
    from scipy import stats

    asked = race.arguments(__doc__, 90_189)
    players, real = read_players(asked.data, asked.size, np.random.default_rng(asked.seed))
    whose = "real" if real else "random (the data is not there)"
    print(f"{len(players.user_id):,} {whose} players, {players.amount.sum():,} rounds\n")
    with tempfile.TemporaryDirectory() as home:
        ours, users, ratio_p = through_the_jobs(Path(home), players)
    theirs = by_libraries(players)
    print(race.table(
        ["metric", "gate_30", "gate_40", "lift %", "p"],
        [(m, f"{r[2]:.5g}", f"{r[0]:.5g}", f"{r[4]:+.3f}", f"{r[5]:.4g}") for m, r in sorted(ours.items())],
    ))  # fmt: skip
    counts = {arm: int((players.arm == arm).sum()) for arm in ("gate_30", "gate_40")}
    ratio = float(stats.chisquare(list(counts.values())).pvalue)
    print(f"users {users}, sample ratio p = {ratio_p:.4g}")
    apart = distance(ours, theirs)
    return race.close(
        "cookie_cats",
        {"players": len(players.user_id), "real": real, "apart": apart, "users": users, "sample_ratio_p": ratio_p},
        GOAL,
        {
            "answers_agree": apart <= GOAL["agree_to"],
            "every_player_counted": users == counts,
            "sample_ratio_agrees": math.isclose(ratio_p, ratio, rel_tol=1e-9),
        },
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
