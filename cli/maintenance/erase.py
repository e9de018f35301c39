"""`flywheel erase`: a user leaves the lake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.console import Format, err, print_rows
from infra.errors import SettingsError
from infra.settings import load_settings


def erase(
    users: Annotated[
        list[str] | None,
        typer.Argument(help="Ids as the product writes them; better --from: shells remember."),
    ] = None,
    listed: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="One id a line; - for standard input.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """Erase users: from all tables, from every version on the disk, from the landed files; nothing of them lands again.

    Unlike flywheel vacuum it spares no version that holds their rows: registered models that stand on one are named,
    and so are raw copies that were pulled. No job may run meanwhile. A certificate a table is kept in ops.erasures,
    with keyed hashes only. The days become stale: flywheel run --stale makes samples, totals and readouts without them.
    Killed midway, call it again.

    Examples: flywheel erase --from requests.txt --dry-run;  flywheel erase --from requests.txt --yes
    """
    from jobs.maintenance.erasure import erase as erase_users
    from jobs.maintenance.erasure import pulled_copies

    named = _named(users or [], listed)
    settings = load_settings()
    if not dry_run and not yes:
        typer.confirm(f"Erase {len(named)} user(s)? Nothing brings them back", abort=True, err=True)
    found = list(erase_users(settings, named, dry_run, lambda line: err.print(line, highlight=False)))
    rows = [
        {
            "place": one.place, "rows": one.rows.total(), "users": len(+one.rows),
            "pinned versions that go": "; ".join(f"{v} ({', '.join(who)})" for v, who in one.lost.items()),
            "models touched": ", ".join(one.models),
        }
        for one in found
    ]  # fmt: skip
    print_rows(rows, [*rows[0]], format)
    total = sum(one.rows.total() for one in found)
    err.print(f"{total:,} row(s) and line(s) {'would go' if dry_run else 'are gone'}.", highlight=False)
    if unknown := len(named) - len(set[str]().union(*(+one.rows for one in found))):
        err.print(
            f"{unknown} of {len(named)} id(s) name nobody of the lake: are they spelt as the product spells them?"
        )
    if any(one.models for one in found):
        err.print(
            "Models keep what they learnt: train anew what is named above, and retire it.", highlight=False
        )
    for table, reader, moment in pulled_copies(settings, [one.place for one in found if one.rows]):
        err.print(f"Copy to delete by hand: {table}, pulled by {reader}, {moment:%Y-%m-%d}.", markup=False)
    if not dry_run:
        err.print("Next: flywheel run --stale", highlight=False)


def _named(users: list[str], listed: str | None) -> list[str]:
    if listed is not None:
        text = sys.stdin.read() if listed == "-" else Path(listed).read_text(encoding="utf-8")
        users = [*users, *text.splitlines()]
    named = list(dict.fromkeys(one.strip() for one in users if one.strip()))
    if not named:
        raise SettingsError("nobody is named", hint="Give user ids, or --from FILE with one a line.")
    return named
