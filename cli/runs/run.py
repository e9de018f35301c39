"""`flywheel run`: run jobs or stages, or everything that is missing or stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import out

if TYPE_CHECKING:
    from datetime import date

    from jobs.runner import RunSummary


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE|JOB]...",
            help="Stages (curation) or jobs (curation.screen), run in this order. `flywheel tables` lists the jobs.",
        ),
    ] = None,
    days: Annotated[
        str | None, typer.Option(help="One day (2026-11-20) or a range (2026-10-01..2026-11-20).")
    ] = None,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale", help="Run everything that `flywheel plan` lists. With JOB, run only that job."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also run days whose inputs did not change.")
    ] = False,
) -> None:
    """Run stages or jobs for a range of days, or everything that is stale.

    All jobs run in one Spark session. Days whose inputs and settings did not change are skipped. `flywheel tables
    TABLE` shows what a job reads and writes. A killed or failed run leaves no table half written. Run it again: it
    continues at the job that did not finish. A job that builds a dataset uses the range as its window.

    \b
    Examples:
      flywheel run curation --days 2026-11-20..2026-11-22
      flywheel run curation.screen --days 2026-11-20
      flywheel run --stale
    """
    from infra.settings import load_settings
    from jobs.runner import run_stale
    from jobs.stage import run_jobs

    settings = load_settings()
    if stale:
        if names and len(names) > 1:
            raise typer.BadParameter("--stale accepts at most one JOB")
        for summary in run_stale(settings, names[0] if names else None):
            if summary.run_id:
                _print_summary(summary)
    elif not names:
        raise typer.BadParameter("give STAGE or JOB and --days, or --stale")
    else:
        run_jobs(settings, names, _days(names, days), force)


def _days(names: list[str], days: str | None) -> tuple[date, ...]:
    """The days asked for; today for jobs whose results belong to no day."""
    from infra.lake import ledger
    from infra.settings import parse_days
    from jobs.stage import jobs_of

    if days is None and all(job.unit == "version" for job in jobs_of(names)):
        return (ledger.now().date(),)
    if days is None:
        raise typer.BadParameter("give --days too, such as 2026-11-20 or 2026-10-01..2026-11-20")
    return parse_days(days)


def _print_summary(summary: RunSummary) -> None:
    from infra.settings import span_of

    out.print(
        f"{summary.job} {span_of(summary.days)}: {summary.rows_out:,} rows in {summary.seconds:.1f} s "
        f"(run {summary.run_id})"
    )
