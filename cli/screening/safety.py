"""Safety classifiers at the command line: train one from labels, and judge one on labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, out, print_rows
from infra.settings import load_settings

if TYPE_CHECKING:
    from models.calibration import Reliability
    from models.screening.safety.classifier import Thresholds
    from models.screening.safety.evaluate import Band
    from models.screening.safety.train import LabelledRow

safety_app = typer.Typer(
    no_args_is_help=True,
    help="The safety classifier: trained from labelled text and reviewers' decisions, judged on users it never saw.",
)

Labels = Annotated[
    Path | None,
    typer.Argument(
        exists=True,
        help="JSONL(.gz), parquet or Delta with text (or context and response), label, and optionally category, "
        "language, split, user.",
    ),
]
Reviews = Annotated[bool, typer.Option("--reviews", help="Add reviewers' decisions of this lake as labels.")]


@safety_app.command()
def train(
    labels: Labels = None,
    reviews: Reviews = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save to a folder too.")] = None,
    name: Annotated[str, typer.Option(help="Registered model; empty: do not register.")] = "safety",
    alias: Annotated[str, typer.Option(help="Alias that the new version gets.")] = "candidate",
    pass_error: Annotated[
        float, typer.Option(help="Most unsafe among what passes: 95 % upper bound.")
    ] = 0.05,
    reject_error: Annotated[
        float, typer.Option(help="Most safe among what is rejected: 95 % upper bound.")
    ] = 0.1,
    review_share: Annotated[float, typer.Option(help="Largest share that a person must look at.")] = 0.25,
) -> None:
    """Fit, calibrate, choose the thresholds that keep the bounds, and register; refuse what cannot keep them.

    Example: flywheel safety train labels.jsonl --reviews --pass-error 0.05
    """
    from models.screening.safety.classifier import save
    from models.screening.safety.evaluate import Bounds
    from models.screening.safety.train import train as fit

    settings = load_settings()
    rows = _rows(labels, reviews)
    trained = fit(rows, Bounds(pass_error, reject_error, review_share))
    _print(trained.model.thresholds, trained.band, trained.reliability)
    if output is not None:
        save(trained.model, output)
        out.print(f"Saved. To use it: FLYWHEEL_SCREENING__SAFETY_MODEL={output.resolve()}", highlight=False)
    if name:
        from models.screening.safety.registry import register

        probe = [row.text.text for row in rows if row.held_out][:256]
        version = register(trained.model, name, alias, probe, settings)
        out.print(
            f"Registered {name} version {version}. To use it: FLYWHEEL_SCREENING__SAFETY_MODEL=models:/{name}@{alias}",
            highlight=False,
        )


@safety_app.command()
def evaluate(
    labels: Labels = None,
    reviews: Reviews = False,
    model: Annotated[
        str, typer.Option(help="Folder or models:/NAME@ALIAS; default: the packaged classifier.")
    ] = "",
) -> None:
    """Judge a classifier on the held-out rows of a labelled table: errors with bounds, review share, calibration."""
    from models.screening.safety.named import classifier_named
    from models.screening.safety.train import evaluate as judge

    chosen = classifier_named(model)
    held = [row.text for row in _rows(labels, reviews) if row.held_out]
    _print(chosen.thresholds, *judge(chosen, held))


def _rows(labels: Path | None, reviews: bool) -> list[LabelledRow]:
    from models.screening.safety.reviewed import reviewed_rows
    from models.screening.safety.train import read_labels

    if labels is None and not reviews:
        raise typer.BadParameter("give a labelled table, --reviews, or both")
    rows = read_labels(labels) if labels is not None else []
    return [*rows, *(reviewed_rows(load_settings()) if reviews else [])]


def _print(thresholds: Thresholds, band: Band, bins: Sequence[Reliability]) -> None:
    from models.calibration import calibration_error

    reject_at = "never" if thresholds.reject_at is None else f"{thresholds.reject_at:.4f}"
    rows = [
        {"figure": "review from probability", "value": f"{thresholds.review_at:.4f}"},
        {"figure": "reject from probability", "value": reject_at},
        {"figure": "held-out rows", "value": f"{band.rows:,}"},
        {"figure": "unsafe among passed, 95 % upper", "value": f"{band.pass_error_upper:.4f}"},
        {"figure": "safe among rejected, 95 % upper", "value": f"{band.reject_error_upper:.4f}"},
        {"figure": "review share", "value": f"{band.review_share:.4f}"},
        {"figure": "expected calibration error", "value": f"{calibration_error(bins):.4f}"},
    ]
    print_rows(rows, ["figure", "value"], Format.table)
    bin_rows = [
        {"predicted": f"{b.predicted:.3f}", "observed": f"{b.observed:.3f}", "rows": f"{b.rows:,}"}
        for b in bins
    ]
    print_rows(bin_rows, ["predicted", "observed", "rows"], Format.table)
