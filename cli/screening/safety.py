"""`flywheel safety`: train and evaluate safety classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, out, print_rows

if TYPE_CHECKING:
    from models.calibration import Reliability
    from models.screening.safety.classifier import Thresholds
    from models.screening.safety.evaluate import Band
    from models.screening.safety.train import LabelledRow

safety_app = typer.Typer(
    no_args_is_help=True,
    help="Train and evaluate the safety classifier.\n\n"
    "It learns from labelled text and reviewers' decisions, and is evaluated on held-out users.",
)

Labels = Annotated[
    Path | None,
    typer.Argument(
        exists=True,
        help=(
            "JSONL(.gz), Parquet or Delta with the columns text (or context and response) and label. "
            "Optional: category, language, split, user."
        ),
    ),
]
Reviews = Annotated[
    bool, typer.Option("--reviews", help="Use reviewers' decisions of this lake as labels too.")
]


@safety_app.command()
def train(
    labels: Labels = None,
    reviews: Reviews = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also save it to this folder.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name in the registry. Empty: do not register.")] = "safety",
    alias: Annotated[str, typer.Option(help="Alias of the new version.")] = "candidate",
    pass_error: Annotated[
        float, typer.Option(help="Maximum share of unsafe texts among texts that pass (95 % upper bound).")
    ] = 0.05,
    reject_error: Annotated[
        float, typer.Option(help="Maximum share of safe texts among rejected texts (95 % upper bound).")
    ] = 0.1,
    review_share: Annotated[
        float, typer.Option(help="Maximum share of texts that a person must review.")
    ] = 0.25,
) -> None:
    """Train, calibrate and register a safety classifier.

    Chooses thresholds that meet the error limits below. Fails if no thresholds meet them, and registers nothing.

    \b
    Example:
      flywheel safety train labels.jsonl --reviews --pass-error 0.05
    """
    from infra.lake import ledger
    from infra.settings import load_settings
    from models.screening.safety.classifier import save

    settings = load_settings()
    if name:
        from jobs.runner import run_job

        chosen = {
            "labels": str(labels.resolve()) if labels else "", "reviews": reviews, "model": name, "alias": alias,
            "pass_error": pass_error, "reject_error": reject_error, "review_share": review_share,
        }  # fmt: skip
        section = settings.safety_training.model_copy(update=chosen)
        result: Any = run_job(
            settings.model_copy(update={"safety_training": section}), "curation.safety_classifier",
            [ledger.now().date()], force=True,
        ).result  # fmt: skip
        trained, version = result
    else:
        from models.screening.safety.evaluate import Bounds
        from models.screening.safety.train import train as fit

        trained, version = fit(_rows(labels, reviews), Bounds(pass_error, reject_error, review_share)), None
    _print(trained.model.thresholds, trained.band, trained.reliability)
    if output is not None:
        save(trained.model, output)
        out.print(f"Saved. To use it: FLYWHEEL_SCREENING__SAFETY_MODEL={output.resolve()}")
    if version is not None:
        out.print(
            f"Registered {name} version {version}. To use it: FLYWHEEL_SCREENING__SAFETY_MODEL=models:/{name}@{alias}",
        )


@safety_app.command()
def evaluate(
    labels: Labels = None,
    reviews: Reviews = False,
    model: Annotated[
        str, typer.Option(help="Folder, or models:/NAME@ALIAS. Default: the packaged classifier.")
    ] = "",
) -> None:
    """Evaluate a classifier on the held-out rows of labelled text.

    Prints its errors with upper bounds, the share that needs review, and its calibration.

    \b
    Example:
      flywheel safety evaluate labels.jsonl --model models:/safety@candidate
    """
    from models.screening.safety.named import classifier_named
    from models.screening.safety.train import evaluate as measure

    classifier = classifier_named(model)
    held_out = [row.text for row in _rows(labels, reviews) if row.held_out]
    _print(classifier.thresholds, *measure(classifier, held_out))


def _rows(labels: Path | None, reviews: bool) -> list[LabelledRow]:
    from infra.settings import load_settings
    from models.screening.safety.reviewed import reviewed_rows
    from models.screening.safety.train import read_labels

    if labels is None and not reviews:
        raise typer.BadParameter("give labelled text, --reviews, or both")
    rows = read_labels(labels) if labels is not None else []
    return [*rows, *(reviewed_rows(load_settings()) if reviews else [])]


def _print(thresholds: Thresholds, band: Band, bins: Sequence[Reliability]) -> None:
    from models.calibration import calibration_error

    reject_at = "never" if thresholds.reject_at is None else f"{thresholds.reject_at:.4f}"
    rows = [
        {"figure": "review threshold (probability)", "value": f"{thresholds.review_at:.4f}"},
        {"figure": "reject threshold (probability)", "value": reject_at},
        {"figure": "held-out rows", "value": f"{band.rows:,}"},
        {"figure": "unsafe among passed, 95 % upper bound", "value": f"{band.pass_error_upper:.4f}"},
        {"figure": "safe among rejected, 95 % upper bound", "value": f"{band.reject_error_upper:.4f}"},
        {"figure": "review share", "value": f"{band.review_share:.4f}"},
        {"figure": "expected calibration error", "value": f"{calibration_error(bins):.4f}"},
    ]
    print_rows(rows, ["figure", "value"], Format.table)
    bin_rows = [
        {"predicted": f"{b.predicted:.3f}", "observed": f"{b.observed:.3f}", "rows": f"{b.rows:,}"}
        for b in bins
    ]
    print_rows(bin_rows, ["predicted", "observed", "rows"], Format.table)
