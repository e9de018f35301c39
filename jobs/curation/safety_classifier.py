"""Trains a safety classifier from labelled text and reviewers' decisions, and registers it (section 2.6)."""

from __future__ import annotations

from pathlib import Path

from infra.errors import TrainingRefused
from jobs.context import JobContext
from models.calibration import calibration_error
from models.screening.safety.evaluate import Bounds
from models.screening.safety.registry import register
from models.screening.safety.reviewed import TABLES, reviewed_rows
from models.screening.safety.train import LabelledRow, Trained, read_labels, train

TABLE = "curation.safety_models"
_PROBE = 256


def run(ctx: JobContext) -> tuple[Trained, int]:
    """Fit, calibrate, choose the thresholds that keep the bounds, and register. Returns the classifier and its version.

    Raises:
        TrainingRefused: there are no labels, or no thresholds keep the bounds.
        RegistrationRefused: the stored classifier scores otherwise than the trained one.
    """
    rules = ctx.settings.safety_training
    rows = labelled_rows(ctx)
    trained = train(rows, Bounds(rules.pass_error, rules.reject_error, rules.review_share))
    probe = [row.text.text for row in rows if row.held_out][:_PROBE]
    version = int(register(trained.model, rules.model, rules.alias, probe, ctx.settings))
    thresholds, band = trained.model.thresholds, trained.band
    row = {
        "model": rules.model, "version": version,
        "training_rows": sum(not row.held_out for row in rows), "review_at": thresholds.review_at,
        "reject_at": thresholds.reject_at, "evaluation_rows": band.rows,
        "pass_error_upper": band.pass_error_upper, "reject_error_upper": band.reject_error_upper,
        "review_share": band.review_share, "calibration_error": calibration_error(trained.reliability),
        "ds": ctx.days[-1],
    }  # fmt: skip
    ctx.write(TABLE, ctx.table_of(TABLE, [row]), rows_in={ctx.days[-1]: len(rows)})
    return trained, version


def labelled_rows(ctx: JobContext) -> list[LabelledRow]:
    """Rows of the labels file and of the reviewers, as the settings say."""
    rules = ctx.settings.safety_training
    rows: list[LabelledRow] = []
    versions = {table: ctx.version_read(table) for table in TABLES}
    if rules.labels:
        rows += read_labels(Path(ctx.settings.resolve(rules.labels)))
    if rules.reviews:
        rows += reviewed_rows(ctx.settings, versions)
    if not rows:
        raise TrainingRefused(
            "there is no labelled text", table="curation.reviews",
            hint="Name a file of labels (safety_training.labels), or decide on some turns: flywheel review list.",
        )  # fmt: skip
    return rows
