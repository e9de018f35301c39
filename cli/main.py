"""`flywheel`: schedule, repair, query and import, from one command."""

from __future__ import annotations

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import Format, err, out, print_rows
from infra.errors import FlywheelError
from infra.lake import Lake
from infra.settings import load_settings, parse_days, span_of

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Logged chat traffic to curated Delta tables, experiments and better models.\n\n"
    "Start with **flywheel doctor**, then **make demo**; "
    "**flywheel plan** says what must run and why.",
)


class ImportFormat(StrEnum):
    """Chat logs that can be imported."""

    chatlogs = "chatlogs"
    openai = "openai"


def main() -> None:
    """Run the command; an error of ours is one line that says what to do, exit code 1."""
    try:
        app()
    except FlywheelError as error:
        # Escaped: where it happened stands in square brackets, which rich would take for a style.
        text = f"[bold red]{type(error).__name__}[/bold red]: {escape(str(error))}"
        err.print(text, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def doctor() -> None:
    """Say in plain words what this machine lacks (Java, memory, disk, ports) and how to get it."""
    from cli.maintenance.doctor import examine

    findings = examine(load_settings())
    for finding in findings:
        err.print(
            f"{'[green]ok[/green]  ' if finding.ok else '[red]MISSING[/red]'} {finding.what}", highlight=False
        )
        if not finding.ok:
            err.print(f"        {finding.remedy}", highlight=False)
    raise typer.Exit(0 if all(finding.ok or not finding.required for finding in findings) else 1)


@app.command()
def migrate() -> None:
    """Create the tables of schemas/ and apply additive changes; a second call changes nothing."""
    from infra.migrate import migrate as apply

    changes = apply(load_settings())
    for change in changes:
        out.print(f"{change.table}: {change.what}", markup=False)
    out.print(f"{len(changes)} change(s); the lake follows schemas/.")


@app.command()
def sandbox(
    turns: Annotated[int | None, typer.Option(help="About how many turns; default from settings.")] = None,
    start: Annotated[str | None, typer.Option(help="First day; default from settings.")] = None,
    days: Annotated[int | None, typer.Option(help="Over how many days; default from settings.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same bytes.")] = None,
    workers: Annotated[int, typer.Option(help="Processes; the bytes do not depend on it.")] = 2,
    bias: Annotated[
        str | None,
        typer.Option(help="Let one bias of section 3.5.5 act alone: ending_bias, ...; fair: none of them."),
    ] = None,
) -> None:
    """Simulate a live product: write seeded traffic into the landing zone, and its truth beside the lake.

    Example: flywheel sandbox --turns 5000 --days 3
    """
    from rich.progress import Progress

    from infra.sandbox import SandboxSettings, generate
    from infra.sandbox.scenarios import SCENARIOS, scenario

    settings = load_settings()
    asked = {"turns": turns, "start": start, "days": days, "seed": seed}
    given = {name: value for name, value in asked.items() if value is not None}
    chosen = SandboxSettings.model_validate({**settings.sandbox.model_dump(), **given})
    if bias is not None:
        if bias not in SCENARIOS:
            raise typer.BadParameter(f"--bias is one of {', '.join(SCENARIOS)}")
        chosen = scenario(bias, chosen)
    with Progress(console=err) as progress:
        task = progress.add_task("simulating", total=None)
        summary = generate(
            chosen,
            Path(Lake.of(settings).landing),
            Path(settings.resolve("truth")),
            workers,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    out.print(str(summary), highlight=False)
    span = f"{chosen.start}..{date.fromordinal(chosen.start.toordinal() + chosen.days - 1)}"
    if chosen.experiment is not None:
        from infra.sandbox.experiments import declaration

        file = (
            Path(Lake.of(settings).landing).parent / "experiments" / f"{chosen.experiment.experiment_id}.toml"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(declaration(chosen), encoding="utf-8")
        out.print(f"Next: flywheel experiment declare {file}")
    out.print(f"Next: flywheel run traffic.land --days {span}")
    if summary.judgements:
        out.print(f"Next: flywheel run annotation.preferences --days {span}")


@app.command("import")
def import_logs(
    path: Annotated[Path, typer.Argument(exists=True, help="A JSONL(.gz) file, or a folder of them.")],
    format: Annotated[
        ImportFormat, typer.Option(help="chatlogs: neutral chat-log JSONL; openai: messages JSONL.")
    ],
    start: Annotated[str | None, typer.Option(help="First day for conversations without times.")] = None,
    days: Annotated[int | None, typer.Option(help="Spread them over so many days; default 7.")] = None,
) -> None:
    """Turn chat logs into landed events; missing times and users are made up deterministically and marked so.

    Example: flywheel import --format chatlogs --days 7 logs/
    """
    from cli.datasets.importing import run_import

    run_import(load_settings(), path, format.value, start, days)


@app.command()
def run(
    job: Annotated[
        str | None, typer.Argument(help="stage.job, e.g. curation.screen; see flywheel tables.")
    ] = None,
    days: Annotated[str | None, typer.Option(help="2026-11-20, or 2026-10-01..2026-11-20.")] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Run all that flywheel plan lists (of JOB, if given).")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run days again whose inputs did not change.")
    ] = False,
) -> None:
    """Run one job for a range of days, or repair what is stale. What stands is not run again.

    Examples: flywheel run curation.screen --days 2026-11-20..2026-11-22;  flywheel run --stale
    """
    from jobs.runner import run_job, run_stale

    settings = load_settings()
    if stale:
        done = run_stale(settings, job)
    elif job is None or days is None:
        raise typer.BadParameter("give JOB and --days, or --stale")
    else:
        done = [run_job(settings, job, parse_days(days), force)]
    for summary in (s for s in done if s.run_id):
        span = span_of(summary.days)
        out.print(
            f"{summary.job} {span}: {summary.rows_out:,} rows in {summary.seconds:.1f} s (run {summary.run_id})"
        )


@app.command()
def plan(format: Annotated[Format, typer.Option(help="Output.")] = Format.table) -> None:
    """List what is missing or stale, and why, in the order in which it should run."""
    from jobs.plan import Plan

    due = Plan(load_settings()).everything()
    if format is not Format.table:
        rows = [
            {"job": d.job, "days": d.span, "dataset": d.dataset_id or "", "reason": d.reason} for d in due
        ]
        print_rows(rows, ["job", "days", "dataset", "reason"], format)
    elif due:
        # For people: the days of a job with one reason are one line.
        grouped: dict[tuple[str, str, str], list[date]] = {}
        for unit in due:
            grouped.setdefault((unit.job, unit.dataset_id or "", unit.reason), []).extend(unit.days)
        rows = [
            {
                "job": job,
                "days": span_of(days),
                "number": str(len(days)),
                "dataset": dataset,
                "reason": reason,
            }
            for (job, dataset, reason), days in grouped.items()
        ]
        print_rows(rows, ["job", "days", "number", "dataset", "reason"], format)
    err.print("Run all of it: flywheel run --stale" if due else "Nothing to do: all that landed is curated.")


@app.command()
def tables(name: Annotated[str | None, typer.Argument(help="stage.table or views.name")] = None) -> None:
    """The data dictionary: tables, columns, PII class, retention, who writes and reads them."""
    from cli.datasets.dictionary import columns_of, overview

    rows = overview() if name is None else columns_of(name)
    print_rows(rows, list(rows[0]), Format.table)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="SQL in DuckDB's dialect; tables by stage.table.")],
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """Ask the lake in SQL, also while jobs run; never locks.

    Example: flywheel sql "SELECT * FROM views.daily_funnel ORDER BY ds, turns DESC"
    """
    import duckdb

    from infra.sql import connect

    try:
        with connect(Lake.of(load_settings()), statement) as connection:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description or []]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except duckdb.Error as error:
        raise FlywheelError(str(error).splitlines()[0], hint="See: flywheel tables") from None
    print_rows(rows, names, format)


@app.command()
def outcomes(turn_id: Annotated[str, typer.Argument(help="Id of a served response.")]) -> None:
    """Say why a turn was or was not used: its day, and each dataset."""
    from cli.datasets.outcomes import history

    rows = history(Lake.of(load_settings()), turn_id)
    print_rows(rows, ["where", "outcome", "reason", "detail"], Format.table)


@app.command()
def report() -> None:
    """Write the curation report (report/index.html) from the ledger and the tables."""
    from cli.reports.curation.page import render

    settings = load_settings()
    path = render(settings, Path(settings.resolve(settings.report.path)) / "index.html")
    out.print(f"Open {path}")


def _register_groups() -> None:
    from cli.datasets.preferences import preferences_app
    from cli.datasets.pull import lengths, pull
    from cli.experiments.commands import experiment_app, readout
    from cli.experiments.replay import replay_app
    from cli.maintenance.erase import erase
    from cli.maintenance.lineage import lineage
    from cli.maintenance.vacuum import vacuum
    from cli.screening.review import review_app, screen
    from cli.screening.safety import safety_app
    from cli.signals.bias import signals_app
    from cli.training.commands import train_app
    from cli.training.submit import submit

    app.add_typer(review_app, name="review")
    app.command()(screen)
    app.add_typer(safety_app, name="safety")
    app.add_typer(signals_app, name="signals")
    app.add_typer(preferences_app, name="preferences")
    app.command()(pull)
    app.command()(lengths)
    app.add_typer(train_app, name="train")
    app.add_typer(experiment_app, name="experiment")
    app.command()(readout)
    app.add_typer(replay_app, name="replay")
    app.command()(erase)
    app.command()(lineage)
    app.command()(vacuum)
    app.command(context_settings={"allow_interspersed_args": False})(submit)


_register_groups()


if __name__ == "__main__":
    main()
