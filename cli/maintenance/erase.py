"""`flywheel erase`: delete a user's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from infra.settings import Settings
    from jobs.maintenance.erasure import Erased


NOBODY_FOUND = 3
"""Exit code when no row and no line has any of the ids."""


def erase(
    users: Annotated[
        list[str] | None,
        typer.Argument(
            help="User ids, as the product writes them. Prefer --from: your shell may save typed ids in its history."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="File with one id per line, or a JSON array of ids; - for standard input.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the rows only; delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Permanently delete all data of users.

    Deletes their rows from every table, every table version on disk and the landed files. Data that arrives from them
    later is refused. Unlike `flywheel vacuum`, it also deletes versions that models use, if they contain rows of
    these users. Prints the registered models that were trained on such versions. Also prints the raw copies that
    somebody pulled: delete those manually.

    Writes a certificate for each table to ops.erasures, with keyed hashes only. No job may run at the same time. If
    the command is killed, run it again. Afterwards, `flywheel run --stale` rebuilds the tables that were built from
    the rows.

    Lists what you have to delete yourself, by path: files that landing does not read, and the targets of links. The
    list is also in ops.erasures (remnants).

    Exit code: 0 if somebody was found, 3 if no row and no line has any of the ids (they are then refused from now on,
    unless it is a dry run), 1 if it failed or a line of the list could not be read.

    \b
    Examples:
      flywheel erase --from requests.txt --dry-run
      flywheel erase --from requests.txt --yes
    """
    from infra.settings import load_settings
    from jobs.maintenance.erasure import erase as erase_users

    ids, refused = _read_ids(users or [], file)
    settings = load_settings()
    if not dry_run and not yes:
        typer.confirm(f"Delete all data of {len(ids)} user(s)? This cannot be undone", abort=True, err=True)
    places = list(erase_users(settings, ids, dry_run, lambda line: err.print(line)))
    rows = [
        {
            "place": place.place, "rows": place.rows.total(), "users": len(+place.rows),
            "pinned versions lost": "; ".join(f"{v} ({', '.join(pins)})" for v, pins in place.lost.items()),
            "models affected": ", ".join(place.models), "left": "; ".join(place.remnants),
        }
        for place in places
    ]  # fmt: skip
    # What is left is long: on a terminal it follows below.
    print_rows(rows, [name for name in rows[0] if name != "left" or format is not Format.table], format)
    _print_follow_up(settings, places, len(ids), dry_run)
    if refused:
        err.print(f"{len(refused)} line(s) of {file} were left out. Mend them, then run the command again.")
        raise typer.Exit(1)
    if not any(place.rows for place in places):
        raise typer.Exit(NOBODY_FOUND)


def _print_follow_up(settings: Settings, places: list[Erased], users: int, dry_run: bool) -> None:
    """Print the total, ids that matched nobody, and what is left to do by hand."""
    from jobs.maintenance.erasure import pulled_copies

    total = sum(place.rows.total() for place in places)
    err.print(f"{total:,} row(s) and line(s) {'would be deleted' if dry_run else 'deleted'}.")
    for place in places:
        for remnant in place.remnants:
            err.print(f"Left, {place.place}: {remnant}.")
    if unknown := users - len(set[str]().union(*(+place.rows for place in places))):
        err.print(
            f"{unknown} of {users} id(s) match no user in the lake: no row and no landed line has them. "
            "Check the spelling." + ("" if dry_run else " What arrives from them is refused from now on.")
        )
    if any(place.models for place in places):
        err.print(
            "Models keep what they learned from deleted rows. Retrain the models listed above and "
            "retire the old versions.",
        )
    for table, reader, moment in pulled_copies(settings, [place.place for place in places if place.rows]):
        err.print(f"Copy to delete manually: {table}, pulled by {reader} on {moment:%Y-%m-%d}.")
    if not dry_run and total:
        err.print("Next: flywheel run --stale")


def _read_ids(users: list[str], file: str | None) -> tuple[list[str], dict[int, str]]:
    """The given ids and those of the file, each once; and why lines of the file are refused, by their number."""
    from infra.errors import SettingsError
    from infra.records import read_ids

    listed, refused = read_ids(file) if file is not None else ([], {})
    for number, reason in refused.items():
        err.print(f"Line {number} of {file} is no id: {reason}.")
    ids = list(dict.fromkeys([*(user.strip() for user in users if user.strip()), *listed]))
    if not ids:
        raise SettingsError("no user id is given", hint="Give user ids, or --from FILE with one id per line.")
    return ids, refused
