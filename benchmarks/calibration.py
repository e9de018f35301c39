"""Do readouts keep their word? `--size` experiments of each kind through the comparison that readouts use.

1. A/A: one pool of users split in two, again and again (simulated users; real players where they are): false positives,
   both tails, uniform p-values, what CUPED leaves of the variance, alarms of the sample-ratio test.
2. True lifts of +5 % and -10 % on fresh users: how often the interval covers them.
3. A control mean whose coefficient of variation is 10 %: both tails, beside the delta method's on the same numbers.
4. The planner's own minimum detectable effect, put in: how often it is found.
5. A/A looked at on each of seven cumulative days: how often the always-valid interval ever excludes zero, and how often
   the fixed-horizon one would.
6. A/A of a few users: false positives of Student's t, which readouts use there, beside the normal's.

Bands are 99.9 % of what chance alone gives 10,000 experiments: 0.72 points for false positives and coverage, 0.51 for a
tail, 1.3 for power. They are wider for fewer experiments and no narrower for more: over twenty goals stand beside each
other, and at 10,000 chance alone breaks one of them every fortieth run; at 20,000 hardly ever.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from benchmarks import race
from benchmarks.experiment_users import Column, Pool, Population, real_pool, simulated_pool
from jobs.experiments.comparison import Comparison, compare
from jobs.experiments.moments import Arm, Moments
from jobs.experiments.planning import plan
from jobs.experiments.statistics import IntervalKind, critical_value, sample_ratio_p_value

USERS = 2_000
"""Of each arm."""
PLANNED_USERS = 5_000
PEEKING_USERS = 500
WINSORISED_AT = 0.99
BATCH = 250
CV = 0.10
CONFIDENT, JUDGED_AT = 0.999, 10_000

PRIMARY = (("breadth", "plain"), ("depth", "winsorised"))
"""Where both sides of a band are a goal; raw depth has too heavy a tail for the lower side of its false positives."""
RAW, ADJUSTED = ("depth", "plain"), ("breadth", "cuped")
Row = tuple[str, str]
Pair = tuple[Arm, Arm]


@dataclass
class Tally:
    """What became of one metric by one method over many experiments."""

    truth_pct: float = 0.0
    p_values: list[float] = field(default_factory=list)
    above: int = 0
    below: int = 0
    in_gap: int = 0
    variance: list[float] = field(default_factory=list)
    z_values: list[float] = field(default_factory=list)

    def add(self, row: Comparison) -> None:
        """Count one experiment: whether its whole set lies above or below the true lift."""
        assert row.p_value is not None
        assert row.variance_of_mean_test is not None
        assert row.variance_of_mean_control is not None
        assert row.estimate_test is not None
        assert row.estimate_control is not None
        self.p_values.append(row.p_value)
        self.variance.append(row.variance_of_mean_test + row.variance_of_mean_control)
        self.z_values.append((row.estimate_test - row.estimate_control) / math.sqrt(self.variance[-1]))
        if row.interval_kind is IntervalKind.complement:
            assert row.gap_low_pct is not None
            assert row.gap_high_pct is not None
            self.in_gap += row.gap_low_pct < self.truth_pct < row.gap_high_pct
        self.above += row.low_pct is not None and row.low_pct > self.truth_pct
        self.below += row.high_pct is not None and row.high_pct < self.truth_pct

    @property
    def experiments(self) -> int:
        return len(self.p_values)

    @property
    def found_pct(self) -> float:
        """Experiments whose difference is significant at 5 %, percent: false positives, or power."""
        return 100 * float(np.mean(np.array(self.p_values) < 0.05))

    @property
    def tails_pct(self) -> tuple[float, float]:
        """Sets wholly above and wholly below the truth, percent."""
        return 100 * self.above / self.experiments, 100 * self.below / self.experiments

    @property
    def coverage_pct(self) -> float:
        """Sets that contain the truth, percent."""
        return 100 - sum(self.tails_pct) - 100 * self.in_gap / self.experiments

    @property
    def uniform_p(self) -> float:
        """Of the Kolmogorov-Smirnov test that the p-values are uniform."""
        return float(stats.kstest(self.p_values, "uniform").pvalue)


def main() -> bool:
    """Run all parts; print their tables and the closing line."""
    options = race.arguments(__doc__, 20_000)
    population, size = Population(), options.size
    # A stream for each part: what one draws does not depend on the others.
    streams = iter(np.random.default_rng(options.seed).spawn(7))
    rng = next(streams)
    parts = [splits(simulated_pool(rng, 2 * USERS, population), rng, size)]
    rng = next(streams)
    if (players := real_pool(options.data, rng, 2 * USERS)) is not None:
        parts.append(splits(players, rng, size))
    else:
        print(f"No real players under {options.data}: simulated users only.\n")
    parts += [coverage(population, next(streams), size), ratio_tails(next(streams), size)]
    parts += [power(population, next(streams), size), peeking(population, next(streams), size)]
    parts.append(few_users(population, next(streams), size))
    figures: dict[str, object] = {"size": size}
    met: dict[str, bool] = {}
    for part in parts:
        print(part.table)
        figures |= part.figures
        met |= part.met
    bands = {name: round(band(rate, size), 2) for name, rate in (("rate", 5), ("tail", 2.5), ("power", 80))}
    goal = {
        "false_positives_pct": 5, "tail_pct": 2.5, "coverage_pct": 95, "power_pct": 80, "bands": bands,
        "alarms": _alarms(size), "uniform_p": 0.001, "cuped_variance": 0.02,
    }  # fmt: skip
    return race.close("calibration", figures, goal, met)


@dataclass(frozen=True)
class Part:
    """A table to read, and the figures and goals of the closing line."""

    table: str
    figures: Mapping[str, object]
    met: Mapping[str, bool]


def splits(pool: Pool, rng: np.random.Generator, size: int) -> Part:
    """A/A: one pool split in two at random, `size` times."""
    bound = float(np.quantile(pool.amount[pool.amount > 0], WINSORISED_AT))
    counts: list[tuple[int, int]] = []
    tallies = _tallied(_split(pool, bound, rng, size, counts))
    alarms = sum(sample_ratio_p_value(pair, (1, 1)) < 0.001 for pair in counts)
    real = pool.days_before is None
    prefix = "real_" if real else ""
    figures: dict[str, object] = {f"{prefix}sample_ratio_alarms": alarms}
    met = {f"{prefix}sample_ratio": alarms <= _alarms(size)}
    lines = []
    for key, tally in tallies.items():
        if key[1] == "always_valid":
            continue
        name, (above, below) = f"{prefix}{'_'.join(key)}", tally.tails_pct
        lines.append([*key, f"{tally.found_pct:.2f}", f"{above:.2f} / {below:.2f}", f"{tally.uniform_p:.3f}"])
        figures[name] = {
            "false_positives_pct": round(tally.found_pct, 2), "tails_pct": [round(above, 2), round(below, 2)],
            "uniform_p": round(tally.uniform_p, 4),
        }  # fmt: skip
        if key in PRIMARY or key == ADJUSTED:
            met[f"{name}_false_positives"] = _near(tally.found_pct, 5, size)
            met[f"{name}_tails"] = all(_near(tail, 2.5, size) for tail in tally.tails_pct)
        if key in PRIMARY:
            met[f"{name}_uniform"] = tally.uniform_p > 0.001
        if key == RAW:
            met[f"{name}_false_positives"] = tally.found_pct <= 5 + band(5, size)
    if not real:
        ratios = _left_by_cuped(pool, tallies)
        figures["cuped_variance"] = {metric: [round(x, 4) for x in pair] for metric, pair in ratios.items()}
        met["cuped_variance"] = all(abs(ratio / expected - 1) < 0.02 for ratio, expected in ratios.values())
        lines += [
            [metric, "cuped", f"variance x {ratio:.4f}", f"1 - r^2 = {expected:.4f}", ""]
            for metric, (ratio, expected) in ratios.items()
        ]
    head = [
        f"A/A, {pool.name}, {size:,} splits",
        "method",
        "false positives %",
        "above / below %",
        "uniform p",
    ]
    return Part(race.table(head, lines) + f"\nSample-ratio alarms: {alarms} of {size:,}\n", figures, met)


def coverage(population: Population, rng: np.random.Generator, size: int, users: int = USERS) -> Part:
    """True lifts of breadth, and of amounts, on fresh users of both arms.

    Amounts cut at a bound that stays where it is rise a little less than the amounts.
    """
    bound = population.bound(WINSORISED_AT)
    lines, figures, met = [], {}, {}
    for lift in (0.05, -0.10):
        keener, longer = population.treated(lift, 0), population.treated(0, lift)
        cut = 100 * (longer.depth(bound)[0] / population.depth(bound)[0] - 1)
        for treated, truth in (
            (keener, {("breadth", "plain"): 100 * lift}),
            (longer, {RAW: 100 * lift, ("depth", "winsorised"): cut}),
        ):
            drawn = _fresh(treated, population, users, bound, rng, size)
            for key, tally in _tallied(drawn, truth, set(truth)).items():
                (above, below), name = tally.tails_pct, f"{'_'.join(key)}_at_{100 * lift:+.0f}"
                lines.append(
                    [*key, f"{truth[key]:+.2f} %", f"{tally.coverage_pct:.2f}", f"{above:.2f} / {below:.2f}"]
                )
                figures[name] = {"coverage_pct": round(tally.coverage_pct, 2)}
                if key in PRIMARY:
                    met[f"{name}_coverage"] = _near(tally.coverage_pct, 95, size)
    head = ["fresh users", "method", "true lift", "coverage %", "above / below %"]
    return Part(race.table(head, lines), figures, met)


def ratio_tails(rng: np.random.Generator, size: int) -> Part:
    """Normal users whose control mean has a coefficient of variation of 10 %: Fieller beside the delta method."""
    users, ratio, lines = 10_000, 1.05, []
    means = rng.normal([ratio, 1.0], CV, (size, 2))
    squares = CV**2 * users * rng.chisquare(users - 1, (size, 2))
    pairs = (
        (Arm(Moments(users, mt, st), Moments()), Arm(Moments(users, mc, sc), Moments()))
        for (mt, mc), (st, sc) in zip(means.tolist(), squares.tolist(), strict=True)
    )
    key, truth = ("breadth", "plain"), 100 * (ratio - 1)
    fieller = _tallied(pairs, {key: truth}, {key})[key]
    variances = squares / (users - 1) / users
    centre = means[:, 0] / means[:, 1]
    arm = critical_value() * centre * np.sqrt((variances / means**2).sum(axis=1))
    delta = 100 * float(np.mean(centre - arm > ratio)), 100 * float(np.mean(centre + arm < ratio))
    lines = [
        [name, f"{100 - sum(tails):.2f}", f"{tails[0]:.2f} / {tails[1]:.2f}"]
        for name, tails in (("Fieller", fieller.tails_pct), ("delta method", delta))
    ]
    figures = {
        "tails_at_cv_10": {"fieller": [round(x, 2) for x in fieller.tails_pct], "delta": [round(x, 2) for x in delta]}
    }  # fmt: skip
    met = {"tails_at_cv_10": all(_near(tail, 2.5, size) for tail in fieller.tails_pct)}
    return Part(race.table(["control CV 10 %", "coverage %", "above / below %"], lines), figures, met)


def power(population: Population, rng: np.random.Generator, size: int, users: int = PLANNED_USERS) -> Part:
    """The planner's minimum detectable effect of each metric, put in on fresh users."""
    lines, figures, met = [], {}, {}
    plans = {row.metric: row for row in plan(population.arm(), users)}
    for metric, lifts in (("breadth", (1.0, 0.0)), ("depth", (0.0, 1.0))):
        rise = plans[metric].detectable_pct
        assert rise is not None
        treated = population.treated(*(lift * rise / 100 for lift in lifts))
        drawn = _fresh(treated, population, users, None, rng, size)
        key = (metric, "plain")
        power_pct = _tallied(drawn, only={key})[key].found_pct
        lines.append([metric, f"{users:,}", f"{rise:+.2f} %", f"{power_pct:.2f}"])
        figures[f"{metric}_power"] = {"detectable_pct": round(rise, 3), "power_pct": round(power_pct, 2)}
        met[f"{metric}_power"] = _near(power_pct, 80, size)
    return Part(
        race.table(["planned for 80 %", "users an arm", "detectable", "found %"], lines), figures, met
    )


def peeking(population: Population, rng: np.random.Generator, size: int) -> Part:
    """A/A read out on every cumulative day: experiments in which any look excluded zero."""
    ever = {(metric, method): 0 for metric in ("breadth", "depth") for method in ("always_valid", "plain")}
    a, b = population.share * population.concentration, (1 - population.share) * population.concentration
    for _ in range(size):
        keen = rng.beta(a, b, (2 * PEEKING_USERS, 1))
        engaged = rng.random((2 * PEEKING_USERS, population.days)) < keen
        daily = engaged * np.exp(rng.standard_normal(engaged.shape))
        days, amount = np.cumsum(engaged, axis=1), np.cumsum(daily, axis=1)
        significant = set()
        for k in range(population.days):
            arms = [
                Arm.of_users(days[half, k], amount[half, k], k + 1)
                for half in (slice(None, PEEKING_USERS), slice(PEEKING_USERS, None))
            ]
            for row in compare(arms[0], arms[1], fraction=(k + 1) / population.days):
                if row.p_value is not None and row.p_value < 0.05:
                    significant.add((row.metric, row.method))
        for key in ever.keys() & significant:
            ever[key] += 1
    pct = {key: 100 * count / size for key, count in ever.items()}
    lines = [
        [metric, f"{pct[metric, 'always_valid']:.2f}", f"{pct[metric, 'plain']:.2f}"]
        for metric in ("breadth", "depth")
    ]
    figures = {
        "ever_excluded_pct": {f"{metric}_{method}": round(x, 2) for (metric, method), x in pct.items()}
    }
    met = {"always_valid": all(pct[metric, "always_valid"] <= 5 for metric in ("breadth", "depth"))}
    head = [
        f"A/A, seven looks, {size:,} experiments",
        "always-valid ever excludes 0 %",
        "fixed-horizon would %",
    ]
    return Part(race.table(head, lines), figures, met)


def few_users(population: Population, rng: np.random.Generator, size: int) -> Part:
    """A/A of a handful: an experiment without an interval (nothing varied, nobody engaged) finds nothing."""
    lines, figures, met = [], {}, {}
    for users in (2, 5, 10, 20):
        tallies = _tallied(_fresh(population, population, users, None, rng, size), only={PRIMARY[0], RAW})
        for key, tally in tallies.items():
            student = 100 * sum(p < 0.05 for p in tally.p_values) / size
            normal = 100 * sum(abs(z) > critical_value() for z in tally.z_values) / size
            lines.append([key[0], users, f"{student:.2f}", f"{normal:.2f}", f"{size - tally.experiments:,}"])
            figures[f"{key[0]}_of_{users}"] = {"t_pct": round(student, 2), "z_pct": round(normal, 2)}
            met[f"{key[0]}_of_{users}"] = student <= 5 + band(5, size)
    head = ["A/A, few users", "exposed an arm", "false positives % by t", "by the normal", "no interval"]
    return Part(race.table(head, lines), figures, met)


def _tallied(
    pairs: Iterable[Pair], truth: Mapping[Row, float] | None = None, only: set[Row] | None = None
) -> dict[Row, Tally]:
    """Every pair of arms compared, and counted by metric and method."""
    tallies: dict[Row, Tally] = {}
    for test, control in pairs:
        for row in compare(test, control, fraction=1.0):
            key = (row.metric, row.method)
            if (only is None or key in only) and row.p_value is not None:
                tallies.setdefault(key, Tally((truth or {}).get(key, 0.0))).add(row)
    return tallies


def _split(
    pool: Pool, bound: float, rng: np.random.Generator, size: int, counts: list[tuple[int, int]]
) -> Iterator[Pair]:
    """Both halves of each split; every user falls by a coin of its own, and `counts` gets how many fell where."""
    centred = _Centred(pool, bound)
    for start in range(0, size, BATCH):
        coins = rng.integers(0, 2, (min(BATCH, size - start), len(pool.days))).astype(float)
        for test, control in zip(centred.rows(coins), centred.rows(1 - coins), strict=True):
            counts.append((int(test["users"] or 0), int(control["users"] or 0)))
            yield Arm.of_row(test, pool.window), Arm.of_row(control, pool.window)


class _Centred:
    """Aggregates of many subsets of one pool, by matrix products of what is centred at the pool's means."""

    def __init__(self, pool: Pool, bound: float) -> None:
        some = pool.amount > 0
        self.singles: dict[str, tuple[Column, float, str]] = {}
        """Name to deviations, their centre, and whose count they are averaged over."""
        cut = np.minimum(pool.amount, bound)
        for name, values, over in (
            ("days_engaged", pool.days, "users"), ("amount", pool.amount, "engaged_users"),
            ("winsorised", cut, "engaged_users"), ("engaged", some * 1.0, "users"),
            ("days_before", pool.days_before, "users"), ("amount_before", pool.amount_before, "users"),
            ("amount_of_all", pool.amount, "users"),
        ):  # fmt: skip
            if values is not None:
                centre = float(values[some].mean() if over == "engaged_users" else values.mean())
                deviations: Column = (values - centre) * (some * 1.0 if over == "engaged_users" else 1.0)
                self.singles[name] = deviations, centre, over
        self.products = {
            "days_engaged_days_before_product": ("days_engaged", "days_before"),
            "engaged_days_before_product": ("engaged", "days_before"),
            "engaged_amount_before_product": ("engaged", "amount_before"),
            "amount_amount_before_product": ("amount_of_all", "amount_before"),
        }
        if pool.days_before is None:
            self.products = {}
        columns = [np.ones(len(some)), some * 1.0]
        for deviations, _, _ in self.singles.values():
            columns += [deviations, deviations**2]
        columns += [self.singles[left][0] * self.singles[right][0] for left, right in self.products.values()]
        self.matrix = np.stack(columns, axis=1)

    def rows(self, chosen: Column) -> list[dict[str, float | None]]:
        """One row of aggregates, as `Arm.of_row` reads them, for each row of 0 and 1 in `chosen`."""
        sums = chosen @ self.matrix
        aggregates: dict[str, Column] = {"users": sums[:, 0], "engaged_users": sums[:, 1]}
        off: dict[str, Column] = {}
        for at, (name, (_, centre, over)) in enumerate(self.singles.items()):
            n = aggregates[over]
            off[name] = sums[:, 2 + 2 * at] / n
            aggregates[f"{name}_mean"] = centre + off[name]
            aggregates[f"{name}_m2"] = sums[:, 3 + 2 * at] - n * off[name] ** 2
        first = 2 + 2 * len(self.singles)
        for at, (name, (left, right)) in enumerate(self.products.items(), first):
            aggregates[name] = sums[:, at] - aggregates["users"] * off[left] * off[right]
        names = list(aggregates)
        return [
            dict(zip(names, line, strict=True))
            for line in np.stack(list(aggregates.values()), axis=1).tolist()
        ]


def _fresh(
    test: Population,
    control: Population,
    users: int,
    bound: float | None,
    rng: np.random.Generator,
    size: int,
) -> Iterator[Pair]:
    """Arms of users drawn afresh for every experiment."""
    for _ in range(size):
        arms = [
            Arm.of_users(days[0], amount[0], population.days, bound)
            for population in (test, control)
            for days, amount in [population.draw(rng, (1, users))]
        ]
        yield arms[0], arms[1]


def _left_by_cuped(pool: Pool, tallies: Mapping[Row, Tally]) -> dict[str, tuple[float, float]]:
    """Metric to the share of its variance that CUPED left, and 1 - r^2 over the pool."""
    assert pool.days_before is not None
    assert pool.amount_before is not None
    some = pool.amount > 0
    residual: Column = pool.amount - float(pool.amount[some].mean()) * some
    outcomes: dict[str, tuple[Column, Column]] = {
        "breadth": (pool.days, pool.days_before),
        "share_engaged": (some * 1.0, pool.days_before),
        "mean_exposed": (pool.amount, pool.amount_before),
        "depth": (residual, pool.amount_before),
    }
    return {
        metric: (
            float(np.mean(tallies[metric, "cuped"].variance) / np.mean(tallies[metric, "plain"].variance)),
            1 - float(np.corrcoef(outcome, covariate)[0, 1]) ** 2,
        )
        for metric, (outcome, covariate) in outcomes.items()
    }


def band(rate_pct: float, size: int) -> float:
    """Half the width, in points, that chance gives a rate at `size` experiments, or at most at `JUDGED_AT`."""
    rate = rate_pct / 100
    return 100 * critical_value(CONFIDENT) * math.sqrt(rate * (1 - rate) / min(size, JUDGED_AT))


def _near(found_pct: float, wanted_pct: float, size: int) -> bool:
    return abs(found_pct - wanted_pct) <= band(wanted_pct, size)


def _alarms(size: int) -> int:
    """Alarms at 0.001 that chance does not exceed once in 50,000 times; 25 at 10,000 experiments."""
    return int(stats.binom.isf(2e-5, size, 0.001))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
