"""`flywheel report`: one self-contained page on what curation did with the last window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.reports.curation import figures
from cli.reports.curation.data import DIMENSIONS, Report, Row, read
from cli.reports.curation.map import lay_out
from cli.reports.page import write_page
from infra.lake import Lake
from infra.settings import Settings
from models.screening.reasons import in_words

_STOPS = {
    "ineligible": "Not usable",
    "rejected": "Screening",
    "in_review": "Waits for review",
    "near_duplicate": "Near-duplicate",
    "diversity_budget": "Diversity budget",
    "split_leak": "Split leak",
    "context_unsafe": "Context unsafe",
    "not_sampled": "Not sampled",
}
_PASSED = {"near_duplicate", "diversity_budget", "eligible"}
_REASONS_SHOWN = 20


def render(settings: Settings, out: Path) -> Path:
    """Write the report of the lake that the settings name to `out` (its directory is made) and return it."""
    report = read(Lake.of(settings), settings.report.examples, settings.report.map_points)
    steps = funnel_steps(report)
    splits = sorted({row["split"] for row in report.constraints}, reverse=True)
    plots = _plots(report, steps, splits)
    return write_page(
        "report.html.j2",
        out,
        plots,
        report=report,
        steps=steps,
        reasons=stops(report),
        hard={split: hard_constraints(report, split) for split in splits},
        targets={split: target_rows(report, split) for split in splits},
        dimensions=DIMENSIONS,
        jobs=job_rows(report.runs, report.costs),
        alarms=[row for row in report.drift if row["status"] != "steady"],
        quality=quality_rows(report.quality),
        drawn={
            f"{split}-{kind}": [
                (f"{split}-{name}-{kind}", title)
                for name, title in DIMENSIONS.items()
                if f"{split}-{name}-{kind}" in plots
            ]
            for split in splits
            for kind in ("days", "strata")
        },
    )


def _plots(report: Report, steps: Sequence[tuple[str, int]], splits: Sequence[str]) -> dict[str, str]:
    """Id of the element to draw in -> plotly JSON."""
    plots = {}
    if report.outcomes:
        plots = {"funnel": figures.funnel(steps), "reasons": figures.reasons(stops(report)[:_REASONS_SHOWN])}
    for split in splits:
        for name in DIMENSIONS:
            rows = [row for row in report.constraints if (row["split"], row["dimension"]) == (split, name)]
            if rows:
                plots[f"{split}-{name}"] = figures.before_after(rows)
            for kind, draw, found in (
                ("days", figures.by_day, report.days),
                ("strata", figures.strata, report.levels),
            ):
                these = [row for row in found if (row["split"], row["dimension"]) == (split, name)]
                if these:
                    plots[f"{split}-{name}-{kind}"] = draw(these)
        if drifted := [row for row in report.drift if row["split"] == split]:
            plots[f"{split}-drift"] = figures.drift(drifted, DIMENSIONS)
    if places := lay_out(report.prompts):
        plots["map"] = figures.prompt_map(places)
    if report.runs:
        costs = job_rows(report.runs, report.costs)
        plots["seconds"] = figures.seconds([(row["job"], row["seconds"]) for row in costs])
    return plots


def funnel_steps(report: Report) -> list[tuple[str, int]]:
    """Turns left: served, usable, passed screening, kept, allowed in the dataset, sampled."""

    def daily(keep: set[str] | None, drop: str = "") -> int:
        chosen = (
            row for row in report.outcomes if (not keep or row["outcome"] in keep) and row["outcome"] != drop
        )
        return sum(row["turns"] for row in chosen)

    steps = [
        ("Turns served", daily(None)),
        ("Usable", daily(None, drop="ineligible")),
        ("I · screened", daily(_PASSED)),
        ("II · diverse", daily({"eligible"})),
    ]
    if report.dataset_id:
        barred = {"split_leak", "context_unsafe"}
        steps.append(("Safe to draw", sum(r["turns"] for r in report.fates if r["outcome"] not in barred)))
        steps.append(("III · sampled", sum(r["turns"] for r in report.fates if r["outcome"] == "selected")))
    return steps


def stops(report: Report) -> list[tuple[str, int]]:
    """Where and why turns ended before the sample, most first."""
    counts: dict[str, int] = {}
    for row in (*report.outcomes, *report.fates):
        if row["outcome"] in _STOPS:
            reason = in_words(row["reason"]) if row["reason"] != row["outcome"] else ""
            name = _STOPS[row["outcome"]] + (f" · {reason}" if reason else "")
            counts[name] = counts.get(name, 0) + row["turns"]
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def hard_constraints(report: Report, split: str) -> list[Row]:
    """Size, floors, and of each dimension's caps the one with least room; with whether it holds."""
    rows: list[Row] = []
    tightest: dict[str, Row] = {}
    for row in (row for row in report.constraints if row["split"] == split):
        met = row["slack"] is not None and row["slack"] >= 0
        if row["dimension"] == "size":
            met = row["achieved"] == row["wanted"]
            rows.append({**row, "label": "Size of the sample", "met": met})
        elif row["kind"] == "floor":
            rows.append({**row, "label": f"{DIMENSIONS[row['dimension']]}: {row['level']}", "met": met})
        elif row["kind"] == "cap":
            held = tightest.get(row["dimension"])
            if held is None or (row["slack"], -row["achieved"]) < (held["slack"], -held["achieved"]):
                label = f"{DIMENSIONS[row['dimension']]}: fullest of its levels"
                tightest[row["dimension"]] = {**row, "label": label, "met": met}
    return [*rows, *tightest.values()]


def target_rows(report: Report, split: str) -> list[Row]:
    """Each dimension's targets as one line: rows off target, and the levels that miss most."""
    found = []
    for name, title in DIMENSIONS.items():
        rows = [
            row
            for row in report.constraints
            if row["split"] == split and row["dimension"] == name and row["kind"] == "target"
        ]
        if rows:
            size = rows[0]["sample_size"]
            # A row too many here is a row too few there: half the L1 distance is misplaced.
            off = sum(row["slack"] for row in rows) / 2
            worst = sorted(
                (row for row in rows if row["slack"]), key=lambda row: (-row["slack"], row["level"])
            )[:3]
            found.append(
                {
                    "title": title, "levels": len(rows), "off": off, "worst": worst,
                    "off_pct": 100 * off / size if size else 0.0,
                }
            )  # fmt: skip
        else:
            found.append({"title": title, "levels": 0, "off": None, "worst": [], "off_pct": None})
    return found


def job_rows(runs: Sequence[Row], costs: Sequence[Row]) -> list[Row]:
    """Last runs by job: seconds, rows in and out of its tables, what a thousand rows cost, largest memory, state."""
    jobs: dict[str, Row] = {}
    for row in runs:
        one = jobs.setdefault(
            row["job"],
            {"job": row["job"], "runs": {}, "tables": {}, "read": {}, "memory": 0, "failed": 0},
        )
        one["runs"][row["run_id"]] = max(one["runs"].get(row["run_id"], 0.0), row["seconds"] or 0.0)
        one["tables"][row["table_name"]] = one["tables"].get(row["table_name"], 0) + (row["rows_out"] or 0)
        one["read"][row["table_name"]] = one["read"].get(row["table_name"], 0) + (row["rows_in"] or 0)
        one["memory"] = max(one["memory"], row["peak_memory_bytes"] or 0)
        one["failed"] += row["state"] == "failed"
    rate = {row["job"]: row["seconds_a_thousand_rows"] for row in costs}
    # Each table of a job accounts for the same rows read.
    return [
        {
            **one, "seconds": sum(one["runs"].values()), "rows_in": max(one["read"].values()),
            "seconds_a_thousand_rows": rate.get(one["job"]),
        }
        for one in jobs.values()
    ]  # fmt: skip


def quality_rows(results: Sequence[Row]) -> list[Row]:
    """Expectations by table: how many hold, and the names of those that do not."""
    tables: dict[str, Row] = {}
    for row in results:
        one: dict[str, Any] = tables.setdefault(
            row["table_name"], {"table": row["table_name"], "held": 0, "failed": []}
        )
        if row["success"]:
            one["held"] += 1
        else:
            one["failed"].append(f"{row['expectation']} ({row['severity']})")
    return [tables[name] for name in sorted(tables)]
