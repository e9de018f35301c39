"""Experiments at the command line: declare, plan, list, check, and read out."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import Format, err, out, print_rows
from infra.settings import load_settings, parse_days

experiment_app = typer.Typer(
    no_args_is_help=True,
    help="Experiments: what is tested, on whom, for how long. A definition is declared before the start and does not "
    "change after it; `flywheel readout` says what was found.",
)

Experiment = Annotated[str, typer.Argument(help="experiment_id, as `flywheel experiment list` shows it.")]
DefinitionFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A definition in TOML; see docs/experiments.md.")
]


@experiment_app.command()
def declare(file: DefinitionFile) -> None:
    """Put a definition in force. Refused when the experiment has started and would change.

    Example: flywheel experiment declare exp-001.toml
    """
    from jobs.experiments.definition import declare as put
    from jobs.experiments.definition import read_definition

    wanted = read_definition(file)
    done = put(load_settings(), wanted)
    out.print(f"{wanted.experiment_id} ({wanted.start_ds}..{wanted.end_ds}): {done}", markup=False)


@experiment_app.command()
def plan(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="Plan this definition on the lake's history."),
    ] = None,
    mean: Annotated[float | None, typer.Option(help="Instead of history: a user's mean amount.")] = None,
    sd: Annotated[float | None, typer.Option(help="And its standard deviation over users.")] = None,
    users: Annotated[
        int | None, typer.Option(min=2, help="Users in each arm; default: history x share.")
    ] = None,
    lift: Annotated[float | None, typer.Option(help="Say how many users this lift (percent) needs.")] = None,
    power: Annotated[float, typer.Option(min=0.5, max=0.999, help="Chance to find a true lift.")] = 0.8,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """Smallest lift that would be found, before a start: on the lake's history, or of a mean and deviation.

    Examples: flywheel experiment plan exp-001.toml;  flywheel experiment plan --mean 12 --sd 20 --users 50000
    """
    from cli.experiments.plan import from_definition, from_numbers

    if file is not None and mean is None and sd is None:
        rows = from_definition(load_settings(), file, users, lift, power)
    elif file is None and mean is not None and sd is not None and (users or lift):
        rows = from_numbers(mean, sd, users, lift, power)
    else:
        raise typer.BadParameter("give FILE, or --mean and --sd with --users or --lift")
    print_rows(rows, list(rows[0]), format)


@experiment_app.command("list")
def list_(format: Annotated[Format, typer.Option(help="Output.")] = Format.table) -> None:
    """List what was declared, and what is exposed without a definition."""
    from cli.experiments.check import overview

    rows = overview(load_settings())
    if not rows:
        err.print("No experiment is declared or exposed. Declare one: flywheel experiment declare FILE")
        return
    print_rows(rows, list(rows[0]), format)


@experiment_app.command()
def check(experiment: Experiment) -> None:
    """Say whether an experiment can be trusted: its days, its arms' sizes, who is excluded. Exit code 1 if not."""
    from cli.experiments.check import findings

    found = findings(load_settings(), experiment)
    for one in found:
        err.print(f"{'[green]ok[/green]   ' if one.ok else '[red]ALARM[/red]'} {one.what}", highlight=False)
        if not one.ok:
            err.print(f"        {one.remedy}", highlight=False, markup=False)
    raise typer.Exit(0 if all(one.ok for one in found) else 1)


def readout(
    experiment: Experiment,
    day: Annotated[
        str | None, typer.Option(help="As of this day; default: the last that was read out.")
    ] = None,
    segment: Annotated[str, typer.Option(help="all, or column=value; * for every one.")] = "all",
    method: Annotated[
        str, typer.Option(help="plain, winsorised, cuped or always_valid; * for every one.")
    ] = "*",
    format: Annotated[Format, typer.Option(help="Output; json and csv hold every column.")] = Format.table,
    html: Annotated[
        Path | None, typer.Option(help="Write the page for who decides to this file instead.")
    ] = None,
) -> None:
    """Lifts of every test arm over the control with their intervals, and what may be said of them.

    Examples: flywheel readout exp-001 --day 2026-11-24;  flywheel readout exp-001 --html report/exp-001.html
    """
    from cli.reports.readout.data import read_readout
    from infra.lake import Lake

    found = read_readout(Lake.of(load_settings()), experiment, parse_days(day)[0] if day else None)
    if html is not None:
        from cli.reports.readout.page import write_readout

        err.print(f"Open {write_readout(found, html)}")
        return
    if found.day is None:
        first = found.definition["start_ds"]
        last = min(found.definition["end_ds"], date.today() - timedelta(days=1))
        _not_read_out(experiment, first, max(first, last))
    rows = [
        row
        for row in found.lifts
        if row["as_of_ds"] == found.day
        and segment in ("*", row["segment"])
        and method in ("*", row["method"])
    ]
    if format is not Format.table:
        print_rows(rows, list(rows[0]) if rows else [], format)
        return
    out.print(f"{experiment}: {found.definition['title']}", markup=False, highlight=False)
    out.print(
        f"as of {found.day}, day {found.day_number} of {found.days}, against {found.control}; "
        f"read from {', '.join(f'{t} v{v}' for t, v in found.versions.items())}",
        markup=False, highlight=False,
    )  # fmt: skip
    told = [_told(row) for row in rows]
    if told:
        print_rows(told, list(told[0]), Format.table)
    for row in found.counted():
        if row["basis"] in ("assigned", "exposed"):
            p = row["sample_ratio_p"]
            alarm = "  ALARM: no verdict is given" if row["sample_ratio_alarm"] else ""
            print_p = "too few users to test" if p is None else f"sample ratio p = {p:.3g}"
            out.print(f"{row['basis']}: {_counts(row['users'])}; {print_p}{alarm}", markup=False)
        else:
            out.print(f"excluded, {row['basis']}: {_counts(row['users'])}", markup=False)


def _not_read_out(experiment: str, first: date, last: date) -> None:
    from infra.errors import ExperimentUnknown

    raise ExperimentUnknown(
        f"{experiment} was not read out on any day", table="experiments.readouts",
        hint=f"flywheel plan says what is due; the last job: flywheel run experiments.readouts --days {first}..{last}",
    )  # fmt: skip


def _told(row: dict[str, Any]) -> dict[str, str]:
    """A row for people: percent with signs, an interval that says what kind of set it is."""
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
    """The set of lifts in words; ends are never swapped."""
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
