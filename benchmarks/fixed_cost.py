"""What the smallest piece of work costs, beside the least that its engine can do.

Each figure is CPU seconds, children included, since machines are shared; each is measured alternately with its
baseline, and the answers are asserted:

- `warm`: a daily Spark job on about 100 turns in a session that is up, beside bare Spark that reads, groups and writes
  the same rows;
- `cold`: `flywheel run` of that job from nothing, beside `spark-submit` of a script that counts one row;
- `help`: `flywheel --help`, beside `import typer`;
- `sql`: `flywheel sql "SELECT 1"`, beside DuckDB's own `SELECT 1`;
- `demo`, only with `--demo CLONE`: `make demo` in a fresh clone, without a baseline.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.process_cost import Cost, cost_of
from benchmarks.race import alternate, arguments, close, cpu_seconds, table
from infra.lake import Lake
from infra.lake.migrate import migrate
from infra.sandbox import SandboxSettings, generate
from infra.settings import Settings, load_settings
from infra.spark import session
from infra.spark.archive import make_archive
from jobs.runner import run_job
from jobs.submission import submission

GOAL = {
    "warm_cpu_seconds": 2.5, "cold_cpu_seconds": 15.0, "help_cpu_seconds": 0.5, "sql_cpu_seconds": 1.5,
    "demo_cpu_seconds": 600.0, "demo_wall_seconds": 480.0,
}  # fmt: skip
JOB = "traffic.conversations"
DAY = date(2026, 11, 18)
_WARM_ROUNDS, _PROCESS_ROUNDS, _COLD_ROUNDS = 5, 5, 3
_FLYWHEEL = [sys.executable, "-m", "cli.main"]
_NOOP = """
from pyspark.sql import SparkSession
assert SparkSession.builder.getOrCreate().range(1).count() == 1
"""
Medians = dict[str, tuple[float, float]]
"""Name of a figure to ours and its baseline, in CPU seconds."""


def small_lake(home: Path, turns: int, seed: int) -> Settings:
    """A lake with one landed and conformed day of about so many turns."""
    settings = load_settings(home=home)
    make_archive(settings)  # as `flywheel setup` does
    migrate(settings)
    sandbox = SandboxSettings.of(settings.sandbox, turns=turns, start=str(DAY), days=1, seed=seed)
    generate(sandbox, Path(Lake.of(settings).landing), Path(settings.resolve("truth")))
    for name in ("traffic.land", "traffic.turns"):
        run_job(settings, name, [DAY])
    return settings


def conversations(settings: Settings) -> list[tuple[Any, ...]]:
    """What the job makes, but for ids of runs: the answer that every run must give."""
    rows = Lake.of(settings).open(JOB).to_pyarrow_table().to_pylist()
    return sorted(tuple(str(v) for k, v in row.items() if k != "run_id") for row in rows)


def warm(settings: Settings, scratch: Path) -> tuple[dict[str, float], int]:
    """Our job and bare Spark in one session: median CPU seconds of both, and the rows that ours makes."""
    spark = session(settings)
    events = Lake.of(settings).path("traffic.events")

    def ours() -> int:
        return run_job(settings, JOB, [DAY], force=True).rows_out

    def bare() -> int:
        from pyspark.sql import functions as F

        frame = spark.read.format("delta").load(events).where(F.col("ds") == F.lit(DAY))
        grouped = frame.groupBy("conversation_id", "ds").agg(F.min("event_ts"), F.count("*"))
        named = grouped.toDF("conversation_id", "ds", "started_ts", "events")
        named.write.format("delta").mode("overwrite").save(str(scratch / "bare"))
        return int(spark.read.format("delta").load(str(scratch / "bare")).count())

    ours(), bare()  # classes are loaded and code is compiled for both
    expected = conversations(settings)
    seconds, answers = alternate({"ours": ours, "baseline": bare}, _WARM_ROUNDS, cpu_seconds)
    assert conversations(settings) == expected, "the same day again makes the same rows"
    assert 0 < answers["ours"] <= answers["baseline"], answers
    return seconds, answers["ours"]


def cold(settings: Settings, scratch: Path) -> dict[str, float]:
    """`flywheel run` from nothing and a bare `spark-submit`: median CPU seconds."""
    expected = conversations(settings)
    script = scratch / "noop.py"
    script.write_text(_NOOP)
    how = submission(settings)
    conf = [f"--conf={key}={value}" for key, value in how.conf.items()]
    submit = [how.spark_binary, "--master", how.master, *conf, str(script)]
    home = {"FLYWHEEL_HOME": str(settings.home)}
    seconds = _processes(
        {
            "ours": lambda: cost_of([*_FLYWHEEL, "run", JOB, "--days", str(DAY), "--force"], home),
            "baseline": lambda: cost_of(submit, how.env_vars),
        },
        _COLD_ROUNDS,
    )
    assert conversations(settings) == expected, "a cold run makes the rows of a warm one"
    return seconds


def commands(settings: Settings) -> Medians:
    """`flywheel --help` and `flywheel sql "SELECT 1"`, each beside its baseline."""
    home = {"FLYWHEEL_HOME": str(settings.home)}

    def help_text() -> Cost:
        cost = cost_of([*_FLYWHEEL, "--help"], home)
        assert all(name in cost.output for name in ("doctor", "experiment", "preferences", "train"))
        return cost

    def one() -> Cost:
        cost = cost_of([*_FLYWHEEL, "sql", "SELECT 1 AS n", "--format", "json"], home)
        assert json.loads(cost.output) == [{"n": 1}]
        return cost

    medians: Medians = {}
    for name, ours, baseline in (
        ("help", help_text, "import typer"),
        ("sql", one, "import duckdb; assert duckdb.sql('SELECT 1').fetchall() == [(1,)]"),
    ):
        bare = partial(cost_of, [sys.executable, "-c", baseline])
        seconds = _processes({"ours": ours, "baseline": bare}, _PROCESS_ROUNDS)
        medians[name] = seconds["ours"], seconds["baseline"]
    return medians


def demo(clone: Path) -> dict[str, float]:
    """`make demo` in a fresh clone: CPU and wall seconds, and whether it wrote its report."""
    cost = cost_of(["make", "-C", str(clone), "demo"])
    assert (clone / "report" / "index.html").exists(), "the demo writes its report"
    return {"demo_cpu_seconds": cost.cpu_seconds, "demo_wall_seconds": cost.wall_seconds}


def _processes(sides: dict[str, Callable[[], Cost]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of commands that run in turn."""
    spent = 0.0

    def counted(run: Callable[[], Cost]) -> Callable[[], None]:
        def add() -> None:
            nonlocal spent
            spent += run().cpu_seconds

        return add

    return alternate({name: counted(run) for name, run in sides.items()}, rounds, lambda: spent)[0]


def main() -> bool:
    """Measure all of it."""
    options = arguments(
        __doc__, size=100, more={"demo": ("", "a fresh clone whose `make demo` is measured too")}
    )
    with tempfile.TemporaryDirectory(prefix="flywheel-fixed-cost-") as folder:
        scratch = Path(folder)
        settings = small_lake(scratch / "home", options.size, options.seed)
        warm_seconds, rows = warm(settings, scratch)
        session(settings).stop()
        cold_seconds = cold(settings, scratch)
        medians: Medians = {
            "warm": (warm_seconds["ours"], warm_seconds["baseline"]),
            "cold": (cold_seconds["ours"], cold_seconds["baseline"]),
            **commands(settings),
        }
    print(f"{JOB} on {DAY}: {rows} conversations of about {options.size} turns\n")
    lines = [
        [name, f"{ours:.2f}", f"{baseline:.2f}", f"{ours / baseline:.1f}", GOAL[f"{name}_cpu_seconds"]]
        for name, (ours, baseline) in medians.items()
    ]
    print(table(["", "CPU s", "baseline, CPU s", "ratio", "goal, CPU s"], lines))
    figures: dict[str, float] = {f"{name}_cpu_seconds": round(ours, 3) for name, (ours, _) in medians.items()}
    if options.demo:
        figures |= demo(Path(options.demo).resolve())
    passed = {name: value <= GOAL[name] for name, value in figures.items()}
    ratios = {f"{name}_ratio": round(ours / baseline, 2) for name, (ours, baseline) in medians.items()}
    return close("fixed_cost", {"turns": options.size, **figures, **ratios}, GOAL, passed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
