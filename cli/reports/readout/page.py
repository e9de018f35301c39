"""The readout page: one experiment on one self-contained page, for decision makers and reviewers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.reports.figures import Plot, percent
from cli.reports.page import Tile, write_page
from cli.reports.readout import figures, words
from cli.reports.readout.data import ALL, BY_DAY, Readout, Row
from jobs.experiments.populations import WHOM, without_share

EXCLUDED = {
    "in_several_arms": ("Seen in several arms", "They saw more than one arm, so they are excluded from all of them."),
    "bot": ("Bots", "They sent more messages on a day before first exposure than the definition allows."),
    "ineligible": ("Not eligible", "They did not match the definition's eligibility when they were assigned."),
    "internal": ("Internal", "Vendors, researchers and specialists, who are not users of the product."),
}  # fmt: skip
_SEGMENTS_DRAWN = 24
"""A plot of more segments than this is harder to read than its table."""


def write_readout(readout: Readout, out: Path) -> Path:
    """Write the page of a readout to `out` and return it."""
    checks = sample_ratio_checks(readout)
    alarms = [
        check["name"] + "".join(f" ({alarm})" for alarm in check["alarms"] if alarm)
        for check in checks
        if check["alarms"]
    ]
    family = [row for row in readout.lifts_on_day() if row["metric"] in readout.primary]
    arms = [arm for arm in readout.definition["arms"] if arm != readout.control]
    return write_page(
        "readout.html.j2",
        out,
        _plots(readout, arms),
        readout=readout,
        definition=readout.definition,
        headline=words.headline(family, readout.days, alarms),
        words=words,
        tiles=tiles(readout, arms, checks),
        arms=arms,
        metrics=ordered_metrics(readout),
        lifts={
            metric: in_order(readout.lifts_on_day(method="plain", metric=metric), arms)
            for metric in words.METRICS
        },
        methods=method_rows(readout, arms),
        checks=checks,
        exposed=exposure_rows(readout),
        exposure_days=[day[5:] for row in exposure_rows(readout)[:1] for day in row["days"]],
        excluded=exclusion_rows(readout),
        segments=segment_tables(readout, arms),
        winsor_bound=next((row["winsor_bound"] for row in readout.lifts_on_day(method="winsorised")), None),
        bandless=lambda metric, arm: days_without_band(readout, metric, arm),
        run_id=next((row["run_id"] for row in readout.lifts_on_day()), None),
        schema_version=next((row["schema_version"] for row in readout.lifts_on_day()), None),
    )


def tiles(readout: Readout, arms: Sequence[str], checks: Sequence[Row]) -> list[Tile]:
    """How far the experiment is, the lifts with their verdicts, and whether the comparison is fair."""
    exposed, excluded = exposure_rows(readout), exclusion_rows(readout)
    found = [Tile(f"{readout.day_number} of {readout.days}", "days of the window")]
    for metric in readout.primary:
        rows, name = readout.lifts_on_day(method="plain", metric=metric), words.METRICS[metric]
        better, worse = ([row for row in rows if row["verdict"] == v] for v in ("positive", "negative"))
        met = False if worse else True if better else None
        if len(arms) > 1:
            found.append(
                Tile(
                    f"{len(better)} of {len(arms)}",
                    f"arms better in {name.lower()}",
                    f"{len(worse)} worse",
                    met,
                )
            )
        elif rows and rows[0]["interval_kind"] == "bounded":
            told = f"{name} · {words.VERDICTS[rows[0]['verdict']]}"
            found.append(Tile(words.value(rows[0]), told, f"({words.interval(rows[0])})", met))
        elif rows:
            found.append(Tile("–", f"{name} · {words.lift(rows[0])}"))
    users = sum(row["users"] for row in exposed)
    found.append(Tile(f"{users:,}", "users exposed and counted"))
    if checks:
        broken = any(check["alarms"] for check in checks)
        found.append(Tile("broken" if broken else "holds", "sample ratio", met=not broken))
    share = percent(sum(row["share_pct"] for row in excluded))
    found.append(Tile(f"{sum(row['users'] for row in excluded):,}", f"users excluded, {share} of assigned"))
    return found


def ordered_metrics(readout: Readout) -> list[str]:
    """Primary metrics in the order declared, then the others."""
    return [*readout.primary, *(metric for metric in words.METRICS if metric not in readout.primary)]


def in_order(rows: Sequence[Row], arms: Sequence[str]) -> list[Row]:
    """Rows in the order in which their arms were declared."""
    return sorted(rows, key=lambda row: (arms.index(row["arm"]), row["segment"]))


def method_rows(readout: Readout, arms: Sequence[str]) -> list[Row]:
    """A line for each metric and arm, with its row by each method."""
    rows = {(row["metric"], row["arm"], row["method"]): row for row in readout.lifts_on_day()}
    return [
        {"metric": metric, "arm": arm, "by": {method: rows.get((metric, arm, method)) for method in words.METHODS}}
        for metric in ordered_metrics(readout)
        for arm in arms
        if (metric, arm, "plain") in rows
    ]  # fmt: skip


def days_without_band(readout: Readout, metric: str, arm: str) -> list[str]:
    """Days on which the always-valid set of lifts is not an interval, and what it is."""
    return [
        f"day {row['k']}, {words.interval(row)}"
        for row in readout.lifts
        if (row["metric"], row["arm"], row["segment"], row["method"]) == (metric, arm, ALL, "always_valid")
        and row["interval_kind"] != "bounded"
    ]


def sample_ratio_checks(readout: Readout) -> list[Row]:
    """Sample-ratio tests by what they look at: how many, the smallest p, and the names of those that failed."""
    checks = []
    for name, chosen in (
        ("all users assigned", readout.populations_on_day(basis="assigned")),
        ("all users exposed", readout.populations_on_day(basis="exposed")),
        ("each day of first exposure", _tested(readout, lambda segment: segment.startswith(f"{BY_DAY}="))),
        ("each segment", _tested(readout, lambda s: s != ALL and not s.startswith(f"{BY_DAY}="))),
    ):
        tested = [row for row in chosen if row["sample_ratio_p"] is not None or row["sample_ratio_alarm"]]
        if tested:
            checks.append(
                {
                    "name": name,
                    "whom": WHOM[name.rpartition(" ")[2]][readout.several_arms]
                    if name.startswith("all")
                    else "",
                    "tests": len(tested),
                    "p": min(row["sample_ratio_p_adjusted"] or 0.0 for row in tested),
                    "alarms": [
                        f"{row['segment'].partition('=')[2]}, {row['basis']}"
                        if row["segment"] != ALL
                        else _stray(row["users"], readout)
                        for row in tested
                        if row["sample_ratio_alarm"]
                    ],
                }
            )
    return checks


def _stray(users: Mapping[str, int], readout: Readout) -> str:
    stray = without_share(users, readout.definition["arms"])
    named = ", ".join(f"{arm} {n:,}" for arm, n in stray.items())
    return f"users in arms that are not declared: {named}" if named else ""


def _tested(readout: Readout, matches: Any) -> list[Row]:
    return [
        row
        for row in readout.populations
        if row["as_of_ds"] == readout.day
        and row["basis"] in ("assigned", "exposed")
        and matches(row["segment"])
    ]


def exposure_rows(readout: Readout) -> list[Row]:
    """Users read out, by arm: in all, their share, the declared share, and by day of first exposure."""
    total = next((row["users"] for row in readout.populations_on_day(basis="exposed")), None)
    if not total:
        return []
    by_day = {
        row["segment"].partition("=")[2]: row["users"]
        for row in _tested(readout, lambda segment: segment.startswith(f"{BY_DAY}="))
        if row["basis"] == "exposed"
    }
    users, shares = sum(total.values()), readout.definition["shares"]
    declared = sum(shares.values())
    return [
        {
            "arm": arm,
            "users": total.get(arm, 0),
            "share_pct": 100 * total.get(arm, 0) / users if users else 0.0,
            "declared_pct": 100 * shares.get(arm, 0.0) / declared,
            "days": {day: counts.get(arm, 0) for day, counts in sorted(by_day.items())},
        }
        for arm in (*readout.definition["arms"], *sorted(set(total) - set(readout.definition["arms"])))
    ]


def exclusion_rows(readout: Readout) -> list[Row]:
    """Why assigned users are not read out, with their number by arm and their share of the assigned."""
    assigned = next((sum(row["users"].values()) for row in readout.populations_on_day(basis="assigned")), 0)
    users = {row["basis"]: row["users"] for row in readout.populations_on_day() if row["basis"] in EXCLUDED}
    return [
        {
            "title": title, "why": why, "by_arm": users.get(basis, {}), "users": sum(users.get(basis, {}).values()),
            "share_pct": 100 * sum(users.get(basis, {}).values()) / assigned if assigned else 0.0,
        }
        for basis, (title, why) in EXCLUDED.items()
    ]  # fmt: skip


def segment_tables(readout: Readout, arms: Sequence[str]) -> list[Row]:
    """For each declared segment and primary metric: the lifts of its levels, largest level first."""
    tables = []
    for column in readout.definition["segments"]:
        rows = [
            row
            for row in readout.lifts
            if row["as_of_ds"] == readout.day
            and row["method"] == "plain"
            and row["segment"].startswith(f"{column}=")
        ]
        sizes: dict[str, int] = {}
        for row in rows:
            sizes[row["segment"]] = max(sizes.get(row["segment"], 0), row["n_test"] + row["n_control"])
        for metric in readout.primary:
            of_metric = [
                {**row, "level": row["segment"].partition("=")[2]} for row in rows if row["metric"] == metric
            ]
            of_metric.sort(key=lambda row: (-sizes[row["segment"]], row["segment"], arms.index(row["arm"])))
            if of_metric:
                tables.append(
                    {
                        "column": column,
                        "metric": metric,
                        "id": f"segment-{column}-{metric}",
                        "rows": of_metric,
                    }
                )
    return tables


def _plots(readout: Readout, arms: Sequence[str]) -> dict[str, Plot]:
    """Id of the element to draw in -> what is drawn."""
    plots = {}
    for metric in ordered_metrics(readout):
        rows = in_order(readout.lifts_on_day(method="plain", metric=metric), arms)
        if any(row["interval_kind"] not in (None, "undefined") for row in rows):
            plots[f"lift-{metric}"] = figures.forest(rows, [row["arm"] for row in rows])
        for place, arm in enumerate(arms if metric in readout.primary else ()):
            by_day = [
                row
                for row in readout.lifts
                if (row["metric"], row["arm"], row["segment"]) == (metric, arm, ALL)
            ]
            fixed, always = (
                [row for row in by_day if row["method"] == method] for method in ("plain", "always_valid")
            )
            if any(row["lift_pct"] is not None for row in fixed):
                plots[f"days-{metric}-{place}"] = figures.curve(fixed, always, readout.days)
    for table in segment_tables(readout, arms):
        if len(table["rows"]) <= _SEGMENTS_DRAWN:
            names = [
                f"{row['level']} · {row['arm']}" if len(arms) > 1 else row["level"] for row in table["rows"]
            ]
            plots[table["id"]] = figures.forest(table["rows"], names)
    counts = {row["arm"]: list(row["days"].items()) for row in exposure_rows(readout) if row["days"]}
    if counts:
        plots["exposures"] = figures.exposures(counts)
    return plots
