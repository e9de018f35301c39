"""`flywheel review`: decide about turns that the detectors could not decide."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import Format, err, out, print_passages, print_rows

review_app = typer.Typer(
    no_args_is_help=True,
    help="Review turns that need a person's decision.\n\n"
    "A decision applies to this content under this version of the screening policy. It marks the "
    "turn's day as stale. `flywheel run --stale` then applies the decision.",
)

Turn = Annotated[str, typer.Argument(help="turn_id. `flywheel review list` shows them.")]
Reviewer = Annotated[str, typer.Option(help="Your name. It is recorded.", envvar="FLYWHEEL_REVIEWER")]
Note = Annotated[str, typer.Option(help="Reason. It is kept with the decision under restricted/.")]


@review_app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="Number of turns to show.")] = 20) -> None:
    """List turns that wait for a decision, the most uncertain first. Shows no raw text.

    Reads curation.review_queue.

    \b
    Example:
      flywheel review list --limit 50
    """
    from infra.settings import load_settings
    from jobs.curation.reviews import list_queue
    from models.screening.reasons import all_in_words

    rows = [
        {
            "turn_id": turn.turn_id, "day": turn.ds, "uncertainty": f"{turn.uncertainty:.2f}",
            "language": turn.language, "reasons": all_in_words(turn.reasons),
        }
        for turn in list_queue(load_settings(), limit)
    ]  # fmt: skip
    if rows:
        print_rows(rows, list(rows[0]), Format.table)
    else:
        err.print("No turn waits for a decision.")


@review_app.command()
def show(turn_id: Turn, reviewer: Reviewer) -> None:
    """Show the raw text of a turn and why it waits. The access is recorded in ops.raw_reads first.

    \b
    Example:
      flywheel review show TURN_ID --reviewer maria
    """
    from infra.settings import load_settings
    from jobs.curation.reviews import show as read_turn
    from models.screening.reasons import all_in_words

    turn = read_turn(load_settings(), turn_id, reviewer)
    print_passages(
        {
            "waits because": all_in_words(turn.reasons),
            "user": turn.user_message or "(none)",
            "character": turn.response,
        }
    )


@review_app.command()
def approve(turn_id: Turn, reviewer: Reviewer, note: Note = "") -> None:
    """Approve a turn. Identifiers in it stay redacted.

    \b
    Example:
      flywheel review approve TURN_ID --reviewer maria --note "a joke"
    """
    _decide(turn_id, "approve", reviewer, note)


@review_app.command()
def reject(turn_id: Turn, reviewer: Reviewer, note: Note = "") -> None:
    """Reject a turn.

    \b
    Example:
      flywheel review reject TURN_ID --reviewer maria --note "threat"
    """
    _decide(turn_id, "reject", reviewer, note)


def _decide(turn_id: str, decision: str, reviewer: str, note: str) -> None:
    from infra.settings import load_settings
    from jobs.curation.reviews import decide

    day = decide(load_settings(), turn_id, decision, reviewer, note)
    out.print(
        f"{turn_id}: {decision} by {reviewer}. {day} is now stale. Next: flywheel run --stale",
    )
