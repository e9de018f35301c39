"""`flywheel preferences`: import judged pairs, and count them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.console import Format, err, out, print_lines, print_rows
from cli.query import query
from infra.errors import SettingsError

preferences_app = typer.Typer(
    no_args_is_help=True,
    help="Import and count judged pairs for reward models.\n\n"
    "Pairs are in annotation.preferences. Every pair is screened first: see docs/preferences.md.",
)
_COUNTS = """
SELECT batch, mode, source, count(DISTINCT pair_id) AS pairs, count(*) AS labels,
  count(DISTINCT annotator_id) AS annotators,
  count(*) FILTER (winner = 'a') AS a, count(*) FILTER (winner = 'b') AS b,
  count(*) FILTER (winner = 'tie') AS tie, count(*) FILTER (winner = 'both_bad') AS both_bad,
  count(DISTINCT pair_id) FILTER (split = 'evaluation') AS evaluation_pairs,
  count(DISTINCT pair_id) FILTER (safety_category IS NOT NULL) AS unsafe_kept
FROM annotation.preferences GROUP BY ALL ORDER BY batch, mode, source
"""
_REFUSED = """
SELECT strftime(ds, '%y%m%d') AS batch, reason, count(*) AS lines
FROM annotation.quarantine GROUP BY ALL ORDER BY batch, lines DESC, reason
"""


class PreferenceFormat(StrEnum):
    """Formats of preference sets that can be imported."""

    hh_rlhf = "hh-rlhf"
    llmbar = "llmbar"
    autoj = "autoj"
    ultrafeedback = "ultrafeedback"
    openai = "openai"
    ranked = "ranked"
    native = "native"


class Mode(StrEnum):
    """How pairs were judged (section 2.2.2): on a logged conversation, or while chatting."""

    static = "static"
    interactive = "interactive"


@preferences_app.command("import")
def import_set(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A .jsonl or .json file, plain or .gz, or a folder of them.")
    ],
    format: Annotated[
        PreferenceFormat,
        typer.Option(
            help="Fields of a record. hh-rlhf: chosen and rejected transcripts; llmbar: input, output_1, output_2, "
            "label; autoj: prompt, response 1, response 2, label; ultrafeedback: prompt, chosen, rejected, or "
            "scored completions; openai: input, preferred_output, non_preferred_output; ranked: prompt, answers with "
            "ranks; native: the columns of docs/preferences.md."
        ),
    ],
    batch: Annotated[
        str, typer.Option(help="Day of the first batch: 2024-09-23, or 240923 as batches are named.")
    ],
    batches: Annotated[
        int, typer.Option(min=1, help="Split the set into this many batches, in file order.")
    ] = 1,
    every_days: Annotated[int, typer.Option(min=1, help="Days between batches.")] = 28,
    mode: Annotated[
        Mode,
        typer.Option(help="static: judged on a logged conversation; interactive: judged while chatting."),
    ] = Mode.static,
    source: Annotated[str, typer.Option(help="Name of the set. Default: the format.")] = "",
    annotator: Annotated[str, typer.Option(help="Who judged. Default: the source.")] = "",
    guideline: Annotated[str, typer.Option(help="Version of the annotation guidelines, if known.")] = "",
) -> None:
    """Import a preference set, in dated batches.

    Writes judgements into the landing zone. Counts the refused records by reason, and what was left out of the others.
    A list of scored or ranked answers gives a pair of each two. Importing the same file in the
    same way again changes nothing. Unsafe pairs are quarantined when the batch runs, unless the setting
    preferences.keep_unsafe names the source and gives a reason.

    \b
    Example:
      flywheel preferences import hh.jsonl.gz --format hh-rlhf --batch 240923 --batches 4
    """
    from infra.settings import load_settings, parse_day
    from jobs.annotation.importers import ImportOptions, import_preferences

    settings = load_settings()
    options = ImportOptions(
        format.value, parse_day(batch), batches, every_days, mode.value, source, annotator, guideline,
        2 * settings.landing.max_line_bytes,
    )  # fmt: skip
    report = import_preferences(settings, path, options)
    print_lines(report)
    if not report.pairs:
        raise SettingsError(
            f"{path.name} has no pair in the format {format.value}", setting="format",
            hint="The counts above show why each record was refused.",
        )  # fmt: skip
    name = source or format.value
    if name not in settings.preferences.keep_unsafe:
        err.print(f"Unsafe pairs of {name} will be quarantined: preferences.keep_unsafe does not name it.")
    out.print("Next: flywheel run annotation.preferences --stale")


@preferences_app.command("list")
def list_batches(
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Count the refused pairs by reason instead.")
    ] = False,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Count pairs, labels, winners and annotators by batch, mode and source.

    Reads annotation.preferences, or annotation.quarantine with --quarantine.

    \b
    Example:
      flywheel preferences list
    """
    from infra.lake import Lake
    from infra.settings import load_settings

    names, rows = query(Lake.of(load_settings()), _REFUSED if quarantine else _COUNTS)
    if quarantine and format is Format.table:
        from models.screening.reasons import in_words

        rows = [row | {"reason": in_words(row["reason"])} for row in rows]
    print_rows(rows, names, format)
    if not rows:
        err.print("There are none yet. To import some: flywheel preferences import --help")
