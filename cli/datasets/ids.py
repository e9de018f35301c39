"""`flywheel id`: how the lake holds an id of the product."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.console import out


def id(
    kind: Annotated[
        Literal["user", "conversation", "turn", "event", "character", "pair"],
        typer.Argument(help="What the ids name."),
    ],
    ids: Annotated[list[str] | None, typer.Argument(help="Ids as the product writes them.")] = None,
    file: Annotated[Path | None, typer.Option("--from", help="File with one id per line.")] = None,
) -> None:
    """Print the ids that the lake uses for ids of your product, one per line, in the given order.

    Ids that could hold an identifier are keyed hashes in the lake. Use this to look one up, or to join tables of your
    own with the lake. It needs the key of the lake.

    \b
    Example:
      flywheel id conversation 3f6c1f3e-4a2b-4a57-9d1e-8f0f5f3f7a11
    """
    from infra.ids import pseudonym
    from infra.lake.facts import id_in_lake, user_key
    from infra.records import read_ids
    from infra.settings import load_settings

    settings = load_settings()
    listed, refused = read_ids(str(file)) if file else ([], {})
    raw_ids = [*(ids or []), *listed]
    if refused:
        number, reason = next(iter(refused.items()))
        raise typer.BadParameter(f"Line {number} is no id: {reason}.", param_hint="--from")
    if not raw_ids or not all(raw_id.strip() for raw_id in raw_ids):
        raise typer.BadParameter("Give one or more ids, none of them blank.", param_hint="IDS or --from")
    for raw_id in raw_ids:
        out.print(
            pseudonym(raw_id, user_key(settings)) if kind == "user" else id_in_lake(settings, kind, raw_id)
        )
