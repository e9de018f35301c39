"""`flywheel migrate`: create and update the lake's tables."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import err, out


def migrate(
    trust_key: Annotated[
        bool,
        typer.Option(
            "--trust-key",
            help="Record the current key of a lake that was filled before keys were recorded, and whose landed files "
            "are gone. A wrong key makes every user look new.",
        ),
    ] = False,
) -> None:
    """Create the lake's tables, and update them to match schemas/.

    Applies additive changes to existing tables and prints each change. A second call changes nothing. Refuses a
    change that would lose data.

    A new lake gets a key for its keyed hashes, and records its fingerprint. A lake with rows but without a recorded
    key is checked first: the key must give the user ids of landed lines their hashes in traffic.events.

    A new lake hashes ids that could hold an identifier. A lake that was filled before that rule keeps ids as the
    product wrote them, and the command says so.

    \b
    Example:
      flywheel migrate
    """
    from infra.lake import Lake
    from infra.lake.facts import ids_are_keyed
    from infra.lake.migrate import migrate as apply_migrations
    from infra.settings import load_settings
    from jobs.maintenance.key_check import check_key

    settings = load_settings()
    if not trust_key:
        check_key(settings)
    changes = apply_migrations(settings, key_fits=True)
    for change in changes:
        out.print(f"{change.table}: {change.what}")
    out.print(f"{len(changes)} change(s). The tables match schemas/.")
    if not ids_are_keyed(Lake.of(settings)):
        err.print(
            "This lake was filled before ids were hashed: it keeps conversation_id, turn_id and other ids as the "
            "product wrote them, which may hold e-mails or names. To hash them, land into a new lake (lake.root)."
        )
