"""`flywheel readout`: the results of an experiment."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli.console import Format, err, out, print_rows, styled
from cli.experiments.commands import Experiment

if TYPE_CHECKING:
    from cli.reports.readout.data import Readout

_MOST_NAMED = 12


def readout(
    experiment: Experiment,
    day: Annotated[
        str | None, typer.Option(help="As of this day. Default: the latest day with a readout.")
    ] = None,
    segment: Annotated[str, typer.Option(help="all, or column=value. * shows every segment.")] = "all",
    method: Annotated[
        str, typer.Option(help="plain, winsorised, cuped or always_valid. * shows every method.")
    ] = "*",
    format: Annotated[
        Format, typer.Option(help="Output format. json and csv have every column.")
    ] = Format.table,
    html: Annotated[
        Path | None, typer.Option(help="Write an HTML page for decision makers to this file instead.")
    ] = None,
) -> None:
    """Show an experiment's results: lifts, intervals and verdicts.

    A lift compares a test arm with the control arm.
    Reads experiments.readouts and experiments.populations. docs/experiments.md explains every column.

    \b
    Examples:
      flywheel readout exp-001 --day 2026-11-24
      flywheel readout exp-001 --html report/exp-001.html
    """
    from cli.reports.readout.data import read_readout
    from infra.lake import Lake
    from infra.settings import load_settings, parse_days

    result = read_readout(Lake.of(load_settings()), experiment, parse_days(day)[0] if day else None)
    if html is not None:
        from cli.reports.readout.page import write_readout

        err.print(f"Open {write_readout(result, html)}")
        return
    if result.day is None:
        _raise_not_read_out(experiment, result)
    on_day = [row for row in result.lifts if row["as_of_ds"] == result.day]
    _refuse_unknown("segment", segment, sorted({row["segment"] for row in on_day}))
    of_segment = [row for row in on_day if segment in ("*", row["segment"])]
    _refuse_unknown("method", method, sorted({row["method"] for row in of_segment}))
    rows = [row for row in of_segment if method in ("*", row["method"])]
    if format is not Format.table:
        print_rows(rows, list(rows[0]) if rows else [], format)
    else:
        _print_for_people(experiment, result, rows)


def _refuse_unknown(option: str, given: str, known: list[str]) -> None:
    """One line for a method or segment that the readout does not have, with what is near."""
    if given in ("*", *known):
        return
    from infra.errors import SettingsError
    from infra.nearest import did_you_mean

    named = f"Available: *, {', '.join(known[:_MOST_NAMED])}"
    more = f", and {len(known) - _MOST_NAMED} more." if len(known) > _MOST_NAMED else "."
    raise SettingsError(
        f"the readout has no {option} {given!r}",
        setting=f"--{option}",
        hint=did_you_mean(given, known, named + more),
    )


def _print_for_people(experiment: str, result: Readout, rows: list[dict[str, Any]]) -> None:
    """Print the title, the lifts, the users of each arm and the sample-ratio test."""
    from cli.reports.readout.words import headline
    from jobs.experiments.populations import WHOM, without_share

    out.print(f"{experiment}: {result.definition['title']}")
    out.print(
        f"as of {result.day}, day {result.day_number} of {result.days}; control arm: {result.control}; "
        f"read from {', '.join(f'{t} v{v}' for t, v in result.versions.items())}",
    )  # fmt: skip
    family = [row for row in result.lifts_on_day() if row["metric"] in result.primary]
    told = headline(family, result.days)
    out.print(styled((told.verdict, "bold")))
    for line in told.more:
        out.print(line)
    lines = [_line(row) for row in rows]
    if lines:
        print_rows(lines, list(lines[0]), Format.table)
    for row in result.populations_on_day():
        if row["basis"] in WHOM:
            p = row["sample_ratio_p"]
            alarm = "  ALARM: no verdict is given" if row["sample_ratio_alarm"] else ""
            test = "too few users to test" if p is None else f"sample ratio p = {p:.3g}"
            if stray := without_share(row["users"], result.definition["arms"]):
                test += f"; users in arms that the definition does not declare: {_counts(stray)}"
            whom = WHOM[row["basis"]][result.several_arms]
            out.print(f"{row['basis']} ({whom}): {_counts(row['users'])}; {test}{alarm}")
        else:
            out.print(f"excluded, {row['basis']}: {_counts(row['users'])}")


def _raise_not_read_out(experiment: str, result: Readout) -> NoReturn:
    """Say how to read the experiment out, up to yesterday or its last day."""
    from infra.errors import ExperimentUnknown

    first, last = result.definition["start_ds"], result.definition["end_ds"]
    last = max(first, min(last, date.today() - timedelta(days=1)))
    raise ExperimentUnknown(
        f"{experiment} has no readout", table="experiments.readouts",
        hint=f"flywheel plan shows what is due. Last job: flywheel run experiments.readouts --days {first}..{last}",
    )  # fmt: skip


def _line(row: dict[str, Any]) -> dict[str, str]:
    """A row for people: percent with signs, the interval in words."""
    return {
        "arm": row["arm"],
        "segment": row["segment"],
        "metric": row["metric"],
        "method": row["method"],
        "control": _number(row["estimate_control"]),
        "test": _number(row["estimate_test"]),
        "lift %": "" if row["lift_pct"] is None else f"{row['lift_pct']:+.2f}",
        "interval %": interval(row),
        "p": _number(row["p_value"]),
        "p adjusted": _number(row["p_adjusted"]),
        "verdict": row["verdict"] if row["status"] == "ok" else f"{row['verdict']} ({row['status']})",
    }


def interval(row: dict[str, Any]) -> str:
    """The interval of lifts in words. Its ends are never swapped."""
    kind, low, high = row["interval_kind"], row["low_pct"], row["high_pct"]
    if kind == "bounded":
        return f"{low:+.2f} to {high:+.2f}"
    if kind == "complement":
        return f"up to {row['gap_low_pct']:+.2f}, or from {row['gap_high_pct']:+.2f}"
    if kind == "half_line":
        return f"from {low:+.2f}" if high is None else f"up to {high:+.2f}"
    return "any" if kind == "whole_line" else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _counts(users: Any) -> str:
    return ", ".join(f"{arm} {n:,}" for arm, n in sorted(dict(users).items()))
