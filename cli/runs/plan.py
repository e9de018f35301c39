"""`flywheel plan`: what needs to run, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from datetime import date

    from infra.settings import Settings
    from jobs.plan import Due


def plan(format: Annotated[Format, typer.Option(help="Output format.")] = Format.table) -> None:
    """Show what is missing or stale, and why, in order.

    Reads the landed days, the ledger (ops.runs, ops.stale) and the settings. Changes nothing. Also lists files and
    folders in the landing zones that no job reads, such as received_ds=20261121/, and tables that are not as the
    ledger recorded them.

    \b
    Example:
      flywheel plan --format json
    """
    from infra.lake.integrity import faults, lines_of
    from infra.settings import load_settings
    from jobs.plan import Plan

    settings = load_settings()
    plan_now = Plan(settings)
    due = plan_now.everything()
    if format is not Format.table:
        rows = [
            {"job": unit.job, "days": unit.span, "dataset": unit.scope or "", "reason": unit.reason}
            for unit in due
        ]
        print_rows(rows, ["job", "days", "dataset", "reason"], format)
    elif due:
        names = ["job", "days", "number", "dataset", "reason"]
        if not any(unit.scope for unit in due):
            names.remove("dataset")
        print_rows(_by_reason(due), names, format)
    for line in lines_of(faults(plan_now.lake)):
        err.print(f"Not as recorded: {line}")
    for left in plan_now.unread():
        err.print(f"Not read: {left.name}: {left.why}.", markup=False, highlight=False)
    for line in _broken(settings):
        err.print(line)
    err.print(
        "To run all of it: flywheel run --stale" if due else "Nothing to run: every landed day is processed."
    )


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
        {"job": job, "days": span_of(days), "number": str(len(days)), "dataset": dataset, "reason": reason}
        for (job, dataset, reason), days in groups.items()
    ]
