"""A real test of players, from events to readout through the jobs, beside tea-tasting and statsmodels.

`cookie_cats_ab` says of each player the arm, the rounds played in two weeks, and whether the player came back one and
seven days after installing. It has no times, so each round becomes a message at a made-up moment: one on the second day
of the window for who came back after a day, one on the last for who came back after seven, the others on the first.
Breadth is therefore over days one knows of; depth, share and mean over all players are as in the data.

Without the data players are drawn at random, and the output says so. `--size` is in players.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from benchmarks import race
from benchmarks.landed import tell

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
            frame: Any = pd.read_csv(file)
        frame = frame.iloc[np.sort(rng.choice(len(frame), min(size, len(frame)), replace=False))]
        ids = np.array([f"player-{user}" for user in frame["userid"]])
        rounds, back = (
            frame["sum_gamerounds"].to_numpy(),
            frame[["retention_1", "retention_7"]].to_numpy(dtype=bool),
        )
        return Players(ids, frame["version"].to_numpy(), _by_day(rounds, back)), True
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
    from infra.lake import Lake
    from infra.lake.migrate import migrate
    from infra.lake.sql import connect
    from infra.settings import load_settings
    from jobs.experiments import JOBS, READOUTS
    from jobs.experiments.definition import Definition, declare
    from jobs.runner import run_job

    settings = load_settings(home=home, spark={"driver_memory": "2g"})
    migrate(settings)
    definition = Definition(
        experiment_id=EXPERIMENT, title="A gate at level 40 instead of 30", owner="benchmarks", salt=EXPERIMENT,
        control_arm="gate_30", shares={"gate_30": 0.5, "gate_40": 0.5}, eligibility="who installed the game",
        start_ds=DAYS[0], end_ds=DAYS[-1],
    )  # fmt: skip
    declare(settings, definition, today=DAYS[0] - timedelta(days=1))
    lake = Lake.of(settings)
    land(lake, players)
    for job in JOBS:
        run_job(settings, job.name, DAYS[-1:] if job is READOUTS else DAYS)
    with connect(lake, _LIFTS + _USERS) as database:
        rows = database.execute(_LIFTS).fetchall()
        users, p = database.execute(_USERS).fetchall()[0]
    return {metric: tuple(numbers) for metric, *numbers in rows}, dict(users), float(p)


_LIFTS = """
SELECT metric, estimate_test, variance_of_mean_test, estimate_control, variance_of_mean_control, lift_pct, p_value
FROM experiments.readouts WHERE segment = 'all' AND method = 'plain'
"""
_USERS = (
    "SELECT users, sample_ratio_p FROM experiments.populations WHERE segment = 'all' AND basis = 'exposed'"
)


def land(lake: Any, players: Players) -> None:
    """Write `traffic.events` in place of landing: an exposure of each player, and a message for each round."""
    from deltalake import write_deltalake

    payload = {arm: json.dumps({"experiment_id": EXPERIMENT, "arm": arm}) for arm in set(players.arm)}
    payloads = pa.array([payload[arm] for arm in players.arm])
    tables = [_events("exposure", players.user_id, DAYS[0], 0, payloads)]
    for number, day in enumerate(DAYS):
        played = np.repeat(players.user_id, players.rounds[:, number])
        tables.append(_events("message", played, day, 1, pa.repeat(pa.scalar("{}"), len(played))))
    for table in tables:
        write_deltalake(lake.path("traffic.events"), table, mode="append", schema_mode="merge")
    tell(lake, "traffic.land", "traffic.events", DAYS)


def _events(kind: str, users: Column, day: date, hour: int, payload: pa.Array) -> pa.Table:
    """Events of one kind, day and hour, one a user named (who may be named often)."""
    count = len(users)

    def same(value: Any, of: Any = None) -> pa.Array:
        return pa.repeat(pa.scalar(value, of), count)

    moment = same(datetime(day.year, day.month, day.day, hour, tzinfo=UTC), pa.timestamp("us", tz="UTC"))
    return pa.table(
        {
            "event_id": pa.array([f"{kind}-{day}-{n}" for n in range(count)], pa.string()), "event_ts": moment,
            "received_ts": moment, "received_ds": same(day), "event_type": same(kind), "source": same("user"),
            "surface": same("web"), "user_id": pa.array(users, pa.string()), "locale": same("en-US"),
            "payload": payload, "source_file": same("benchmark"), "line": pa.array(np.arange(count)),
            "ds": same(day), "run_id": same("benchmark"),
        }
    )  # fmt: skip


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
        peer = tt.Experiment({"m": tt.Mean(metric, equal_var=False, use_t=False)}, variant="arm").analyze(
            users, control="gate_30"
        )["m"]
        test, control = (users.loc[users["arm"] == arm, metric] for arm in ("gate_40", "gate_30"))
        p = CompareMeans(DescrStatsW(test), DescrStatsW(control)).ztest_ind(usevar="unequal")[1]
        if not math.isclose(p, peer.pvalue, rel_tol=1e-9):
            raise AssertionError(f"the two libraries disagree on {metric}: {p} and {peer.pvalue}")
        answer[metric] = (
            float(peer.treatment), float(test.var() / len(test)), float(peer.control),
            float(control.var() / len(control)), 100 * float(peer.rel_effect_size), float(peer.pvalue),
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

    options = race.arguments(__doc__, 90_189)
    players, real = read_players(options.data, options.size, np.random.default_rng(options.seed))
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
