"""`flywheel migrate`: create and update the lake's tables."""

from __future__ import annotations

from cli.console import out


def migrate() -> None:
    """Create the lake's tables, and update them to match schemas/.

    Applies additive changes to existing tables and prints each change. A second call changes nothing. Refuses a
    change that would lose data.

    \b
    Example:
      flywheel migrate
    """
    from infra.lake.migrate import migrate as apply_migrations
    from infra.settings import load_settings

    changes = apply_migrations(load_settings())
    for change in changes:
        out.print(f"{change.table}: {change.what}", markup=False)
    out.print(f"{len(changes)} change(s). The tables match schemas/.")
