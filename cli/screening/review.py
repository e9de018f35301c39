"""Screening at the command line: judge a file, and decide what the detectors could not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import Format, err, out, print_rows
from infra.settings import load_settings

review_app = typer.Typer(
    no_args_is_help=True,
    help="Turns that a person must judge. A decision binds to the policy version and the content; "
    "the turn's day becomes stale, and `flywheel run --stale` lets an approved turn back in.",
)

Turn = Annotated[str, typer.Argument(help="turn_id, as `flywheel review list` shows it.")]
Reviewer = Annotated[str, typer.Option(help="Who decides.", envvar="FLYWHEEL_REVIEWER")]
Note = Annotated[str, typer.Option(help="Why; kept under restricted/.")]


@review_app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="Most uncertain first.")] = 20) -> None:
    """List what waits for a decision, the most uncertain first; never raw text."""
    from jobs.curation.reviews import list_queue

    rows = [
        {
            "turn_id": turn.turn_id, "day": turn.ds, "uncertainty": f"{turn.uncertainty:.2f}",
            "language": turn.language, "reasons": ", ".join(turn.reasons),
        }
        for turn in list_queue(load_settings(), limit)
    ]  # fmt: skip
    if rows:
        print_rows(rows, list(rows[0]), Format.table)
    else:
        err.print("Nothing waits for a decision.")


@review_app.command()
def show(turn_id: Turn, reviewer: Reviewer) -> None:
    """Show the raw turn to a reviewer; the access goes to ops.raw_reads first."""
    from jobs.curation.reviews import show as raw

    user_message, response = raw(load_settings(), turn_id, reviewer)
    out.print("[bold]user[/bold]      ", end="")
    out.print(user_message or "(none)", markup=False, highlight=False)
    out.print("[bold]character[/bold] ", end="")
    out.print(response, markup=False, highlight=False)


@review_app.command()
def approve(turn_id: Turn, reviewer: Reviewer, note: Note = "") -> None:
    """Let the turn in; identifiers found in it stay redacted."""
    _decide(turn_id, "approve", reviewer, note)


@review_app.command()
def reject(turn_id: Turn, reviewer: Reviewer, note: Note = "") -> None:
    """Keep the turn out."""
    _decide(turn_id, "reject", reviewer, note)


def _decide(turn_id: str, decision: str, reviewer: str, note: str) -> None:
    from jobs.curation.reviews import decide

    day = decide(load_settings(), turn_id, decision, reviewer, note)
    told = f"{turn_id}: {decision} by {reviewer}; {day} is stale now. Next: flywheel run --stale"
    out.print(told, markup=False, highlight=False)


def screen(
    path: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help='Lines of {"id", "text"}; .jsonl or .jsonl.gz.'),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: standard output.")] = None,
) -> None:
    """Judge anybody's texts: verdict, reasons, identifier spans and redacted text, one JSON line each.

    Example: flywheel screen texts.jsonl > verdicts.jsonl
    """
    from models.screening.verdict import screen_file

    counts = screen_file(path, output, load_settings())
    err.print(", ".join(f"{verdict}: {count:,}" for verdict, count in sorted(counts.items())))
