"""What each job of a simulated product costs: CPU seconds, this process, Java and Python workers together.

    python -m benchmarks.stage_cost --turns 5000 --days 3 --home /tmp/product
    python -m benchmarks.stage_cost --home /tmp/product --stages curation --force

Runs the stages one after another in one session and prints one JSON line a job, and one of the session. With `--force`
on a product that is there, the second run shows what is fixed cost: nothing has to be converted or loaded again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from datetime import timedelta
from pathlib import Path

import psutil

from infra.lake import Lake
from infra.lake.migrate import migrate
from infra.sandbox import SandboxSettings, generate
from infra.settings import Settings, load_settings
from infra.spark import session
from jobs.declaration import STAGES
from jobs.stage import jobs_of, run_jobs


def cpu_seconds() -> dict[str, float]:
    """CPU seconds so far: of this process, of Java, of the Python workers that Java started."""
    me = psutil.Process()
    cpu = me.cpu_times()
    seconds = {
        "python": cpu.user + cpu.system,
        "java": 0.0,
        "workers": cpu.children_user + cpu.children_system,
    }
    for child in me.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            kind = "java" if child.name() == "java" else "workers"
            seconds[kind] += times.user + times.system
            seconds["workers"] += times.children_user + times.children_system
    return seconds


def product(settings: Settings, turns: int, days: int) -> None:
    """A lake with landed traffic and its declared experiment."""
    from infra.sandbox.experiments import declaration
    from jobs.experiments.definition import declare, read_definition

    migrate(settings)
    sandbox = SandboxSettings.of(settings.sandbox, turns=turns, days=days)
    generate(sandbox, Path(Lake.of(settings).landing), settings.home / "truth")
    definition = settings.home / "experiment.toml"
    definition.write_text(declaration(sandbox), encoding="utf-8")
    declare(settings, read_definition(definition))


def main() -> None:
    """Print one JSON line a job."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--stages", nargs="*", default=list(STAGES))
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args()
    settings = load_settings(
        home=options.home,
        sampling={"allow_smaller": True, "character_cap": 0.1},
        spark={"master": "local[2]"},
    )
    if not Path(Lake.of(settings).landing).exists():
        product(settings, options.turns, options.days)
    first = SandboxSettings().start
    days = [first + timedelta(days=n) for n in range(options.days)]
    before, started = cpu_seconds(), time.monotonic()
    session(settings)
    before = _print("session", before, started, 0)
    for job in jobs_of(options.stages):
        started = time.monotonic()
        rows = run_jobs(settings, [job.name], days, options.force)[0].rows_out
        before = _print(job.name, before, started, rows)


def _print(name: str, before: dict[str, float], started: float, rows: int) -> dict[str, float]:
    after = cpu_seconds()
    spent = {kind: round(after[kind] - before[kind], 1) for kind in after}
    line = {"job": name, "rows": rows, "cpu_seconds": round(sum(spent.values()), 1), **spent}
    print(json.dumps(line | {"wall_seconds": round(time.monotonic() - started, 1)}), flush=True)
    return after


if __name__ == "__main__":
    main()
