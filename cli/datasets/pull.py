"""Rows at the command line: pull them out with their card, and tell how long they are in tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import Format, err, out, print_rows
from infra.errors import PullRefused
from infra.settings import Settings, load_settings

Table = Annotated[str, typer.Argument(help="stage.table for the latest version, or stage.table@12.")]
Where = Annotated[
    str,
    typer.Option(help="SQL condition of columns and constants, applied to every row: \"language = 'en'\"."),
]


class Split(StrEnum):
    """Sides of the split by user."""

    train = "train"
    evaluation = "evaluation"


class Kind(StrEnum):
    """Formats of a pull."""

    parquet = "parquet"
    jsonl = "jsonl"
    hf = "hf"


def pull(
    table: Table,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to make.", file_okay=False)],
    where: Where = "",
    split: Annotated[Split | None, typer.Option(help="Only this side; both by default.")] = None,
    to: Annotated[
        Kind, typer.Option(help="parquet, jsonl, or hf: a folder for datasets.load_from_disk.")
    ] = Kind.parquet,
    columns: Annotated[str, typer.Option(help="Names with commas between, in this order; default all.")] = "",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Allow a table of raw text; who pulls it is written to ops.raw_reads."),
    ] = False,
    reader: Annotated[
        str, typer.Option(help="Who pulls raw text.", envvar="FLYWHEEL_REVIEWER", show_default=False)
    ] = "",
) -> None:
    """Write rows of a table version to a folder, with a card: schema, counts, levels, hashes, licence, personal data.

    Needs no JVM. The same pull again changes nothing; a folder that holds anything else is left as it is.

    Example: flywheel pull curation.samples@3 --split train --where "language = 'en'" --to parquet --out data/en
    """
    from models.pull.pull import pull as write
    from models.tables.opened import Opened, open_snapshot

    settings = load_settings()
    chosen = [name.strip() for name in columns.split(",") if name.strip()] or None
    opened: Opened = open_snapshot(
        settings, table, where=where, split=split.value if split else "", columns=chosen, raw=raw
    )
    _log_raw(settings, opened, raw, reader)
    with _progress(opened.snapshot.rows) as tell:
        done = write(opened, to.value, out_folder, settings.handoff.licence, tell)
    what = f"{opened.snapshot}{f' ({split.value})' if split else ''}"
    if done.unchanged:
        out.print(
            f"Unchanged: {done.folder} holds {what} already, as its card says.", highlight=False, markup=False
        )
        return
    out.print(
        f"{done.rows:,} rows of {what} in {done.files} file(s), {done.size / 1e6:,.1f} MB. "
        f"Card: {done.folder / 'README.md'}",
        highlight=False,
        markup=False,
    )
    if not done.rows:
        err.print("No row was selected: the files are empty.")


def lengths(
    table: Table,
    longest: Annotated[
        int, typer.Option("--max-length", min=1, help="Tokens that a sequence may have.")
    ] = 1024,
    where: Where = "",
    split: Annotated[Split | None, typer.Option(help="Only this side; both by default.")] = None,
    format: Annotated[Format, typer.Option(help="Output.")] = Format.table,
) -> None:
    """How many tokens of training.base_model the rows have, by split, and how many would not fit.

    What is too long loses its oldest turns, and is left out only where the last turn alone is too long; training counts
    both. Of two responses the longer counts.

    Example: flywheel lengths curation.samples --max-length 1024
    """
    from transformers.utils import logging

    from models.tables.opened import open_snapshot
    from models.training.base import base_model
    from models.training.lengths import LengthReport, measure_lengths
    from models.training.sequences import tokenizer_of

    logging.set_verbosity_error()  # that a sequence is longer than the model takes is what is told here

    def row(one: LengthReport) -> dict[str, Any]:
        shares = {f"p{round(100 * share)}": tokens for share, tokens in one.quantiles.items()}
        shares["longest"] = shares.pop("p100")
        fates = {"over": one.over, "shortened": one.shortened, "lost": one.lost}
        return {"split": one.split or "(none)", "rows": one.rows, **shares, **fates}

    settings = load_settings()
    opened = open_snapshot(settings, table, where=where, split=split.value if split else "")
    rows = [row(one) for one in measure_lengths(opened, tokenizer_of(base_model(settings)), longest)]
    if not rows:
        err.print("No row was selected.")
        return
    print_rows(rows, list(rows[0]), format)
    err.print(
        f"over: more than {longest:,} tokens; shortened: of those, they fit without their oldest turns."
    )


def _log_raw(settings: Settings, opened: Any, raw: bool, reader: str) -> None:
    """Whoever takes raw text out is on record before the first row is written."""
    from infra.contracts import contract

    if not raw or contract(opened.snapshot.table).root != "restricted":
        return
    if not reader.strip():
        raise PullRefused(
            "nobody is named who pulls raw text",
            table=opened.snapshot.table,
            hint="Give --reader or set FLYWHEEL_REVIEWER: it is written to ops.raw_reads.",
        )
    import uuid
    from datetime import UTC, datetime

    from infra import ledger
    from infra.lake import Lake

    now, run_id = datetime.now(UTC), f"pull-{uuid.uuid4().hex[:12]}"
    read = {
        "turn_id": f"{opened.snapshot} {opened.snapshot.filter_hash}", "turn_ds": now.date(),
        "reader": reader.strip(), "read_ts": now, "ds": now.date(), "run_id": run_id,
    }  # fmt: skip
    ledger.append(Lake.of(settings), "ops.raw_reads", [read], run_id)


class _progress:
    """Rows done of all, on standard error; the value is what to call with rows done."""

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
        return self._tell

    def _tell(self, done: int) -> None:
        self._bar.start()  # with the first row: a pull that is there already shows no bar
        self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
