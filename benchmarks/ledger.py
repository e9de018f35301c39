"""The ledger at 100,000 rows: what `flywheel plan` costs beside DuckDB's one look at the same rows.

The ledger is filled with a year of every daily job, each day run again and again until there are so many rows, then
compacted as `flywheel compact` does. A plan reads it once (last successes, marks, what retention deleted) and compares
the fingerprints of every job and day. The peer is DuckDB alone: the last success of each unit from the same Parquet
files. CPU seconds, alternately. Asserted: the plan is empty when all stands, and lists exactly one job and day after
that day was marked.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.race import alternate, arguments, close, table
from infra.lake import Lake, ledger
from infra.lake.migrate import migrate
from infra.settings import Settings, load_settings
from jobs.declaration import Job, all_jobs
from jobs.maintenance.compaction import compact
from jobs.plan import Due, Plan, fingerprint

GOAL = {"plan_cpu_seconds": 5.0}
_COMMITS = 40
_DAYS = 365
_PEER = """
SELECT count(*) FROM (
  SELECT 1 FROM ops_runs WHERE state = 'succeeded'
  QUALIFY row_number() OVER (PARTITION BY table_name, job, coalesce(scope, CAST(ds AS VARCHAR))
                               ORDER BY ended_ts DESC) = 1
)
"""


def fill(settings: Settings, rows: int) -> list[date]:
    """A ledger of about `rows` rows: every daily job has made every day, and has been run again since."""
    lake = Lake.of(settings)
    jobs = [job for job in all_jobs() if job.is_daily]
    per_day = sum(len(job.writes) for job in jobs)
    days = [date(2026, 11, 20) - timedelta(days=n) for n in range(min(_DAYS, -(-rows // per_day)))][::-1]
    plan = Plan(settings)
    successes: dict[tuple[str, str], dict[str, ledger.Success]] = {}
    plan.__dict__["_successes"], plan.__dict__["marks"] = successes, {}
    lines = [line for job in jobs for day in days for line in _lines(plan, successes, job, day)]
    times = max(1, rows // len(lines))
    lines = [
        line | {"run_id": f"run-{n}", "ended_ts": line["ended_ts"] - timedelta(days=n)}
        for n in range(times)
        for line in lines
    ]
    for part in range(_COMMITS):
        ledger.append(lake, "ops.runs", lines[part::_COMMITS], f"fill-{part}")
    return days


def _lines(plan: Plan, successes: dict[Any, Any], job: Job, day: date) -> list[dict[str, Any]]:
    """Rows as a run of the job leaves them, and the successes that jobs after it look at."""
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    plan._contents.clear()
    plan._prefixes.clear()
    inputs = plan.inputs(job, (day,))
    lines = []
    for name in job.writes:
        content = f"1:{hash((name, day)) % 10**9}"
        lines.append(
            {
                "run_id": f"run-{day}", "job": job.name, "table_name": name, "ds": day, "started_ts": moment,
                "ended_ts": moment, "state": "succeeded", "rows_out": 1, "content_hash": content,
                "input_fingerprint": fingerprint(inputs), "input_versions": ledger.as_json({"content": inputs}),
                "settings_hash": plan.settings_hash(job), "output_version": 1, "code_version": "benchmark",
            }
        )  # fmt: skip
        success = ledger.Success(
            "r", moment, moment, content, fingerprint(inputs), plan.settings_hash(job), 1
        )
        successes.setdefault((name, job.name), {})[day.isoformat()] = success
    return lines


def main() -> int:
    """Fill, compact, race, assert."""
    options = arguments(__doc__, 100_000)
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(home=Path(home))
        migrate(settings)
        lake = Lake.of(settings)
        days = fill(settings, options.size)
        files = len(lake.open("ops.runs").file_uris())
        list(compact(settings, ["ops.runs"]))
        rows = ledger.query(lake, "SELECT count(*) FROM ops_runs", [], ["ops.runs"])[0][0]

        def ours() -> list[Due]:
            return Plan(settings).everything()

        def peer() -> int:
            with duckdb.connect() as connection:
                connection.register("ops_runs", lake.open("ops.runs").to_pyarrow_dataset())
                return int((connection.execute(_PEER).fetchone() or (0,))[0])

        seconds, answers = alternate({"plan": lambda: len(ours()), "duckdb": peer})
        assert answers["plan"] == 0, ours()[:3]
        ledger.mark_stale(lake, "curation.screen", [days[-1]], "late_events", "benchmark")
        marked = [(unit.job, unit.days) for unit in ours()]
        assert marked == [("curation.screen", (days[-1],))], marked[:3]
    ratio = seconds["plan"] / seconds["duckdb"]
    figures = {
        "rows": rows, "days": len(days), "files_before": files, "plan_cpu_seconds": round(seconds["plan"], 2),
        "duckdb_cpu_seconds": round(seconds["duckdb"], 2), "ratio": round(ratio, 2),
    }  # fmt: skip
    print(table(list(figures), [list(figures.values())]))
    met = close("ledger", figures, GOAL, {"plan_cpu_seconds": seconds["plan"] <= GOAL["plan_cpu_seconds"]})
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
