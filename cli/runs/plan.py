"""`flywheel plan`: what needs to run, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from datetime import date

    from infra.settings import Settings
    from jobs.plan import Due, Plan


def plan(
    days: Annotated[
        str | None,
        typer.Option(
            help="Only this day (2026-11-20) or range (2026-10-01..2026-11-20). Default: all landed days."
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this stage (curation) or job (curation.screen); repeat for several. Default: all."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --days: what flywheel run --force would run.")
    ] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Show what is missing or stale, and why, in order.

    Reads the landed days, the ledger (ops.runs, ops.stale) and the settings. Changes nothing. Also lists files and
    folders in the landing zones that no job reads, such as received_ds=20261121/, and tables that are not as the
    ledger recorded them.

    With --days: what `flywheel run` would run over those days, also days that never landed.

    \b
    Examples:
      flywheel plan --format json
      flywheel plan --days 2026-11-18..2026-11-20 --stage curation
    """
    from infra.lake.integrity import faults, lines_of
    from infra.settings import load_settings
    from jobs.plan import Plan

    settings = load_settings()
    plan_now = Plan(settings)
    due = _due(plan_now, days, stage or [], force)
    if format is not Format.table:
        rows = [
            {"job": unit.job, "days": unit.span, "dataset": unit.scope or "", "reason": unit.reason}
            for unit in due
        ]
        print_rows(rows, ["job", "days", "dataset", "reason"], format)
    elif due:
        names = ["job", "days", "dataset", "reason"]
        if not any(unit.scope for unit in due):
            names.remove("dataset")
        print_rows(_by_reason(due), names, format)
    for line in lines_of(faults(plan_now.lake)):
        err.print(f"Not as recorded: {line}")
    for left in plan_now.unread():
        err.print(f"Not read: {left.name}: {left.why}.", markup=False, highlight=False)
    for line in _broken(settings):
        err.print(line)
    if days is not None:
        asked = f"{' '.join(stage or ['all'])} over {days}"
        err.print(f"{len(due)} unit(s) of work are due of {asked}." if due else f"Nothing to run of {asked}.")
        return
    err.print(
        "To run all of it: flywheel run --stale" if due else "Nothing to run: every landed day is processed."
    )


def _due(plan_now: Plan, days: str | None, stages: list[str], force: bool) -> list[Due]:
    """What is due of the stages and jobs: over the days, or over all landed ones."""
    from infra.settings import parse_days
    from jobs.declaration import STAGES
    from jobs.stage import jobs_of

    if force and days is None:
        raise typer.BadParameter("give --days with --force")
    every = [name for name in stages if name != "all"]
    jobs = jobs_of(every or STAGES)
    if days is not None:
        return plan_now.of_range(parse_days(days), jobs, force)
    names = {job.name for job in jobs}
    return [unit for unit in plan_now.everything() if not every or unit.job in names]


def _broken(settings: Settings) -> list[str]:
    """Runs that were killed, and that no run of the same job has recorded since."""
    from infra.contracts import table_names
    from infra.lake import Lake
    from infra.lake.locks import broken

    return [
        f"Killed: run {left.run_id} of {left.doing.get('job', 'a command')} {left.doing.get('days', '')}, last sign of "
        f"life {left.last_sign_ts:%Y-%m-%d %H:%M:%S}. No table is half written. Run it again."
        for left in broken(Lake.of(settings).locks, table_names(), settings.lake.lock_seconds)
    ]


def _by_reason(due: list[Due]) -> list[dict[str, str]]:
    """One row for all days of a job that have the same reason."""
    from infra.settings import span_of

    groups: dict[tuple[str, str, str], list[date]] = {}
    for unit in due:
        groups.setdefault((unit.job, unit.scope or "", unit.reason), []).extend(unit.days)
    return [
        {"job": job, "days": span_of(days), "dataset": dataset, "reason": reason}
        for (job, dataset, reason), days in groups.items()
    ]
