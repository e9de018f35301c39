"""`flywheel run`: run one job, or everything that is missing or stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import out

if TYPE_CHECKING:
    from jobs.runner import RunSummary


def run(
    job: Annotated[
        str | None, typer.Argument(help="Job name, such as curation.screen. `flywheel tables` lists them.")
    ] = None,
    days: Annotated[
        str | None, typer.Option(help="One day (2026-11-20) or a range (2026-10-01..2026-11-20).")
    ] = None,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Run everything that `flywheel plan` lists; of JOB only, if given."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run also the days whose inputs did not change.")
    ] = False,
) -> None:
    """Run one job for a range of days, or repair what is stale.

    Days whose inputs and settings did not change are skipped. `flywheel tables TABLE` shows what a job reads and
    writes. A run that was killed leaves every table as it was: run it again.

    \b
    Examples:
      flywheel run curation.screen --days 2026-11-20..2026-11-22
      flywheel run --stale
    """
    from infra.settings import load_settings, parse_days
    from jobs.runner import run_job, run_stale

    settings = load_settings()
    if stale:
        summaries = run_stale(settings, job)
    elif job is None or days is None:
        raise typer.BadParameter("give JOB and --days, or --stale")
    else:
        summaries = [run_job(settings, job, parse_days(days), force)]
    for summary in summaries:
        if summary.run_id:
            _print_summary(summary)


def _print_summary(summary: RunSummary) -> None:
    from infra.settings import span_of

    out.print(
        f"{summary.job} {span_of(summary.days)}: {summary.rows_out:,} rows in {summary.seconds:.1f} s "
        f"(run {summary.run_id})"
    )
