"""Judged pairs at the command line: bring them in, and count what there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import Format, err, out, print_rows
from infra.errors import SettingsError
from infra.lake import Lake
from infra.settings import load_settings

preferences_app = typer.Typer(
    no_args_is_help=True,
    help="Judged pairs that reward models learn from: annotation.preferences. Every pair is screened; see "
    "docs/preferences.md.",
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
    """Preference sets that can be imported."""

    hh_rlhf = "hh-rlhf"
    llmbar = "llmbar"
    autoj = "autoj"
    ultrafeedback = "ultrafeedback"
    native = "native"


class Mode(StrEnum):
    """How pairs were judged (section 2.2.2)."""

    static = "static"
    interactive = "interactive"


@preferences_app.command("import")
def import_set(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A .jsonl or .json file, also .gz, or a folder of them.")
    ],
    format: Annotated[
        PreferenceFormat,
        typer.Option(
            help="hh-rlhf: chosen and rejected transcripts; llmbar: input, output_1, output_2, label; autoj: prompt, "
            "response 1, response 2, label; ultrafeedback: prompt, chosen, rejected, or scored completions; native: "
            "our own lines."
        ),
    ],
    batch: Annotated[str, typer.Option(help="Day of the first batch, YYMMDD.")],
    batches: Annotated[int, typer.Option(min=1, help="Cut the set into so many batches, by its order.")] = 1,
    every_days: Annotated[int, typer.Option(min=1, help="Days from one batch to the next.")] = 28,
    mode: Annotated[
        Mode, typer.Option(help="Judged from a logged history, or while conversing.")
    ] = Mode.static,
    source: Annotated[str, typer.Option(help="Name of the set; default the format.")] = "",
    annotator: Annotated[str, typer.Option(help="Who judged; default the source: one for the set.")] = "",
    guideline: Annotated[str, typer.Option(help="Version of the annotation guidelines, if known.")] = "",
) -> None:
    """Land a preference set as judgements, in dated batches; records that are no pair are counted with a reason.

    Unsafe pairs are quarantined when the batch runs, unless the setting preferences.keep_unsafe names the source and
    why. Importing the same file in the same way again changes nothing.

    Example: flywheel preferences import hh.jsonl.gz --format hh-rlhf --batch 240923 --batches 4
    """
    from jobs.annotation.importers import ImportOptions, import_preferences, parse_batch

    settings = load_settings()
    options = ImportOptions(
        format.value, parse_batch(batch), batches, every_days, mode.value, source, annotator, guideline,
        2 * settings.landing.max_line_bytes,
    )  # fmt: skip
    report = import_preferences(settings, path, options)
    out.print(str(report), highlight=False)
    if not report.pairs:
        raise SettingsError(
            f"{path.name} holds no pair of the format {format.value}", setting="format",
            hint="The counts above say why each record was refused.",
        )  # fmt: skip
    name = source or format.value
    if name not in settings.preferences.keep_unsafe:
        err.print(f"Unsafe pairs of {name} will be quarantined (preferences.keep_unsafe does not name it).")

    out.print("Next: flywheel run annotation.preferences --stale")


@preferences_app.command("list")
def list_batches(
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Count what was refused, by reason, instead.")
    ] = False,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """Count pairs and labels by batch, mode and source: who won, how many annotators, what is for evaluation."""
    import duckdb

    from infra.sql import connect

    query = _REFUSED if quarantine else _COUNTS
    with connect(Lake.of(load_settings()), query) as connection:
        cursor: duckdb.DuckDBPyConnection = connection.execute(query)
        names = [column[0] for column in cursor.description or []]
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    print_rows(rows, names, format)
    if not rows:
        err.print("There are none yet. Start with: flywheel preferences import --help")
