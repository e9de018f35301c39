"""What a run of the pipeline took and gave, from the ledger, as Markdown: `python -m benchmarks.pipeline TITLE`."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime

import psutil

from benchmarks.race import table
from cli.reports.curation.data import Report, read
from cli.reports.curation.page import hard_constraints, job_rows, stops, target_rows
from infra.lake import Lake
from infra.lake.ledger import code_version
from infra.settings import load_settings
from infra.settings.curation import SamplingSettings

HOW = (
    "Seconds are of the job from its start to its last write, without the start of Python (Java's start is in them); "
    "memory is the private memory of driver, JVM and workers together, sampled every second."
)


def jobs(report: Report) -> str:
    """By job: rows in, rows out of its closing table, seconds, rows a second, peak memory."""
    rows = []
    for job in job_rows(report.runs, report.costs):
        closing = list(job["tables"])[-1]
        read_in = job["rows_in"] or job["tables"][closing]
        rows.append(
            (
                f"`{job['job']}`", f"{read_in:,}", f"{job['tables'][closing]:,} in `{closing}`",
                f"{job['seconds']:.0f}", f"{read_in / max(job['seconds'], 1e-9):,.0f}", f"{job['memory'] / 1e9:.1f}",
            )
        )  # fmt: skip
    return table(("job", "rows in", "rows out", "seconds", "rows in/s", "peak GB"), rows)


def constraints(report: Report, split: str, rules: SamplingSettings) -> str:
    """Hard constraints and targets of a split."""
    hard = [
        (row["label"], f"{row['kind']} {row['wanted']:,.0f}", f"{row['achieved']:,}", "yes" if row["met"] else "no")
        for row in hard_constraints(report, split, rules)
    ]  # fmt: skip
    aimed = [
        (row["title"], f"{row['levels']} targets", f"{row['off_pct']:.2f} % of rows off target", "")
        for row in target_rows(report, split)
        if row["levels"]
    ]
    return table(("constraint", "asked", "achieved", "met"), [*hard, *aimed])


def main(title: str) -> None:
    """Print the page."""
    settings = load_settings()
    report = read(Lake.of(settings), 0, 0)
    memory = psutil.virtual_memory().total / 1e9
    print(f"# {title}\n")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, "
        f"Python {platform.python_version()}, code `{code_version()}`, dataset `{report.dataset_id}`, "
        f"days {report.first_day} to {report.last_day}. Made by `python -m benchmarks.pipeline`.\n"
    )
    print(f"{HOW}\n")
    turns = sum(row["turns"] for row in report.outcomes)
    daily: dict[str, int] = {}
    for row in report.outcomes:
        daily[row["outcome"]] = daily.get(row["outcome"], 0) + row["turns"]
    print(f"## Outcomes\n\n{turns:,} turns in.\n")
    print(
        table(
            ("outcome", "turns", "share"),
            [(k, f"{n:,}", f"{100 * n / turns:.1f} %") for k, n in daily.items()],
        )
    )
    print(table(("stopped at", "turns"), [(name, f"{count:,}") for name, count in stops(report)]))
    for split in sorted({row["split"] for row in report.constraints}, reverse=True):
        print(f"## Sample, {split}\n\n{constraints(report, split, settings.sampling)}")
    print(f"## Jobs\n\n{jobs(report)}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "A run of the pipeline")
