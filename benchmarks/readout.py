"""What do readouts cost beside plain SQL? The real jobs against DuckDB and tea-tasting.

Ten arms, seven days, users who come in day by day; a row of `experiments.unit_days` for each user and day. All sides
read the same Delta files in one process, alternately; CPU seconds are those of the process and its children (Java).

1. *Full readout*: from all user-days to the lifts of the last day. The jobs' functions are `unit_totals`, `gather` and
   `readout`, which also give CUPED, winsorised and always-valid results, sample ratios and exclusions. DuckDB and
   tea-tasting do the plain method only, DuckDB with Fieller's interval by hand.
2. *Seven days*: on each day DuckDB starts again from all user-days so far. The jobs add each day to the totals of the
   day before, write them with all checks, and run `experiments.readouts`.

The race compares all answers number by number. `--size` is in user-days. `--users_on_driver 0` makes every part run on
Spark (`experiments.users_on_driver`).
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import race
from benchmarks.landed import tell

EXPERIMENT = "race"
DAYS = tuple(date(2026, 11, 2) + timedelta(days=n) for n in range(7))
ARMS = ("control", *(f"V{n}" for n in range(1, 10)))
ARRIVE = (0.60, 0.12, 0.08, 0.06, 0.05, 0.05, 0.04)
"""Share of users first exposed on each day of the window."""
GOAL = {"times_duckdb": 8.0, "agree_to": 1e-9}
_Z = NormalDist().inv_cdf(0.975)
_CHUNK = 500_000
Answer = dict[tuple[str, str, date], tuple[float | None, ...]]
"""(arm, metric, day) -> estimate of the arm, of the control, lift, low, high (percent)."""


@dataclass(frozen=True)
class Place:
    """The lake of one race."""

    settings: Any
    lake: Any
    definition: Any
    spark: Any
    rounds: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))


def main() -> bool:
    """Run the race; whether every goal was met."""
    options = race.arguments(
        __doc__,
        2_000_000,
        {
            "rounds": ("3", "times that each side runs"),
            "memory": ("2g", "Java's heap"),
            "runs": ("long", "Java compiles for short or long runs (spark.local_runs)"),
            "parts": ("full,seven_days", "what to race, with commas"),
            "partitions": ("4", "of a shuffle (spark.shuffle_partitions); about one for each million users"),
            "users_on_driver": (
                "5000000",
                "readouts of more users run on Spark (experiments.users_on_driver)",
            ),
        },
    )
    settings = {
        "spark": {
            "driver_memory": options.memory,
            "local_runs": options.runs,
            "shuffle_partitions": int(options.partitions),
        },
        "experiments": {"users_on_driver": int(options.users_on_driver)},
    }
    with tempfile.TemporaryDirectory() as home:
        place = prepare(Path(home), options.size, options.seed, settings)
        return run(place, options.size, int(options.rounds), options.parts.split(","))


def prepare(home: Path, user_days: int, seed: int, sections: Mapping[str, Any]) -> Place:
    """A lake with one declared experiment, its users and their days.

    Args:
        sections: of the settings.
    """
    from infra.lake import Lake
    from infra.lake.migrate import migrate
    from infra.settings import load_settings
    from infra.spark import session
    from jobs.experiments.definition import Definition, declare

    settings = load_settings(home=home, **sections)
    migrate(settings)
    lake = Lake.of(settings)
    definition = Definition(
        experiment_id=EXPERIMENT, title="Race", owner="benchmarks", shares=dict.fromkeys(ARMS, 0.1), salt="race",
        eligibility="all users", start_ds=DAYS[0], end_ds=DAYS[-1],
    )  # fmt: skip
    declare(settings, definition, today=DAYS[0] - timedelta(days=1))
    rows = land(lake, user_days, np.random.default_rng(seed))
    print(f"{rows['user_days']:,} user-days of {rows['users']:,} users, {len(ARMS)} arms, {len(DAYS)} days\n")
    spark = session(settings)
    spark.range(1).count()
    return Place(settings, lake, definition, spark)


def land(lake: Any, user_days: int, rng: np.random.Generator) -> dict[str, int]:
    """Write `experiments.covariates` and `experiments.unit_days` in place of their jobs; how many rows."""
    from deltalake import write_deltalake

    mean_days = sum(share * (len(DAYS) - n) for n, share in enumerate(ARRIVE))
    users = max(1_000, round(user_days / mean_days))
    written = 0
    for start in range(0, users, _CHUNK):
        some = _Users.draw(rng, min(_CHUNK, users - start))
        write_deltalake(lake.path("experiments.covariates"), some.covariates(rng), mode="append")
        for place in range(len(DAYS)):
            today = some.day(rng, place)
            write_deltalake(lake.path("experiments.unit_days"), today, mode="append")
            written += today.num_rows
    for job, table in (("experiments.covariates",) * 2, ("experiments.unit_totals", "experiments.unit_days")):
        tell(lake, job, table, DAYS)
    return {"users": users, "user_days": written}


@dataclass(frozen=True)
class _Users:
    """Users of a chunk, by column."""

    user_id: pa.Array
    arm: np.ndarray[Any, Any]
    first: np.ndarray[Any, Any]
    liking: np.ndarray[Any, Any]
    excluded: np.ndarray[Any, Any]

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int) -> _Users:
        """Users of all arms; half a percent is excluded."""
        digits = rng.bytes(16 * count).hex()
        ids = pa.array([f"u_{digits[32 * n : 32 * n + 32]}" for n in range(count)])
        arm = rng.integers(0, len(ARMS), count)
        liking = np.clip(rng.beta(1.2, 2.5, count) * (1 + 0.01 * arm), 0, 1)
        excluded = np.where(rng.random(count) < 0.005, rng.integers(0, 3, count), -1)
        return cls(ids, arm, rng.choice(len(DAYS), count, p=ARRIVE), liking, excluded)

    def covariates(self, rng: np.random.Generator) -> pa.Table:
        """Rows of `experiments.covariates`."""
        count = len(self.arm)
        before = rng.binomial(7, self.liking)
        first = np.array(DAYS, dtype="datetime64[D]")[self.first]
        return pa.table(
            {
                "experiment_id": _same(EXPERIMENT, count), "user_id": self.user_id, "arm": _dictionary(ARMS, self.arm),
                "first_exposure_ts": pa.array(first.astype("datetime64[us]")).cast(pa.timestamp("us", tz="UTC")),
                "eligible": pa.array(self.excluded != 0), "source": _same("user", count),
                "is_bot": pa.array(self.excluded == 1), "pre_days_engaged": pa.array(before, pa.int32()),
                "pre_amount": pa.array(before * 4, pa.int64()), "locale": _same("en-US", count),
                "language": _same("en", count), "surface": _same("web", count), "tenure": _same("returning", count),
                "ds": pa.array(first).cast(pa.date32()), "run_id": _same("race", count),
            }
        )  # fmt: skip

    def day(self, rng: np.random.Generator, place: int) -> pa.Table:
        """Rows of `experiments.unit_days` of one day, in no order."""
        chosen = rng.permutation(np.flatnonzero(self.first <= place))
        engaged = rng.random(len(chosen)) < self.liking[chosen]
        amount = np.where(engaged, np.ceil(rng.lognormal(1.0, 1.0, len(chosen))), 0).astype(np.int64)
        reasons = ("ineligible", "bot", "internal")
        first = np.array(DAYS, dtype="datetime64[D]")[self.first[chosen]]
        return pa.table(
            {
                "experiment_id": _same(EXPERIMENT, len(chosen)), "metric": _same("messages", len(chosen)),
                "user_id": self.user_id.take(pa.array(chosen)), "arm": _dictionary(ARMS, self.arm[chosen]),
                "first_exposure_ds": pa.array(first).cast(pa.date32()),
                "excluded": _dictionary(reasons, self.excluded[chosen]), "engaged": pa.array(engaged),
                "amount": pa.array(amount), "ds": pa.array([DAYS[place]] * len(chosen), pa.date32()),
                "run_id": _same("race", len(chosen)),
            }
        )  # fmt: skip


def _same(value: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value])).cast(
        pa.string()
    )


def _dictionary(names: Sequence[str], codes: np.ndarray[Any, Any]) -> pa.Array:
    """Names by code; a negative code is NULL."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names)).cast(pa.string())


def run(place: Place, size: int, rounds: int, parts: Sequence[str]) -> bool:
    """The races asked for and what came of them."""
    from infra.memory import PeakMemory

    races: dict[str, dict[str, Callable[[], Answer]]] = {
        "full": {
            "jobs": lambda: by_the_jobs(place),
            "DuckDB SQL": lambda: in_duckdb(place, DAYS[-1:]),
            "tea-tasting": lambda: in_tea(place),
        },
        "seven_days": {"jobs": lambda: seven_days(place), "DuckDB SQL": lambda: in_duckdb(place, DAYS)},
    }
    seconds: dict[str, dict[str, float]] = {}
    apart: dict[str, float] = {}
    with PeakMemory() as memory:
        for part in parts:
            seconds[part], answers = race.alternate(races[part], rounds, race.cpu_seconds)
            for side in set(answers) - {"jobs"}:
                far = distance(answers["jobs"], answers[side])
                apart[side] = max(far, apart.get(side, 0.0))
        peak = memory.peak_bytes
    ratios = {part: took["jobs"] / took["DuckDB SQL"] for part, took in seconds.items()}
    rows = [
        (part, *(f"{took.get(side, math.nan):.1f}" for side in races["full"]), f"{ratios[part]:.1f}")
        for part, took in seconds.items()
    ]
    print(race.table(["CPU s", *races["full"], "jobs / DuckDB"], rows))
    print(f"Largest relative difference: {', '.join(f'{side} {far:.1e}' for side, far in apart.items())}")
    print(f"Peak memory, driver and Java with its heap: {peak / 1e9:.2f} GB")
    return race.close(
        "readout",
        {
            "user_days": size, "cpu_seconds": seconds, "times_duckdb": ratios, "apart": apart, "peak_bytes": peak,
        },
        GOAL,
        {
            **{f"{part}_within_8_times": ratio <= GOAL["times_duckdb"] for part, ratio in ratios.items()},
            "answers_agree": max(apart.values()) <= GOAL["agree_to"],
        },
    )  # fmt: skip


def distance(ours: Answer, theirs: Answer) -> float:
    """Largest relative difference of two answers; infinite where one lacks a row or a number that the other has."""
    if set(ours) != set(theirs):
        return math.inf
    return max(_apart(a, b) for key in ours for a, b in zip(ours[key], theirs[key], strict=True))


def _apart(a: float | None, b: float | None) -> float:
    """NaN is what a side does not tell."""
    if a is None or b is None:
        return math.inf
    return 0.0 if math.isnan(b) else abs(a - b) / max(1.0, abs(a), abs(b))


def by_the_jobs(place: Place) -> Answer:
    """From user-days to the last day's lifts by the functions of the jobs."""
    import pyarrow.compute as pc
    import pyarrow.dataset as pads

    from jobs.experiments.readouts import gather, readout

    with tempfile.TemporaryDirectory() as folder:
        totals = _totals(place, DAYS, None, Path(folder))
        if isinstance(totals, pads.Dataset):
            last = totals.filter(pc.field("ds") == DAYS[-1])
        else:
            # Kept, as the job keeps them in a table: they are passed over twice.
            last = totals.where(totals.ds == DAYS[-1]).persist()
        gathered, _ = gather(
            last, _frame(place, "experiments.covariates"), {EXPERIMENT: place.definition}, DAYS[-1:]
        )
    _, compared = readout(
        gathered[EXPERIMENT, DAYS[-1]], place.definition, DAYS[-1], place.settings.experiments
    )
    return {
        (arm, row.metric, DAYS[-1]): (
            row.estimate_test, row.estimate_control, row.lift_pct, row.low_pct, row.high_pct
        )
        for segment, arm, row in compared
        if segment == "all" and row.method == "plain"
    }  # fmt: skip


def seven_days(place: Place) -> Answer:
    """Each day added to the totals before it, written, and read out by the job."""
    import pyarrow.dataset as pads

    from infra import write
    from infra.lake.locks import hold
    from infra.lake.sql import connect
    from jobs.runner import run_job

    table, name = "experiments.unit_totals", f"race-{next(place.rounds)}"
    place.lake.open(table).delete()
    for at, day in enumerate(DAYS):
        with (
            tempfile.TemporaryDirectory() as folder,
            hold(place.lake.locks, [table], name, 3600) as locks,
        ):
            totals = _totals(place, [day], DAYS[at - 1] if at else None, Path(folder))
            if isinstance(totals, pads.Dataset):
                totals = totals.to_table()
            write.write(place.spark, place.lake, locks[table], write.Write(table, totals, [day], name))
        tell(place.lake, table, table, [day])
        run_job(place.settings, "experiments.readouts", [day], force=True)
    with connect(place.lake, "experiments.readouts") as database:
        rows = database.execute(
            "SELECT arm, metric, as_of_ds, estimate_test, estimate_control, lift_pct, low_pct, high_pct "
            "FROM experiments.readouts WHERE segment = 'all' AND method = 'plain' "
            "QUALIFY run_id = max(run_id) OVER (PARTITION BY as_of_ds)"
        ).fetchall()
    return {(arm, metric, day): tuple(numbers) for arm, metric, day, *numbers in rows}


def _totals(place: Place, days: Sequence[date], before: date | None, folder: Path) -> Any:
    """Totals of consecutive days, added to those of the day before them, on the engine that the job would take."""
    from jobs.experiments.unit_totals import unit_totals

    today = _frame(place, "experiments.unit_days", days)
    return unit_totals(
        today, _frame(place, "experiments.unit_totals", [before] if before else []), [days], len(DAYS), folder
    )


def _frame(place: Place, table: str, days: Sequence[date] = DAYS) -> Any:
    """Days of a table as the jobs read them."""
    import pyarrow.compute as pc
    from pyspark.sql import functions as F

    from jobs.experiments.engines import users_at_most

    users = users_at_most(place.lake.open("experiments.unit_days"), DAYS)
    if users <= place.settings.experiments.users_on_driver:
        in_days = pc.field("ds").isin(pa.array(days, pa.date32()))
        return place.lake.open(table).to_pyarrow_dataset().filter(in_days)
    return place.spark.read.format("delta").load(place.lake.path(table)).where(F.col("ds").isin(list(days)))


_USERS = """
SELECT arm, user_id, count_if(engaged) / {k} AS breadth, sum(amount) AS amount
FROM experiments.unit_days WHERE metric = 'messages' AND ds <= DATE '{day}'
GROUP BY arm, user_id HAVING max(excluded) IS NULL
"""
_MOMENTS = """
SELECT arm, avg(breadth), var_samp(breadth) / count(*), avg(amount) FILTER (amount > 0),
  var_samp(amount) FILTER (amount > 0) / count_if(amount > 0), avg((amount > 0)::INT),
  var_samp((amount > 0)::INT) / count(*), avg(amount), var_samp(amount) / count(*)
FROM ({users}) GROUP BY arm
"""


def in_duckdb(place: Place, days: Sequence[date]) -> Answer:
    """One query a day from the user-days, and Fieller's roots by the textbook formula."""
    from infra.lake.sql import connect

    answer: Answer = {}
    with connect(place.lake, "experiments.unit_days") as database:
        for day in days:
            users = _USERS.format(k=(day - DAYS[0]).days + 1, day=day)
            moments = {row[0]: row[1:] for row in database.execute(_MOMENTS.format(users=users)).fetchall()}
            for arm in ARMS[1:]:
                for at, metric in enumerate(("breadth", "depth", "share_engaged", "mean_exposed")):
                    test, control = (moments[group][2 * at : 2 * at + 2] for group in (arm, ARMS[0]))
                    answer[arm, metric, day] = _fieller(*test, *control)
    return answer


def _fieller(mt: float, vt: float, mc: float, vc: float) -> tuple[float, float, float, float, float]:
    """Equations 14 to 17 for a control mean clear of zero."""
    a, b, c = mc * mc - _Z * _Z * vc, mt * mc, mt * mt - _Z * _Z * vt
    root = math.sqrt(b * b - a * c)
    return mt, mc, 100 * (mt / mc - 1), 100 * ((b - root) / a - 1), 100 * ((b + root) / a - 1)


def in_tea(place: Place) -> Answer:
    """tea-tasting on a DuckDB relation of users: means and lifts (its intervals are the delta method's)."""
    import tea_tasting as tt

    from infra.lake.sql import connect

    settings = {"equal_var": False, "use_t": False}
    metrics: dict[str, Any] = {
        "breadth": tt.Mean("breadth", **settings),
        "depth": tt.RatioOfMeans("amount", "some", **settings),
        "share_engaged": tt.Mean("some", **settings),
        "mean_exposed": tt.Mean("amount", **settings),
    }
    with connect(place.lake, "experiments.unit_days") as database:
        users = _USERS.format(k=len(DAYS), day=DAYS[-1])
        relation = database.sql(
            f"SELECT arm, breadth, amount::DOUBLE AS amount, (amount > 0)::INT AS some FROM ({users})"
        )
        results_by_arm = tt.Experiment(metrics, variant="arm").analyze(
            relation, control=ARMS[0], all_variants=True
        )
    return {
        (arm, metric, DAYS[-1]): (
            estimate.treatment,
            estimate.control,
            100 * estimate.rel_effect_size,
            math.nan,
            math.nan,
        )
        for (_, arm), results in results_by_arm.items()
        for metric, estimate in results.items()
    }


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
