"""`flywheel screen`: screen a file of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import err


def screen(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help='A .jsonl or .jsonl.gz file with {"id", "text"} lines.'
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
) -> None:
    """Screen a file of texts for personal data and safety. Needs no lake.

    Writes one JSON line for each text: verdict, reasons, positions of identifiers, and the redacted text.
    Then prints the verdicts and, in words, the reasons, with how many texts have each.

    \b
    Example:
      flywheel screen texts.jsonl > verdicts.jsonl
    """
    from infra.settings import load_settings
    from models.screening.reasons import in_words
    from models.screening.verdict import screen_file

    counts = screen_file(path, output, load_settings())
    err.print(", ".join(f"{verdict}: {count:,}" for verdict, count in sorted(counts.verdicts.items())))
    for reason, count in counts.reasons.most_common():
        err.print(f"  {count:,}  {in_words(reason)}")
