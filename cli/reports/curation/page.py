"""`flywheel report`: one self-contained page on what curation did with the last window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.reports.curation import figures
from cli.reports.curation.data import DIMENSIONS, Report, Row, read
from cli.reports.curation.map import lay_out
from cli.reports.figures import Plot, percent
from cli.reports.page import Tile, write_page
from infra.lake import Lake
from infra.settings import Settings
from infra.settings.curation import SamplingSettings
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
_SIGNS = {"floor": "≥", "cap": "≤"}
_UNITS = {"first_turn": "first turns", "character": "fullest character"}


def render(settings: Settings, out: Path) -> Path:
    """Write the report of the lake that the settings name to `out` (its directory is made) and return it."""
    report = read(Lake.of(settings), settings.report.examples, settings.report.map_points)
    splits = sorted({row["split"] for row in report.constraints}, reverse=True)
    hard = {split: hard_constraints(report, split, settings.sampling) for split in splits}
    quality, jobs = quality_rows(report.quality), job_rows(report.runs, report.costs)
    plots = _plots(report, splits)
    steps, stopped = funnel_steps(report), stops(report)
    served = steps[0][1]
    return write_page(
        "report.html.j2",
        out,
        plots,
        report=report,
        tiles=tiles(report, hard, quality, jobs),
        steps=bars(steps, served),
        reasons=bars(stopped[:_REASONS_SHOWN], served),
        reasons_left=stopped[_REASONS_SHOWN:],
        hard=hard,
        usual_cap_pct=100 * SamplingSettings.model_fields["character_cap"].default,
        targets={split: target_rows(report, split) for split in splits},
        dimensions=DIMENSIONS,
        jobs=jobs,
        slowest=max((row["seconds"] for row in jobs), default=0) or 1,
        alarms=[row for row in report.drift if row["status"] != "steady"],
        quality=quality,
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


def tiles(
    report: Report, hard: Mapping[str, Sequence[Row]], quality: Sequence[Row], jobs: Sequence[Row]
) -> list[Tile]:
    """What a reader asks first: how much there is, and whether it is as it was asked for."""
    steps = dict(funnel_steps(report))
    served = steps["Turns served"] or 1
    found = [Tile(f"{steps['Turns served']:,}", "turns served")]
    for step, label in (("I · screened", "passed screening"), ("III · sampled", "sampled")):
        if step in steps:
            found.append(
                Tile(f"{steps[step]:,}", f"{label}, {percent(100 * steps[step] / served)} of served")
            )
    for split, rows in hard.items():
        for row in tightest(rows):
            if row["dimension"] == "size":
                value, beside = f"{row['achieved']:,}", f"of {row['wanted']:,.0f}"
                label = "rows asked for" if row["met"] else "rows asked for: a constraint binds"
            else:
                value = percent(row["achieved_pct"])
                beside = f"{_SIGNS[row['kind']]} {percent(row['bound_pct'])}"
                label = (
                    _UNITS.get(row["dimension"]) or f"{DIMENSIONS[row['dimension']].lower()}, {row['level']}"
                )
            found.append(Tile(value, f"{label}, {split}", beside, row["met"]))
        alarms = [row for row in report.drift if (row["split"], row["status"]) == (split, "alarm")]
        if alarms:
            found.append(Tile(f"{len(alarms)}", f"drift alarms, {split}", met=False))
    if quality:
        passed, failed = sum(row["held"] for row in quality), sum(len(row["failed"]) for row in quality)
        found.append(Tile(f"{passed:,}", "data checks passed", f"of {passed + failed:,}", not failed))
    if failed_jobs := sum(bool(row["failed"]) for row in jobs):
        found.append(Tile(f"{failed_jobs}", "jobs failed in their last run", met=False))
    return found


def tightest(rows: Sequence[Row]) -> list[Row]:
    """The size, then of the constraints of each dimension and kind the one with least room."""
    least: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row["dimension"] != "size"):
        key = (row["dimension"], row["kind"])
        if key not in least or (row["slack"] or 0) < (least[key]["slack"] or 0):
            least[key] = row
    return list(least.values())


def bars(rows: Sequence[tuple[str, int]], total: int) -> list[Row]:
    """Counts with their share of `total`, and the length of their bar in percent of the longest."""
    longest = max((count for _, count in rows), default=0) or 1
    return [
        {"name": name, "count": count, "share_pct": 100 * count / (total or 1), "bar_pct": 100 * count / longest}
        for name, count in rows
    ]  # fmt: skip


def _plots(report: Report, splits: Sequence[str]) -> dict[str, Plot]:
    """Id of the element to draw in -> what is drawn."""
    plots = {}
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


def hard_constraints(report: Report, split: str, rules: SamplingSettings) -> list[Row]:
    """Size, floors, and of each dimension's caps the one with least room; with whether it holds, and shares."""
    rows: list[Row] = []
    tightest: dict[str, Row] = {}
    for row in (row for row in report.constraints if row["split"] == split):
        size = row["sample_size"] or 1
        row = {
            **row,
            "met": row["slack"] is not None and row["slack"] >= 0,
            "achieved_pct": 100 * row["achieved"] / size,
            "bound_pct": _bound_pct(row, rules),
        }
        if row["dimension"] == "size":
            met = row["achieved"] == row["wanted"]
            rows.append({**row, "label": "Size of the sample", "met": met})
        elif row["kind"] == "floor":
            rows.append({**row, "label": f"{DIMENSIONS[row['dimension']]}: {row['level']}"})
        elif row["kind"] == "cap":
            held = tightest.get(row["dimension"])
            if held is None or (row["slack"], -row["achieved"]) < (held["slack"], -held["achieved"]):
                label = f"{DIMENSIONS[row['dimension']]}: fullest of its levels"
                tightest[row["dimension"]] = {**row, "label": label}
    return [*rows, *tightest.values()]


def _bound_pct(row: Row, rules: SamplingSettings) -> float:
    """The share that a constraint names: the setting's, where the rows asked for are that share made whole."""
    wanted, size = row["wanted"] or 0.0, row["sample_size"] or 1
    declared = {
        ("first_turn", "floor"): rules.first_turn_floor, ("character", "cap"): rules.character_cap,
    }.get((row["dimension"], row["kind"]))  # fmt: skip
    return 100 * (declared if declared is not None and abs(declared * size - wanted) < 1 else wanted / size)


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
            shared = (
                {
                    **row,
                    "wanted_pct": 100 * row["wanted"] / (size or 1),
                    "achieved_pct": 100 * row["achieved"] / (size or 1),
                }
                for row in rows
            )
            worst = sorted(
                (row for row in shared if row["slack"]), key=lambda row: (-row["slack"], row["level"])
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
