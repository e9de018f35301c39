"""`flywheel pull` and `flywheel lengths`: export rows of a table version, and measure them in tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, out, print_rows
from infra.errors import PullRefused

if TYPE_CHECKING:
    from infra.settings import Settings
    from models.tables.opened import Opened

Table = Annotated[str, typer.Argument(help="stage.table for its latest version, or stage.table@12.")]
Where = Annotated[
    str,
    typer.Option(help="SQL condition on columns and constants, such as \"language = 'en'\"."),
]


class Split(StrEnum):
    """The two splits. A user is in one of them, always."""

    train = "train"
    evaluation = "evaluation"


class Kind(StrEnum):
    """Output formats of a pull."""

    parquet = "parquet"
    jsonl = "jsonl"
    hf = "hf"


def pull(
    table: Table,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to create.", file_okay=False)],
    where: Where = "",
    split: Annotated[Split | None, typer.Option(help="Only this split. Default: both.")] = None,
    to: Annotated[
        Kind, typer.Option(help="Output format. hf is a folder for datasets.load_from_disk.")
    ] = Kind.parquet,
    columns: Annotated[str, typer.Option(help="Columns to write, separated by commas. Default: all.")] = "",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Allow a table with raw text. The reader is recorded in ops.raw_reads."),
    ] = False,
    reader: Annotated[
        str, typer.Option(help="Your name, for raw text.", envvar="FLYWHEEL_REVIEWER", show_default=False)
    ] = "",
) -> None:
    """Export rows of a table version to a folder, with a data card.

    The card (README.md) has the schema, counts, hashes, licence and a note on personal data. Needs no JVM. Repeating
    a pull changes nothing. Fails if the folder contains anything else.

    \b
    Example:
      flywheel pull curation.samples@3 --split train --where "language = 'en'" --to parquet --out data/en
    """
    from infra.settings import load_settings
    from models.pull.pull import pull as write
    from models.tables.opened import open_snapshot

    settings = load_settings()
    names = [name.strip() for name in columns.split(",") if name.strip()] or None
    opened = open_snapshot(
        settings, table, where=where, split=split.value if split else "", columns=names, raw=raw
    )
    _record_raw_read(settings, opened, raw, reader)
    with _ProgressBar(opened.snapshot.rows) as report_rows:
        result = write(opened, to.value, out_folder, settings.handoff.licence, report_rows)
    rows_text = f"{opened.snapshot}{f' ({split.value})' if split else ''}"
    if result.unchanged:
        out.print(f"Unchanged: {result.folder} already holds {rows_text}.")
        return
    out.print(
        f"{result.rows:,} rows of {rows_text} in {result.files} file(s), {result.size / 1e6:,.1f} MB. "
        f"Card: {result.folder / 'README.md'}",
    )
    if to.value != "hf":
        out.print(
            f"Rows for pandas and pyarrow: {result.folder / 'data'}; for datasets.load_dataset: {result.folder}"
        )
    if not result.rows:
        err.print("No row matched: the files are empty.")


def lengths(
    table: Table,
    longest: Annotated[
        int, typer.Option("--max-length", min=1, help="Maximum sequence length in training, in tokens.")
    ] = 1024,
    where: Where = "",
    split: Annotated[Split | None, typer.Option(help="Only this split. Default: both.")] = None,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Show how long rows are in tokens, and how many do not fit.

    Tokens are those of training.base_model. A training drops the oldest turns of a sequence that is too long, and
    drops the whole row when its last turn alone is too long. Of a pair, the longer response counts.

    \b
    Example:
      flywheel lengths curation.samples --max-length 1024
    """
    from transformers.utils import logging

    from infra.settings import load_settings
    from models.tables.opened import open_snapshot
    from models.training.base import base_model
    from models.training.lengths import LengthReport, measure_lengths
    from models.training.sequences import tokenizer_of

    logging.set_verbosity_error()  # transformers warns of long sequences, which this command counts

    def row(report: LengthReport) -> dict[str, Any]:
        quantiles = {f"p{round(100 * share)}": tokens for share, tokens in report.quantiles.items()}
        quantiles["longest"] = quantiles.pop("p100")
        counts = {"over": report.over, "shortened": report.shortened, "lost": report.lost}
        return {"split": report.split or "(none)", "rows": report.rows, **quantiles, **counts}

    settings = load_settings()
    opened = open_snapshot(settings, table, where=where, split=split.value if split else "")
    rows = [row(report) for report in measure_lengths(opened, tokenizer_of(base_model(settings)), longest)]
    if not rows:
        err.print("No row matched.")
        return
    print_rows(rows, list(rows[0]), format)
    err.print(
        f"over: rows longer than {longest:,} tokens; shortened: rows that fit after their oldest "
        "turns are removed; lost: rows that do not fit."
    )


def _record_raw_read(settings: Settings, opened: Opened, raw: bool, reader: str) -> None:
    """Record who pulls raw text, before the first row is written."""
    from infra.contracts import contract

    if not raw or contract(opened.snapshot.table).root != "restricted":
        return
    if not reader.strip():
        raise PullRefused(
            "to pull raw text, you must give your name",
            table=opened.snapshot.table,
            hint="Give --reader or set FLYWHEEL_REVIEWER. The name is recorded in ops.raw_reads.",
        )
    from infra.lake import Lake
    from infra.lake.raw_reads import record

    record(Lake.of(settings), "pull", reader, [f"{opened.snapshot} {opened.snapshot.filter_hash}"])


class _ProgressBar:
    """A bar on standard error. `with` gives the function to call with the number of rows done."""

    def __init__(self, rows: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
        )
        self._task = self._bar.add_task("rows", total=rows)

    def __enter__(self) -> Any:
        return self._report

    def _report(self, done: int) -> None:
        self._bar.start()  # with the first row: an unchanged pull shows no bar
        self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
